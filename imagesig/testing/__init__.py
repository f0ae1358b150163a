"""What the author of a key provider, or of a program that uses imagesig, tests with.

`ProviderContract` is the suite that every key provider passes; it needs pytest. Each name is loaded when it is first
used, so that importing this package costs nothing and needs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagesig.testing.contract import ProviderContract

__all__ = ["ProviderContract"]

_HOMES = {"ProviderContract": "imagesig.testing.contract"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
