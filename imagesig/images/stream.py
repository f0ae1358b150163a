"""A blob in pieces, compared with its descriptor as it passes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from imagesig.deadlines import remaining
from imagesig.errors import DigestMismatch
from imagesig.oci.descriptor import Descriptor

CHUNK_BYTES = 256 * 1024


def hash_of(chunks: Iterable[bytes], what: str) -> str:
    """The digest of all the pieces together. Raises `DeadlineExceeded` once the deadline has passed."""
    hashed = hashlib.sha256()
    for chunk in chunks:
        remaining(what)
        hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"


def checked(chunks: Iterable[bytes], descriptor: Descriptor, what: str) -> Iterator[bytes]:
    """The same pieces, never more than `descriptor.size` bytes of them.

    Raises:
        DigestMismatch: more, fewer or other bytes came; before the last piece is given.
    """
    hashed = hashlib.sha256()
    length, held = 0, b""
    for chunk in chunks:
        length += len(chunk)
        if length > descriptor.size:
            raise DigestMismatch(f"{what}: more bytes came than the {descriptor.size} that were expected")
        hashed.update(chunk)
        if held:
            yield held
        held = chunk
    seen = f"sha256:{hashed.hexdigest()}"
    if length != descriptor.size or seen != descriptor.digest:
        raise DigestMismatch(f"{what}: {length} bytes came, with digest {seen}; {descriptor.size} bytes were expected")
    if held:
        yield held
