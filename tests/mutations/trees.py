"""JSON as a tree that keeps what JSON readers differ about: order, members that stand twice, escapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass


class Members(list):
    """An object: lists of a key and a value, in their order."""


@dataclass(frozen=True)
class Raw:
    """Text that stands in the document as it is, for a key or a value."""

    text: str


@dataclass(frozen=True)
class Site:
    """One value of a document: `holder[at]`, where the holder is `[key, value]` or an array."""

    holder: list
    at: int
    path: str
    parent: list

    @property
    def value(self) -> object:
        return self.holder[self.at]

    @property
    def is_member(self) -> bool:
        return isinstance(self.parent, Members)

    @property
    def place(self) -> int:
        """Its place in the object or array."""
        return (
            next(number for number, item in enumerate(self.parent) if item is self.holder)
            if self.is_member
            else self.at
        )


def load(data: bytes) -> object:
    """Raises: ValueError: it is no JSON."""
    return json.loads(data, object_pairs_hook=lambda pairs: Members([key, value] for key, value in pairs))


def dump(tree: object) -> bytes:
    return _text(tree).encode("utf-8", "surrogatepass")


def sites(tree: object, path: str = "") -> Iterator[Site]:
    """Every member and element; elements of arrays have no number in their path."""
    if isinstance(tree, Members):
        for member in tree:
            here = f"{path}/{member[0]}"
            yield Site(member, 1, here, tree)
            yield from sites(member[1], here)
    elif isinstance(tree, list):
        for number, item in enumerate(tree):
            yield Site(tree, number, f"{path}[]", tree)
            yield from sites(item, f"{path}[]")


def get(tree: object, path: str) -> Site:
    """The first value with this path. Raises: KeyError: there is none."""
    for site in sites(tree):
        if site.path == path:
            return site
    raise KeyError(path)


def _text(node: object) -> str:
    if isinstance(node, Raw):
        return node.text
    if isinstance(node, Members):
        return "{" + ",".join(f"{_text(key)}:{_text(value)}" for key, value in node) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    return json.dumps(node, ensure_ascii=False)
