"""A policy document, read strictly: every error names the file, the line, the place and what is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import TypeVar

from msgspec import Struct

from imagesig.encoding import json_located, toml_located
from imagesig.encoding.located import Located, Path
from imagesig.errors import ImagesigError, InvalidArgument, MalformedError
from imagesig.naming import refuse_key
from imagesig.text import quote

_Made = TypeVar("_Made")

_TYPES: dict[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
    type(None): "null",
}


class Node(Struct, frozen=True):
    """One value of a document, and its place there. `file` is the document's name, for people."""

    file: str
    document: Located
    value: object
    path: Path = ()

    @property
    def line(self) -> int:
        return self.document.line(self.path)

    @property
    def where(self) -> str:
        """The place inside the document, such as `rules[0].scope`; empty for the whole document."""
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                simple = part.replace("_", "").replace("-", "").replace("$", "").isalnum() and part.isascii()
                text += f".{part}" if simple else f".{quote(part)}"
        return text.removeprefix(".")

    def refused(self, reason: str, *, hint: str = "") -> InvalidArgument:
        where = f"{self.where}: " if self.path else ""
        return InvalidArgument(f"{self.file}:{self.line}: {where}{reason}", hint=hint)

    def table(self, known: Collection[str], needed: Collection[str] = ()) -> dict[str, Node]:
        """The members of a table that has all the needed members and no unknown ones."""
        members = self.members()
        for name, node in members.items():
            if name not in known:
                close = get_close_matches(name, known, 1)
                guess = f"did you mean {close[0]!r}? " if close else ""
                raise node.refused("unknown field", hint=f"{guess}the fields here are: {', '.join(sorted(known))}")
        for name in needed:
            if name not in members:
                raise self.refused(f"the field {name!r} is missing")
        return members

    def members(self) -> dict[str, Node]:
        """The members of a table, under any names."""
        if not isinstance(self.value, dict):
            raise self._wrong("a table")
        return {name: Node(self.file, self.document, value, (*self.path, name)) for name, value in self.value.items()}

    def items(self) -> tuple[Node, ...]:
        """The items of a list that is not empty."""
        if not isinstance(self.value, list):
            raise self._wrong("a list")
        if not self.value:
            raise self.refused("the list is empty", hint="add an entry or remove the field")
        return tuple(
            Node(self.file, self.document, item, (*self.path, number)) for number, item in enumerate(self.value)
        )

    def distinct_texts(self) -> tuple[str, ...]:
        """The items of a list of distinct texts."""
        found: dict[str, None] = {}
        for item in self.items():
            if item.text() in found:
                raise item.refused(f"{quote(item.value)} is listed twice")
            found[item.text()] = None
        return tuple(found)

    def text(self) -> str:
        """Text that is not empty."""
        if not isinstance(self.value, str):
            raise self._wrong("text")
        if not self.value:
            raise self.refused("empty, text is needed")
        return self.value

    def name(self) -> str:
        """Text that is a name, such as a path. A private key is refused, and not shown in the error."""
        text = self.text()
        self.made(lambda: refuse_key(text, "name", "give the path of the key's file, or its URI"))
        return text

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def count(self) -> int:
        """A whole number, 1 or more."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self._wrong("a whole number")
        if self.value < 1:
            raise self.refused(f"{self.value}, 1 or more is needed")
        return self.value

    def choice(self, choices: Collection[str]) -> str:
        text = self.text()
        if text not in choices:
            close = get_close_matches(text, choices, 1)
            guess = f"did you mean {close[0]!r}?" if close else ""
            raise self.refused(f"{quote(text)}, one of {', '.join(choices)} is needed", hint=guess)
        return text

    def made(self, make: Callable[[], _Made]) -> _Made:
        """What `make` returns. An error that it raises becomes an error at this place of the document."""
        try:
            return make()
        except ImagesigError as error:
            raise self.refused(str(error), hint=error.hint) from error

    def _wrong(self, needed: str) -> InvalidArgument:
        seen = _TYPES.get(type(self.value), type(self.value).__name__)
        return self.refused(f"{seen}, {needed} is needed")


def one_of(table: Node, members: dict[str, Node], names: Collection[str], *, optional: bool = False) -> str:
    """The one name of these that is a member; empty if none is and that is allowed."""
    found = [name for name in names if name in members]
    if len(found) > 1:
        raise members[found[1]].refused(f"cannot be combined with {found[0]!r}: give one of {', '.join(names)}")
    if not found and not optional:
        raise table.refused(f"one of {', '.join(names)} is needed")
    return found[0] if found else ""


def read_json(data: bytes, file: str) -> Node:
    """Raises `InvalidArgument` for anything but strict JSON."""
    return _read(json_located.parse, data, file)


def read_toml(data: bytes, file: str) -> Node:
    """Raises `InvalidArgument` for anything but TOML."""
    return _read(toml_located.parse, data, file)


def _read(parse: Callable[[bytes, str], Located], data: bytes, file: str) -> Node:
    try:
        document = parse(data, file)
    except MalformedError as error:
        raise InvalidArgument(str(error), hint=error.hint) from error
    return Node(file, document, document.value)
