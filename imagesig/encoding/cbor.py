"""Reads CBOR strictly and writes it deterministically.

Strict means: one value and nothing after it, no duplicate keys, no indefinite lengths, bounded depth, and no
interpretation of tags as dates, numbers or regular expressions. The caller limits the size.

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
    """A tagged value. The caller interprets the number."""

    number: int
    value: object


class _EveryTag(Mapping[int, Callable[[object, bool], object]]):
    """Decoders for every tag number that return a `Tag`. Otherwise cbor2 interprets the numbers that it knows."""

    def __getitem__(self, number: int) -> Callable[[object, bool], object]:
        return lambda value, _immutable: Tag(number, value)

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


_KEEP_TAGS = _EveryTag()


def parse(data: bytes, what: str) -> object:
    """The only CBOR value in `data`: int, bytes, str, float, bool, None, list, dict or `Tag`. `what` is for errors.

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
            semantic_decoders=_KEEP_TAGS,
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
    """Counts values by their headers, before objects are made: an empty array has one byte, a Python list 56."""
    count = position = 0
    left = [1]  # the number of further values, by depth
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
    """The major type of the value at `position`, its argument, and the position after the header."""
    if position >= len(data):
        raise MalformedError(f"{what}: the CBOR ends, a value is needed")
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
    """The deterministic encoding, with shorter keys first. A `Tag` becomes a tag."""
    import cbor2

    def tag(encoder: cbor2.CBOREncoder, found: object) -> None:
        if not isinstance(found, Tag):
            raise TypeError(f"{type(found).__name__} cannot be encoded as CBOR")
        encoder.encode(cbor2.CBORTag(found.number, found.value))

    return cbor2.dumps(value, canonical=True, default=tag)
