"""Signature formats. A further one is a module here and a line in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from operator import attrgetter

from imagesig.errors import InvalidArgument
from imagesig.formats.format import Format, Storage
from imagesig.text import quote

__all__ = ["ALL_FORMATS", "DEFAULT_FORMATS", "FORMATS", "Format", "Storage", "select_formats"]

FORMATS: dict[str, str] = {
    "cosign": "imagesig.formats.cosign:Cosign",
    "cosign-x509": "imagesig.formats.cosign:Cosign.certified",
    "bundle": "imagesig.formats.bundle:Bundle",
    "bundle-x509": "imagesig.formats.bundle:Bundle.certified",
    "notation": "imagesig.formats.notation:Notation",
    "notation-jws": "imagesig.formats.notation:notation_jws",
    "notation-cose": "imagesig.formats.notation:notation_cose",
}
"""The names that users select a format by, and what makes it with its default options."""

ALL_FORMATS = ("cosign", "bundle", "notation")
"""What is looked for where nobody selects: every format once, whatever variants of it have names of their own."""

DEFAULT_FORMATS = ("cosign", "bundle")


def select_formats(chosen: Iterable[str | Format]) -> tuple[Format, ...]:
    """The formats that were chosen by name or passed as configured objects, each once.

    Raises:
        InvalidArgument: none, an unknown name, or two of one name.
    """
    if isinstance(chosen, str):
        chosen = (chosen,)
    formats = tuple(_made(item) if isinstance(item, str) else item for item in dict.fromkeys(chosen))
    names = [item.name for item in formats]
    if not formats:
        raise InvalidArgument("formats: none was chosen", hint=f"choose from {', '.join(FORMATS)}")
    if len(set(names)) != len(names):
        raise InvalidArgument(f"formats: {', '.join(names)}; each may be chosen once")
    return formats


@cache
def _made(name: str) -> Format:
    if name not in FORMATS:
        raise InvalidArgument(f"format {quote(name)} is unknown", hint=f"choose from {', '.join(FORMATS)}")
    module, _, attribute = FORMATS[name].partition(":")
    maker: Callable[[], Format] = attrgetter(attribute)(import_module(module))
    return maker()
