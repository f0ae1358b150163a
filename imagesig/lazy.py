"""Public names of a package that load on first use, from one table.

Type checkers read the same names from `__init__.pyi`, which `python -m tests.public_names` writes from the table.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in `typing`; importing `typing` takes longer than the rest of `import imagesig`

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy(
    package: str, table: Mapping[str, str], modules: str = ""
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` for `package`. Spec: PEP 562.

    `table` maps each module to the public names that it defines, separated by spaces. `modules` are public modules of
    the package, which load on first use too.
    """
    homes = {name: module for module, names in table.items() for name in names.split()}
    submodules = modules.split()
    public = sorted([*homes, *submodules])

    def load(name: str) -> object:
        from importlib import import_module

        if name in submodules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: list(public), public
