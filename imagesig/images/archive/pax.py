"""Extended headers of a tar: the name and size of the next member. Pure.

Spec: POSIX.1-2017 pax, extended header. Readers disagree on records that are repeated, empty or of odd length.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.patterns import regex
from imagesig.text import quote

_LENGTH = regex(rb"([1-9][0-9]{0,7}) ")
_INTEGER = regex(rb"-?[0-9]{1,18}")
_TIME = regex(rb"-?[0-9]{1,18}(\.[0-9]*)?")
_SIZE = regex(rb"0|[1-9][0-9]{0,17}")
_GLOBAL_NAMES = (b"pax_global_header", b"././@PaxHeader")
"""The names that git and Python use. Some readers unpack a global header as a member of its name."""
_FORMS = {b"atime": _TIME, b"ctime": _TIME, b"mtime": _TIME, b"uid": _INTEGER, b"gid": _INTEGER, b"size": _SIZE}
_TEXTS = (b"path", b"uname", b"gname")
_REFUSED = {
    b"linkpath": "a link with a long name",
    b"hdrcharset": "names in another encoding",
    b"charset": "content in another encoding",
}
_SPARSE = (b"GNU.", b"SCHILY.realsize", b"SCHILY.offset", b"SUN.holesdata")
"""GNU's records for sparse files and dumps; sizes and holes of star and Solaris."""


class Extended(Struct, frozen=True):
    """Name and size of the next member, if the extended header has them."""

    name: bytes = b""
    size: int | None = None


def parse_extended(text: bytes, what: str) -> Extended:
    """The content of a pax header.

    Raises:
        MalformedError: not such a header, or a record that readers may read differently.
        LimitExceeded: a name longer than `imagesig.limits` allows.
    """
    records = _records(text, what)
    for key, value in records.items():
        form = _FORMS.get(key)
        if key in _REFUSED or key.startswith(_SPARSE):
            why = _REFUSED.get(key, "a sparse file")
            raise MalformedError(f"{what}: an extended header that makes {why}; such archives are not read")
        if form is not None and not form.fullmatch(value):
            raise MalformedError(f"{what}: an extended header with the {quote(key)} {quote(value)}")
        if key in _TEXTS and b"\0" in value:
            raise MalformedError(f"{what}: an extended header with NUL in {quote(key)}")
    name, size = records.get(b"path"), records.get(b"size")
    if name == b"":
        raise MalformedError(f"{what}: an extended header with an empty name: readers disagree")
    if name is not None and len(name) > limits.ARCHIVE_NAME_BYTES:
        raise LimitExceeded(f"{what}: a name of {len(name)} bytes, at most {limits.ARCHIVE_NAME_BYTES} are read")
    return Extended(name or b"", None if size is None else int(size))


def parse_global(text: bytes, name: bytes, what: str) -> None:
    """Returns if a global header has only a comment, as git writes it.

    Raises:
        MalformedError: it has other records, or an unknown name.
    """
    if name not in _GLOBAL_NAMES or set(_records(text, what)) - {b"comment"}:
        raise MalformedError(f"{what}: a global header with more than a comment: readers disagree")


def _records(text: bytes, what: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for key, value in _split(text, what):
        if key in found:
            raise MalformedError(f"{what}: an extended header repeats {quote(key)}: readers disagree")
        found[key] = value
    return found


def _split(text: bytes, what: str) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(text):
        length = _LENGTH.match(text, at)
        end = at + int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(text) or text[end - 1 : end] != b"\n":
            raise MalformedError(f"{what}: an invalid extended header")
        key, equals, value = text[length.end() : end - 1].partition(b"=")
        if not equals or not key or b"\0" in key:
            raise MalformedError(f"{what}: an invalid extended header")
        yield key, value
        at = end
