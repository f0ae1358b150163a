"""Annotations as a value: an immutable, hashable, picklable mapping of text to text.

Spec: OCI image-spec, annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


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
