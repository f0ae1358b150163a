"""CBOR: strict where we read what others wrote, deterministic where we write.

Strict means: one value and nothing after it, no key twice, no indefinite lengths, bounded depth, and every tag as it
stands: no tag becomes a date, a number or a regular expression. Size is bounded by whoever read the bytes.

Spec: RFC 8949, sections 4.2.1 (deterministic) and 5.3.1 (validity).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO

from msgspec import Struct

from imagesig import limits
from imagesig.errors import MalformedError


class Tag(Struct, frozen=True):
    """A tagged value; what the number means is for the reader to say."""

    number: int
    value: object


class _EveryTag(Mapping[int, Callable[[object, bool], object]]):
    """Says of every tag number: keep it as it is. The decoder would otherwise interpret those that it knows."""

    def __getitem__(self, number: int) -> Callable[[object, bool], object]:
        return lambda value, _immutable: Tag(number, value)

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


_AS_IT_STANDS = _EveryTag()


def parse(data: bytes, what: str) -> object:
    """The one CBOR value in `data`: int, bytes, str, float, bool, None, list, dict and `Tag`. `what` is for errors.

    Raises:
        MalformedError: not strict CBOR, or nested deeper than `limits.CBOR_DEPTH`.
    """
    import cbor2

    stream = BytesIO(data)
    try:
        decoder = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_AS_IT_STANDS,
            max_depth=limits.CBOR_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            read_size=1,
        )
        value: object = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise MalformedError(f"{what}: not strict CBOR ({str(error)[:80]})") from None
    if stream.tell() != len(data):
        raise MalformedError(f"{what}: {len(data) - stream.tell()} bytes after the CBOR value")
    return value


def dump(value: object) -> bytes:
    """The deterministic encoding, with the shorter key first; `Tag` becomes a tag."""
    import cbor2

    def tag(encoder: cbor2.CBOREncoder, found: object) -> None:
        if not isinstance(found, Tag):
            raise TypeError(f"{type(found).__name__} has no CBOR form here")
        encoder.encode(cbor2.CBORTag(found.number, found.value))

    return cbor2.dumps(value, canonical=True, default=tag)
