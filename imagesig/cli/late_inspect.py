"""The standard module `inspect`, loaded on first use in the process of a command.

click imports it with `ast`, `dis` and `tokenize`, and needs it only to remove the indentation of help texts. msgspec
imports `typing_extensions`, if that is installed, which uses `inspect` while it loads.
"""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock
from types import ModuleType

_NAME = "inspect"
_EXTENSIONS = "typing_extensions"
_lock = Lock()


def load_inspect_late() -> None:
    """Makes `import inspect` cheap, if nothing has loaded it. Every attribute that is used loads it."""
    # speed: loading it takes a fifteenth of the command that verifies one image (benchmarks/test_cli.py)
    sys.modules.setdefault(_NAME, _Late(_NAME))
    _load_msgspec()


def _load_msgspec() -> None:
    """Loads msgspec as where `typing_extensions` is not installed: what it takes from there is in Python's `typing`."""
    if "msgspec" in sys.modules or _EXTENSIONS in sys.modules:
        return
    sys.modules[_EXTENSIONS] = None  # type: ignore[assignment]  # to Python, a module that is not installed
    try:
        import_module("msgspec")
    finally:
        del sys.modules[_EXTENSIONS]


class _Late(ModuleType):
    def __getattr__(self, name: str) -> object:
        with _lock:
            if sys.modules.get(_NAME) is self:
                del sys.modules[_NAME]
        return getattr(import_module(_NAME), name)

    def cleandoc(self, doc: str) -> str:
        """The same as `inspect.cleandoc`, which is not loaded for a text of one line."""
        if "\n" not in doc and "\t" not in doc and not doc[:1].isspace():
            return doc
        return str(self.__getattr__("cleandoc")(doc))  # type: ignore[operator]
