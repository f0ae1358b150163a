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
from imagesig.effort import Cost, spend
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.external import external_call


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
        MalformedError: not strict CBOR.
        LimitExceeded: more than `limits.CBOR_NODES` values, or nested deeper than `limits.CBOR_DEPTH`.
    """
    import cbor2

    _check_headers(data, what)
    stream = BytesIO(data)
    with external_call(what, lambda error: MalformedError(f"{what}: not strict CBOR ({str(error)[:80]})")):
        decoder = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_AS_IT_STANDS,
            max_depth=limits.CBOR_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            read_size=1,
        )
        value: object = decoder.decode()
    if stream.tell() != len(data):
        raise MalformedError(f"{what}: {len(data) - stream.tell()} bytes after the CBOR value")
    return value


def _check_headers(data: bytes, what: str) -> None:
    """Counts the values by their headers, before objects are made: an empty array is one byte here and 56 as a list."""
    count = position = 0
    left = [1]  # values that are still to come, by depth
    size = len(data)
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        count += 1
        major, argument, position = _header(data, position, what)
        children = {4: argument, 5: 2 * argument, 6: 1}.get(major, 0)
        if count + children > limits.CBOR_NODES:
            raise LimitExceeded(f"{what}: more than {limits.CBOR_NODES} CBOR values")
        if major in (2, 3):
            position += argument
        if position > size:
            raise MalformedError(f"{what}: the CBOR ends within a value")
        if children or major in (4, 5):
            if len(left) > limits.CBOR_DEPTH:
                raise LimitExceeded(f"{what}: CBOR nested deeper than {limits.CBOR_DEPTH}")
            left.append(children)
    spend(Cost.NODES, count, what)


def _header(data: bytes, position: int, what: str) -> tuple[int, int, int]:
    """The major type of the value that begins there, its argument, and where what follows begins."""
    if position >= len(data):
        raise MalformedError(f"{what}: the CBOR ends where a value is needed")
    major, additional = data[position] >> 5, data[position] & 0x1F
    position += 1
    if additional < 24:
        return major, additional, position
    if additional > 27:
        raise MalformedError(f"{what}: CBOR of indefinite length, or with a reserved header")
    end = position + (1 << (additional - 24))
    if end > len(data):
        raise MalformedError(f"{what}: the CBOR ends within a header")
    return major, int.from_bytes(data[position:end]), end


def dump(value: object) -> bytes:
    """The deterministic encoding, with the shorter key first; `Tag` becomes a tag."""
    import cbor2

    def tag(encoder: cbor2.CBOREncoder, found: object) -> None:
        if not isinstance(found, Tag):
            raise TypeError(f"{type(found).__name__} has no CBOR form here")
        encoder.encode(cbor2.CBORTag(found.number, found.value))

    return cbor2.dumps(value, canonical=True, default=tag)
