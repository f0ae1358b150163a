"""Members of YAML mappings. A mapping in which kubectl or docker compose may read another member is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from imagesig.cli.workloads.yaml_nodes import NULL, Mappings, is_kind, is_plain_text, refused
from imagesig.encoding.shape import refuse_twins
from imagesig.errors import InvalidArgument, MalformedError

if TYPE_CHECKING:
    from yaml import Node, ScalarNode


class Members:
    """The members of the mappings of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._mappings = Mappings(name)

    def all(self, node: Node | None) -> dict[str, Node]:
        """Every member of a mapping; nothing for any other node."""
        return self._mappings.members(node)

    def known(self, node: Node | None, *names: str) -> dict[str, Node]:
        """The same, after a check that no key differs from one of these names only in case."""
        members = self.all(node)
        if node is not None:
            self.refuse_twins(node, members, frozenset(names))
        return members

    def refuse_twins(self, node: Node, members: Collection[str], names: frozenset[str]) -> None:
        try:
            refuse_twins(members, names, "mapping")
        except MalformedError as error:
            raise self.refused(node, str(error)) from error

    def scalar(self, node: Node | None, name: str) -> Iterator[ScalarNode]:
        """The value of a member, if there is one. Raises `InvalidArgument` for a list or mapping."""
        value = self.known(node, name).get(name)
        if value is None:
            return
        if not is_kind(value, "scalar"):
            raise self.refused(value, f"{name} is not text; a reference is needed")
        yield value  # type: ignore[misc]

    def refused(self, node: Node, what: str, hint: str = "") -> InvalidArgument:
        """The error that names the line of a node."""
        return refused(self._name, node, what, hint)


def is_text(node: Node | None) -> bool:
    """Whether all readers take a node for the same text."""
    return is_kind(node, "scalar") and is_plain_text(node)  # type: ignore[arg-type]


def is_null(node: Node | None) -> bool:
    return node is None or node.tag == NULL
