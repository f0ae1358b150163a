"""Hashing a blob in pieces, and comparing it with its descriptor while it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import DigestMismatch, LimitExceeded
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import address_of, hasher

CHUNK_BYTES = 256 * 1024


def hash_of(chunks: Iterable[bytes], wanted: str, what: str) -> str:
    """The digest of all pieces together, by the algorithm of `wanted`. Raises `DeadlineExceeded` after the deadline."""
    hashed = hasher(wanted)
    for chunk in chunks:
        remaining(what)
        hashed.update(chunk)
    return address_of(hashed, wanted)


def checked(chunks: Iterable[bytes], descriptor: Descriptor, what: str) -> Iterator[bytes]:
    """The same pieces, never more than `descriptor.size` bytes. A negative size is unknown: any number of bytes, up to
    a limit.

    Raises:
        LimitExceeded: more than `limits.UNSIZED_BLOB_BYTES` arrive, and no size says how many there should be.
        DigestMismatch: more, fewer or other bytes arrive. Raised before the last piece is given.
    """
    hashed = hasher(descriptor.digest)
    length, held, sized = 0, b"", descriptor.size >= 0
    for chunk in chunks:
        length += len(chunk)
        if sized and length > descriptor.size:
            raise DigestMismatch(f"{what}: more than the expected {descriptor.size} bytes arrived")
        if length > limits.UNSIZED_BLOB_BYTES and not sized:
            raise LimitExceeded(f"{what}: no size is named, and more than {limits.UNSIZED_BLOB_BYTES} bytes arrived")
        hashed.update(chunk)
        if held:
            yield held
        held = chunk
    seen = address_of(hashed, descriptor.digest)
    if (sized and length != descriptor.size) or seen != descriptor.digest:
        raise DigestMismatch(
            f"{what}: {length} bytes arrived with digest {seen}; {descriptor.size} bytes were expected"
        )
    if held:
        yield held
