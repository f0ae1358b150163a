"""`read_blob`: the digests of a file, a stream or bytes, read once in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol, runtime_checkable

from imagesig.crypto.algorithms import Hash
from imagesig.errors import InvalidArgument, LimitExceeded
from imagesig.external import external_call
from imagesig.naming import PathLike
from imagesig.reading import read_pieces
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_PIECE = 1024 * 1024


@runtime_checkable
class BinaryStream(Protocol):
    """A stream of bytes, such as an open file or `sys.stdin.buffer`."""

    def read(self, size: int, /) -> bytes: ...


BlobLike = bytes | str | PathLike | BinaryStream
"""The bytes themselves, the path of a file, or a stream, which is read to its end."""


class Blob(RedactedStruct, frozen=True):
    """A blob that was read: its size in bytes and its digests. `message` is the whole blob, or None."""

    hidden = ("message",)

    name: str
    size: int
    digests: Mapping[Hash, bytes]
    message: bytes | None = None

    @property
    def title(self) -> str:
        """Its name in errors."""
        return f"blob {quote(self.name)}" if self.name else "blob"

    @property
    def digest(self) -> str:
        """`sha256:` and hex."""
        return f"sha256:{self.digests[Hash.SHA256].hex()}"


def blob_name(blob: BlobLike) -> str:
    """The last part of the path; empty for a stream and for bytes."""
    if isinstance(blob, str | PathLike):
        return str(blob if isinstance(blob, str) else blob.__fspath__()).rpartition("/")[2]
    return ""


def read_blob(
    blob: BlobLike,
    hashes: Collection[Hash],
    *,
    whole: int = 0,
    why: str = "",
    see: Callable[[bytes], None] = lambda piece: None,
) -> Blob:
    """The blob with its SHA-256 digest and those of other `hashes`. `see` is called with each piece of it, in order.

    A blob of up to `whole` bytes is also kept in memory. A larger one is an error if `why` names what needs it;
    otherwise only its digests are kept.

    Raises:
        InvalidArgument: no such file, or a stream that does not return bytes.
        LimitExceeded: the blob is larger than `whole`, and `why` is given.
    """
    used = {item: hashlib.new(item.value) for item in {Hash.SHA256, *hashes}}
    size, kept = 0, bytearray()
    for piece in _pieces(blob):
        size += len(piece)
        see(piece)
        if size <= whole:
            kept += piece
        elif why and whole:
            raise LimitExceeded(
                f"blob {quote(blob_name(blob))}: more than {whole} bytes; {why}",
                hint="use an ECDSA or RSA key, which signs the digest",
            )
        else:
            kept.clear()
        for hashed in used.values():
            hashed.update(piece)
    message = bytes(kept) if whole and size <= whole else None
    return Blob(blob_name(blob), size, {item: hashed.digest() for item, hashed in used.items()}, message)


def _pieces(blob: BlobLike) -> Iterator[bytes]:
    if isinstance(blob, bytes):
        yield blob
    elif isinstance(blob, str | PathLike):
        yield from read_pieces(blob, "blob")
    else:
        while piece := _next(blob):
            yield piece


def _next(stream: BinaryStream) -> bytes:
    with external_call("blob", _unreadable):
        piece = stream.read(_PIECE)
    if not isinstance(piece, bytes):
        raise InvalidArgument(
            f"blob: the stream returns {type(piece).__name__}, bytes are needed", hint="open the file with mode 'rb'"
        )
    return piece


def _unreadable(error: Exception) -> InvalidArgument:
    return InvalidArgument(f"blob: the stream cannot be read ({type(error).__name__})")
