"""Formats by name, and the format that reads a stored artefact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from operator import attrgetter

from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument, MalformedError, SignatureRejected
from imagesig.format_names import NAMES, FormatName, Purpose, format_names
from imagesig.formats.format import Format
from imagesig.signature import StoredSignature

ALL_FORMATS = tuple(dict.fromkeys(item.family for item in NAMES))
"""The formats to read by default: each family once, with all its envelopes."""

DEFAULT_FORMATS = tuple(item.name for item in NAMES if item.signs_by_default)


@checks_arguments
def select_formats(chosen: Iterable[str | Format], purpose: Purpose = Purpose.SIGNATURE) -> tuple[Format, ...]:
    """The formats that were chosen by name or passed as configured objects, each once.

    Raises:
        InvalidArgument: no name, a name that is unknown for this purpose, or two formats of one name.
    """
    if isinstance(chosen, str):
        chosen = (chosen,)
    formats = tuple(_made(item, purpose) if isinstance(item, str) else item for item in dict.fromkeys(chosen))
    names = [item.name for item in formats]
    if not formats:
        raise InvalidArgument("formats: none was chosen", hint=f"choose from {', '.join(item.name for item in NAMES)}")
    if len(set(names)) != len(names):
        raise InvalidArgument(f"formats: {', '.join(names)}; each may be chosen once")
    return formats


@checks_arguments
def reader_of(stored: StoredSignature, formats: Sequence[Format | FormatName]) -> Format | None:
    """The format that reads this artefact; None if none of them does. A name is loaded only if its format may read it.

    The type of its content decides before the type of its manifest, which all envelopes of a family share. Between
    formats that share a type, what the artefact says decides; the first one reports what none of them can read.
    """
    for media_type in (stored.parts[0].media_type, stored.artifact_type, stored.config_type):
        if sharing := [_loaded(item) for item in formats if item.reads(media_type)]:
            return sharing[0] if len(sharing) == 1 else _recognizing(stored, sharing)
    return None


def _recognizing(stored: StoredSignature, sharing: Sequence[Format]) -> Format:
    for item in sharing:
        try:
            if item.recognizes(item.parse(stored)):
                return item
        except (SignatureRejected, MalformedError):
            continue
    return sharing[0]


def _loaded(item: Format | FormatName) -> Format:
    return _made(item.name, item.purpose) if isinstance(item, FormatName) else item


@cache
def _made(name: str, purpose: Purpose) -> Format:
    (entry,) = format_names((name,), purpose)
    module, _, attribute = entry.maker.partition(":")
    maker: Callable[[], Format] = attrgetter(attribute)(import_module(f"imagesig.formats.{module}"))
    return maker()
