"""What JSON documents must look like: objects whose members every reader reads alike.

Go's `encoding/json` finds the members of a struct without regard to case, by Unicode's simple folding, and the last one
counts. So a member that differs from a known one by its case alone is another member to us and the same to Go: such a
document is refused. Members of maps, such as annotations, are compared exactly by both and may be called anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from imagesig.errors import MalformedError
from imagesig.text import quote

_FOLDED = str.maketrans({"\u017f": "s", "\u212a": "k"})
"""The two letters outside ASCII that fold to one inside: long s and the Kelvin sign."""


def refuse_twins(members: Iterable[str], known: frozenset[str], what: str) -> None:
    """Returns unless one of the names equals a known one but for its case.

    `known` are the members that any reader of this kind of object knows, not only those that we use.

    Raises:
        MalformedError: there is such a member.
    """
    for name in members:
        if name not in known and (meant := _by_folding(known).get(folded(name))):
            raise MalformedError(
                f"{what}: the member {quote(name)} differs from {quote(meant)} by its case alone: readers disagree"
            )


def members_of(value: object, known: frozenset[str], what: str) -> Mapping[str, object]:
    """The members of an object in which no name is the twin of a known one.

    Raises:
        MalformedError: no object, or one with a twin.
    """
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: {quote(value)}, an object is needed")
    refuse_twins(value, known, what)
    return value


def folded(name: str) -> str:
    """The name as Go compares it with the ASCII names of a struct's members."""
    name = name.translate(_FOLDED)
    return name.lower() if name.isascii() else name


@lru_cache(maxsize=64)
def _by_folding(known: frozenset[str]) -> dict[str, str]:
    return {folded(name): name for name in known}
