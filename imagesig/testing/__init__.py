"""What the author of a key provider, or of a program that uses imagesig, tests with.

`ProviderContract` is the suite that every key provider passes; it needs pytest. `InMemoryRegistry` is a registry with
faults on demand. `hostile_registry` and `hostile_homes` give images that attack whoever reads them. Each name is loaded
when it is first used, so that importing this package costs nothing and needs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagesig.testing.contract import ProviderContract
    from imagesig.testing.hostile import HOSTILE_HOMES, HOSTILITIES, hostile_home, hostile_homes, hostile_registry
    from imagesig.testing.registry import Answer, InMemoryRegistry, Request

__all__ = [
    "HOSTILE_HOMES",
    "HOSTILITIES",
    "Answer",
    "InMemoryRegistry",
    "ProviderContract",
    "Request",
    "hostile_home",
    "hostile_homes",
    "hostile_registry",
]

_HOMES = {
    "Answer": "imagesig.testing.registry",
    "InMemoryRegistry": "imagesig.testing.registry",
    "ProviderContract": "imagesig.testing.contract",
    "Request": "imagesig.testing.registry",
    **dict.fromkeys(("HOSTILE_HOMES", "HOSTILITIES"), "imagesig.testing.hostile"),
    **dict.fromkeys(("hostile_home", "hostile_homes", "hostile_registry"), "imagesig.testing.hostile"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
