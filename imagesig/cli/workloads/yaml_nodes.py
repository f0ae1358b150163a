"""YAML that kubectl (sigs.k8s.io/yaml), docker compose and imagesig read alike; other YAML is refused. Pure.

Readers differ in where documents begin, in tags and merges of keys, and in the type of a plain word. Files that
`kubectl get -o yaml`, `helm template` and `docker compose config` write depend on none of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from imagesig import limits
from imagesig.errors import InvalidArgument, MissingExtra
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.text import quote

if TYPE_CHECKING:
    from yaml import Node, ScalarNode

RENDER = "give the rendered file: helm template, kustomize build, docker compose config"
_WHOLE_CHARACTER = (
    "write the character itself, or as \\U and 8 digits: a pair of \\u escapes is one character in JSON only"
)
TEXT = "tag:yaml.org,2002:str"
NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_ODD_CHARACTER = regex("[\x85\u2028\u2029\ufeff]|\r(?!\n)")
"""Characters that end a line for some readers only, and byte order marks inside the text."""
_MARKER = regex(r"^(?:---(?![ \t]+#|[ \t]*\r?$).*|\.\.\.(?:[ \t\r].*)?)$", re.MULTILINE)
"""A line that begins a document and holds more, or ends one: kubectl splits at lines that start with `---`."""
_GO_NUMBER = regex(
    r"[yYnN]|[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9._]+(?:[eE][-+]?[0-9_]+)?|\.(?:inf|nan))", re.I
)
"""Plain words that PyYAML reads as text, and Go's readers as a number or a boolean."""


def read_documents(text: str, name: str) -> list[Node]:
    """The documents of a file. Every key is plain text and unique in its mapping.

    Raises:
        MissingExtra: PyYAML is not installed.
        InvalidArgument: not YAML, more than `imagesig.limits` allows, or read differently by readers; with the line.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(f"{name}: reading YAML", "workload") from error

    def explain(error: Exception) -> InvalidArgument | None:
        if isinstance(error, yaml.MarkedYAMLError):
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            hint = _WHOLE_CHARACTER if "Unicode character escape" in str(error.problem) else RENDER
            return InvalidArgument(f"{name}:{line}: not YAML ({quote(error.problem)})", hint=hint)
        return InvalidArgument(f"{name}: not YAML ({quote(str(error))})") if isinstance(error, yaml.YAMLError) else None

    _check_text(text, name)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with external_call(f"{name}: reading YAML", explain):
        _check_events(yaml.parse(text, Loader=loader), name)
        documents = [node for node in yaml.compose_all(text, Loader=loader) if node is not None]
    for document in documents:
        _check_keys(document, name)
    return documents


def is_kind(node: Node | None, kind: str) -> bool:
    """Whether a node is a `scalar`, `sequence` or `mapping`."""
    return getattr(node, "id", "") == kind


def is_plain_text(node: ScalarNode) -> bool:
    """Whether all readers read a scalar as the same text. They disagree on where a block (`|`, `>`) ends."""
    return (
        node.tag == TEXT and node.style not in ("|", ">") and (bool(node.style) or not _GO_NUMBER.fullmatch(node.value))
    )


def items(node: Node | None) -> list[Node]:
    """The items of a sequence; nothing for any other node."""
    return node.value if node is not None and is_kind(node, "sequence") else []


def refused(name: str, node: Node, what: str, hint: str = "") -> InvalidArgument:
    """The error that names the line of a node."""
    return InvalidArgument(f"{name}:{node.start_mark.line + 1}: {what}", hint=hint)


class Mappings:
    """The members of the mappings of one file, with merged ones (`<<`). Each mapping is read once, even if many aliases
    refer to it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[int, dict[str, Node]] = {}
        self._merged = 0
        self._depth = 0

    def members(self, node: Node | None) -> dict[str, Node]:
        """The members of a mapping, where its own replace merged ones; nothing for any other node.

        Raises:
            InvalidArgument: a merge repeats a member before it: kubectl uses the one value, compose the other.
        """
        if node is None or not is_kind(node, "mapping"):
            return {}
        if id(node) not in self._known:
            if self._depth == limits.WORKLOAD_DEPTH:
                raise refused(self._name, node, f"merges (<<) of merges, more than {limits.WORKLOAD_DEPTH} deep")
            self._depth += 1
            self._known[id(node)] = self._read(node)
            self._depth -= 1
        return self._known[id(node)]

    def _read(self, node: Node) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag != _MERGE:
                own[key.value] = value
                continue
            for source in items(value) or [value]:
                merged = self.members(source) | merged
                self._merged += len(merged)
                if self._merged > limits.WORKLOAD_NODES:
                    raise refused(self._name, key, "merges (<<) make it too long")
            if twice := merged.keys() & own.keys():
                raise refused(
                    self._name,
                    key,
                    f"the key {quote(min(twice))} is repeated by a merge (<<) after it: readers disagree",
                    hint="write the merge first",
                )
        return merged | own


