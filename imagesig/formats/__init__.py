"""Signature formats. A further one is a module here, a line in `_MAKERS`, and one in `imagesig.format_names`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from operator import attrgetter

from imagesig.errors import InvalidArgument
from imagesig.format_names import NAMES, format_names
from imagesig.formats.format import Format, Storage
from imagesig.signature import StoredSignature

__all__ = ["ALL_FORMATS", "DEFAULT_FORMATS", "FORMATS", "Format", "Storage", "reader_of", "select_formats"]

_MAKERS = {
    "cosign": "imagesig.formats.cosign:Cosign",
    "cosign-x509": "imagesig.formats.cosign:Cosign.certified",
    "bundle": "imagesig.formats.bundle:Bundle",
    "bundle-x509": "imagesig.formats.bundle:Bundle.certified",
    "notation": "imagesig.formats.notation:Notation",
    "notation-jws": "imagesig.formats.notation:notation_jws",
    "notation-cose": "imagesig.formats.notation:notation_cose",
}

FORMATS: dict[str, str] = {item.name: _MAKERS[item.name] for item in NAMES}
"""The names that users select a format by, and what makes it with its default options."""

ALL_FORMATS = tuple(dict.fromkeys(item.family for item in NAMES))
"""What is looked for where nobody selects: each family once, with every envelope that it has."""

DEFAULT_FORMATS = tuple(item.name for item in NAMES if item.signs_by_default)


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


def reader_of(stored: StoredSignature, formats: Sequence[Format]) -> Format | None:
    """The first of the formats that reads this signature; None if none does.

    The type of its content decides before the type of its manifest, which all envelopes of a family share.
    """
    for media_type in (stored.parts[0].media_type, stored.artifact_type, stored.config_type):
        for item in formats:
            if item.reads(media_type):
                return item
    return None


@cache
def _made(name: str) -> Format:
    format_names((name,))
    module, _, attribute = FORMATS[name].partition(":")
    maker: Callable[[], Format] = attrgetter(attribute)(import_module(module))
    return maker()
