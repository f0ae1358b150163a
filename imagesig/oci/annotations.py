"""Annotations as a value: an immutable, hashable, picklable mapping of text to text.

Spec: OCI image-spec, annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagesig.errors import InvalidArgument
from imagesig.text import quote


class Annotations(Mapping[str, str]):
    """Values by name, sorted by name. Equal to any mapping with the same items."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | None = None) -> None:
        self._items = dict(sorted((items or {}).items()))

    def __getitem__(self, name: str) -> str:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"Annotations({self._items!r})"


NO_ANNOTATIONS = Annotations()


def check_annotations(given: object, what: str) -> Annotations:
    """The annotations, if a signature can have them. `what` names the argument in errors.

    Raises:
        InvalidArgument: not a mapping, an empty name, or a name or value that is not text in Unicode.
    """
    if not isinstance(given, Mapping):
        raise InvalidArgument(f"{what}s {quote(given)}: names with values are needed")
    for name, value in given.items():
        if not _is_text(name) or not _is_text(value) or not name:
            raise InvalidArgument(f"{what} {quote(name)}={quote(value)}: a name and a value in Unicode are needed")
    return given if type(given) is Annotations else Annotations(given)


def _is_text(value: object) -> bool:
    """Whether it encodes: a lone surrogate, made of a byte that is not UTF-8, would be signed as something else."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value
