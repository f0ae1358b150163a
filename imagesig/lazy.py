"""Public names of a package that load on first use, from one table.

Type checkers read the same names from `__init__.pyi`, which `python -m tests.public_names` writes from the table.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in `typing`; importing `typing` takes longer than the rest of `import imagesig`

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy(package: str, table: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` for `package`. Spec: PEP 562.

    `table` maps each module to the public names that it defines, separated by spaces.
    """
    modules = {name: module for module, names in table.items() for name in names.split()}
    public = sorted(modules)

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: list(public), public
