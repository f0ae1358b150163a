"""Shapes of JSON documents: objects whose members all readers interpret in the same way, and conversions of values.

Go's `encoding/json` ignores case when it matches the members of a struct (Unicode simple folding), and uses the last
match. So a member that differs from a known one only by case is a different member here and the same one in Go. Such
documents are refused. Names in maps, such as annotations, are compared exactly by both.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache

from msgspec import Struct

from imagesig.errors import ImagesigError, MalformedError
from imagesig.text import quote

_FOLDED = str.maketrans({"\u017f": "s", "\u212a": "k"})
"""The two letters outside ASCII that fold to one inside: long s and the Kelvin sign."""

_CACHED_CHARACTERS = 64
"""Length of the names whose spellings are cached."""


class Shape(Struct, frozen=True):
    """The shape of one kind of object: the members that any reader knows, not only those that imagesig uses.

    `inner` has the shapes of the members that are objects, or lists of objects, and are checked too.
    """

    known: frozenset[str] = frozenset()
    inner: tuple[tuple[str, Shape], ...] = ()

    @classmethod
    def of(cls, names: str, **inner: Shape) -> Shape:
        """The shape with these members (names separated by blanks) and those in `inner`."""
        return cls(frozenset((*names.split(), *inner)), tuple(inner.items()))


OURS = Shape()
"""A document that only imagesig reads, or a map: its members are always compared exactly."""


def check_shape(value: object, shape: Shape, what: str) -> None:
    """Returns if no object in the value has a twin of a known member (same name except for case), here or in `inner`.

    Raises:
        MalformedError: one has.
    """
    if isinstance(value, dict):
        if not shape.known.issuperset(value):  # speed: as in `refuse_twins`, without a call (benchmarks/rows.py)
            refuse_twins(value, shape.known, what)
        for name, inner in shape.inner:
            if name in value:
                check_shape(value[name], inner, what)
    elif isinstance(value, list):
        for item in value:
            check_shape(item, shape, what)


def refuse_twins(members: Collection[str], known: frozenset[str], what: str) -> None:
    """Returns if no name differs from a known one only by case.

    `known` are the members that any reader of this object knows, not only those that imagesig uses.

    Raises:
        MalformedError: there is such a member.
    """
    if known.issuperset(members):
        return
    longest = _longest(known)
    for name in members:
        if name in known or len(name) > longest:  # folding keeps the number of characters
            continue
        if meant := _by_folding(known).get(folded(name)):
            raise MalformedError(
                f"{what}: the member {quote(name)} differs from {quote(meant)} only by case: readers disagree"
            )


def as_object(value: object, what: str, error: Callable[[str], ImagesigError] = MalformedError) -> Mapping[str, object]:
    """The members of an object, of any names. Raises `error` for another value."""
    if not isinstance(value, dict):
        raise error(f"{what}: {quote(value)}, an object is needed")
    return value


def as_text(value: object, what: str, error: Callable[[str], ImagesigError] = MalformedError) -> str:
    """The text, which is not empty. Raises `error` for another value."""
    if not isinstance(value, str) or not value:
        raise error(f"{what}: {quote(value)}, text is needed")
    return value


def as_bytes(value: object, what: str, error: Callable[[str], ImagesigError] = MalformedError) -> bytes:
    """The bytes that the text encodes in base64. Raises `error` for another value."""
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except ValueError:
        pass
    raise error(f"{what}: {quote(value)}, base64 is needed")


def members_of(value: object, shape: Shape, what: str) -> Mapping[str, object]:
    """The members of an object without twins of known names.

    Raises:
        MalformedError: not an object, or an object with a twin.
    """
    members = as_object(value, what)
    check_shape(members, shape, what)
    return members


def refuse_two_spellings(value: object, what: str) -> None:
    """Returns if no object in the value has two members that are one member in protobuf's JSON.

    protobuf accepts two names for each member, `rawBytes` and `raw_bytes`. Do not use this for values with maps, whose
    names are arbitrary.

    Raises:
        MalformedError: there is such an object.
    """
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, list):
            unseen += item
        elif isinstance(item, dict):
            unseen += item.values()
            spellings: dict[str, str] = {}
            for name in item:
                other = spellings.setdefault(_spelling(name), name)
                if other is not name:
                    raise MalformedError(
                        f"{what}: {quote(other)} and {quote(name)} are the same member for some readers"
                    )


def _spelling(name: str) -> str:
    return _known_spelling(name) if len(name) <= _CACHED_CHARACTERS else folded(name).replace("_", "")


@lru_cache(maxsize=256)
def _known_spelling(name: str) -> str:
    return folded(name).replace("_", "")


def folded(name: str) -> str:
    """The name as Go compares it with the ASCII names of a struct's members."""
    name = name.translate(_FOLDED)
    return name.lower() if name.isascii() else name


# speed: a JSON object costs two look-ups instead of folding all known names (benchmarks/test_library.py)


@lru_cache(maxsize=64)
def _longest(known: frozenset[str]) -> int:
    return max(map(len, known), default=0)


@lru_cache(maxsize=64)
def _by_folding(known: frozenset[str]) -> dict[str, str]:
    return {folded(name): name for name in known}
