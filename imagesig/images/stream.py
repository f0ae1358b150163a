"""Hashing a blob in pieces, and comparing it with its descriptor while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from imagesig.deadlines import remaining
from imagesig.errors import DigestMismatch
from imagesig.oci.descriptor import Descriptor

CHUNK_BYTES = 256 * 1024


def hash_of(chunks: Iterable[bytes], what: str) -> str:
    """The digest of all pieces together. Raises `DeadlineExceeded` after the deadline."""
    hashed = hashlib.sha256()
    for chunk in chunks:
        remaining(what)
        hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"


def checked(chunks: Iterable[bytes], descriptor: Descriptor, what: str) -> Iterator[bytes]:
    """The same pieces, never more than `descriptor.size` bytes.

    Raises:
        DigestMismatch: more, fewer or other bytes arrive. Raised before the last piece is given.
    """
    hashed = hashlib.sha256()
    length, held = 0, b""
    for chunk in chunks:
        length += len(chunk)
        if length > descriptor.size:
            raise DigestMismatch(f"{what}: more than the expected {descriptor.size} bytes arrived")
        hashed.update(chunk)
        if held:
            yield held
        held = chunk
    seen = f"sha256:{hashed.hexdigest()}"
    if length != descriptor.size or seen != descriptor.digest:
        raise DigestMismatch(
            f"{what}: {length} bytes arrived with digest {seen}; {descriptor.size} bytes were expected"
        )
    if held:
        yield held