def _check_text(text: str, name: str) -> None:
    for pattern, what in ((_ODD_CHARACTER, "a character that ends a line for some readers only"), (_MARKER, "")):
        found = pattern.search(text)
        if found:
            line = text.count("\n", 0, found.start()) + 1
            what = what or f"{quote(found[0].strip())}: only a line with nothing but --- may separate documents"
            raise InvalidArgument(f"{name}:{line}: {what}", hint=RENDER)


def _check_events(events: Iterator[Any], name: str) -> None:
    """Checks nesting and size before nodes are built, and refuses directives and tags."""
    depth = 0
    for count, event in enumerate(events):
        kind = type(event).__name__
        depth += kind in ("MappingStartEvent", "SequenceStartEvent")
        depth -= kind in ("MappingEndEvent", "SequenceEndEvent")
        what = ""
        if depth > limits.WORKLOAD_DEPTH:
            what = f"nested deeper than {limits.WORKLOAD_DEPTH} levels"
        elif count > limits.WORKLOAD_NODES:
            what = "too long"
        elif kind == "DocumentStartEvent" and (event.version or event.tags):
            what = "a directive (%YAML, %TAG), which readers read differently"
        elif getattr(event, "tag", None) is not None and (kind != "ScalarEvent" or event.tag != TEXT):
            what = f"the tag {quote(event.tag)}, which readers read differently; only !!str is allowed"
        elif getattr(event, "anchor", None) and getattr(event, "value", None) == "<<" and kind == "ScalarEvent":
            what = "an anchor of <<: an alias of it is a merge for some readers only"
        if what:
            raise InvalidArgument(f"{name}:{event.start_mark.line + 1}: {what}", hint=RENDER)


def _check_keys(document: Node, name: str) -> None:
    """Returns if every key is plain text and unique, and no node contains itself."""
    done: set[int] = set()
    above: set[int] = set()
    stack: list[tuple[Node, bool]] = [(document, False)]
    while stack:
        node, left = stack.pop()
        if left:
            above.discard(id(node))
            continue
        if id(node) in above:
            raise refused(name, node, "an anchor whose value contains itself")
        if id(node) in done or is_kind(node, "scalar"):
            continue
        done.add(id(node))
        above.add(id(node))
        stack.append((node, True))
        if is_kind(node, "mapping"):
            _check_mapping(node, lambda at, what, hint="": refused(name, at, what, hint))
        children = [value for _, value in node.value] if is_kind(node, "mapping") else node.value
        stack += [(child, False) for child in children]


def _check_mapping(node: Node, refuse: Callable[..., InvalidArgument]) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        merges = key.tag == _MERGE or getattr(key, "value", None) == "<<"
        if not is_kind(key, "scalar"):
            raise refuse(key, "a key that is not text: readers disagree")
        if merges and (key.tag != _MERGE or key.style or key.value != "<<"):
            raise refuse(key, f"the key {quote(key.value)} is a merge for some readers only")
        if not merges and not is_plain_text(key):
            raise refuse(key, f"the key {quote(key.value)} is not text for some readers", "put it in quotes")
        if key.value in seen:
            raise refuse(key, f"the key {quote(key.value)} is repeated")
        seen.add(key.value)
        if merges and not all(is_kind(source, "mapping") for source in items(value) or [value]):
            raise refuse(key, "a merge (<<) of something other than mappings")
