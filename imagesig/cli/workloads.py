"""Images in Kubernetes and compose files: found, with their lines, and pinned where they stand.

The file is never written anew from what was parsed: a pin replaces the characters of one value and keeps every other
byte. Aliases are followed, not copied, so they cannot make a small file large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from imagesig import limits
from imagesig.discreet import Discreet
from imagesig.errors import InvalidArgument, MissingExtra
from imagesig.text import quote

if TYPE_CHECKING:
    from yaml import Node, ScalarNode

_CONTAINER_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_BOM = "\ufeff"
_PROPERTIES = re.compile(r"(?:[&!]\S*[ \t]+)*")
"""Anchor and tag, which stand before a value and belong to its node."""


class Mention(Struct, frozen=True):
    """One place that names an image: characters `start` to `end` of the text, in this line (from 1)."""

    image: str
    start: int
    end: int
    line: int


class Workloads(Discreet, frozen=True):
    """One file and the images that it names, in its order. One value that several places share is one mention."""

    hidden = ("text",)

    name: str
    text: str
    mentions: tuple[Mention, ...]

    def pinned(self, digests: Mapping[str, str]) -> bytes:
        """The file with `@digest` behind every image that has none, every other byte kept.

        Raises:
            InvalidArgument: an image that is written in a way that leaves no place for it.
        """
        parts, at = [], 0
        for mention in self.mentions:
            parts += [self.text[at : mention.start], self._pinned(mention, digests[mention.image])]
            at = mention.end
        return "".join([*parts, self.text[at:]]).encode("utf-8")

    def _pinned(self, mention: Mention, digest: str) -> str:
        written = self.text[mention.start : mention.end]
        if "@" in mention.image:
            return written
        properties = _PROPERTIES.match(written)
        assert properties is not None
        value = written[properties.end() :]
        quotes = value[:1] if value[:1] in ("'", '"') else ""
        if value != f"{quotes}{mention.image}{quotes}":
            raise InvalidArgument(
                f"{self.name}:{mention.line}: {quote(written)} cannot be pinned where it stands",
                hint="write the image on one line, without escapes",
            )
        return f"{properties[0]}{quotes}{mention.image}@{digest}{quotes}"


def read_workloads(path: Path) -> Workloads:
    """The images of a file of Kubernetes objects or of a compose file; it may hold several documents.

    Raises:
        MissingExtra: PyYAML is not installed.
        InvalidArgument: not such a file, one that names no image, or one that is larger than we read; with the line.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limits.WORKLOAD_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidArgument(f"{path}: cannot be read ({error.strerror})") from error
    return parse_workloads(content, str(path))


def parse_workloads(content: bytes, name: str) -> Workloads:
    """`read_workloads` for bytes."""
    if len(content) > limits.WORKLOAD_FILE_BYTES:
        raise InvalidArgument(f"{name}: more than {limits.WORKLOAD_FILE_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument(f"{name}: not UTF-8") from None
    shift = len(_BOM) if text.startswith(_BOM) else 0
    found: dict[int, Mention] = {}
    for document in _documents(text[shift:], name):
        for node in _Reader(name).images(document):
            line = node.start_mark.line + 1
            if node.tag != _TEXT or not node.value.strip():
                raise InvalidArgument(f"{name}:{line}: {quote(node.value)} is no image; a reference is needed")
            start, end = node.start_mark.index + shift, node.end_mark.index + shift
            found[start] = Mention(node.value, start, end, line)
    if not found:
        raise InvalidArgument(f"{name}: names no image", hint="a file without one proves nothing: name another")
    return Workloads(name, text, tuple(found[start] for start in sorted(found)))


def _documents(text: str, name: str) -> Iterator[Node]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(f"{name}: reading YAML", "manifest") from error
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_shape(yaml.parse(text, Loader=loader), name)
        yield from (node for node in yaml.compose_all(text, Loader=loader) if node is not None)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidArgument(f"{name}:{line}: not YAML ({quote(error.problem)})", hint=_RENDER) from None
    except yaml.YAMLError as error:
        raise InvalidArgument(f"{name}: not YAML ({quote(str(error))})") from None


_RENDER = "give the rendered file: helm template, kustomize build, docker compose config"


def _check_shape(events: Iterator[Any], name: str) -> None:
    """Bounds nesting and size before anything is built."""
    depth = 0
    for count, event in enumerate(events):
        kind = type(event).__name__
        depth += kind in ("MappingStartEvent", "SequenceStartEvent")
        depth -= kind in ("MappingEndEvent", "SequenceEndEvent")
        if depth > limits.WORKLOAD_DEPTH or count > limits.WORKLOAD_NODES:
            line = event.start_mark.line + 1
            what = f"nested deeper than {limits.WORKLOAD_DEPTH} levels" if depth > limits.WORKLOAD_DEPTH else "too long"
            raise InvalidArgument(f"{name}:{line}: {what}")


class _Reader:
    """Finds the image values of one file. Every mapping is read once, however many aliases lead to it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[int] = set()
        self._mappings: dict[int, dict[str, Node]] = {}
        self._merged = 0

    def images(self, document: Node) -> Iterator[ScalarNode]:
        members = self._members(document)
        if "kind" in members:
            yield from self._of_objects(document)
        elif "services" in members:
            yield from self._of_services(members["services"])
        elif document.tag != _NULL:
            raise self._refused(
                document, "neither a Kubernetes object (kind) nor a compose file (services)", hint=_RENDER
            )

    def _of_objects(self, node: Node) -> Iterator[ScalarNode]:
        """Images of the pod specs at any depth: templates, jobs of cron jobs, lists, objects of other makers."""
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        for item in _items(node):
            yield from self._of_objects(item)
        for key, value in self._members(node).items():
            if key in _CONTAINER_LISTS:
                for container in _items(value):
                    yield from self._scalar(container, "image")
            if key == "volumes":
                for volume in _items(value):
                    yield from self._scalar(self._members(volume).get("image"), "reference")
            yield from self._of_objects(value)

    def _of_services(self, services: Node) -> Iterator[ScalarNode]:
        """Images of compose services, and those that are mounted as volumes."""
        for service in self._members(services).values():
            yield from self._scalar(service, "image")
            for volume in _items(self._members(service).get("volumes")):
                kind = self._members(volume).get("type")
                if kind is not None and kind.value == "image":
                    yield from self._scalar(volume, "source")

    def _scalar(self, node: Node | None, key: str) -> Iterator[ScalarNode]:
        value = self._members(node).get(key)
        if value is None:
            return
        if not _is(value, "scalar"):
            raise self._refused(value, f"{key} is no text; a reference is needed")
        yield value  # type: ignore[misc]

    def _members(self, node: Node | None) -> dict[str, Node]:
        """The members of a mapping, its own before those that it merges in (`<<`); none of anything else.

        Raises:
            InvalidArgument: a key that stands twice, where parsers disagree on which one counts.
        """
        if node is None or not _is(node, "mapping"):
            return {}
        if id(node) in self._mappings:
            return self._mappings[id(node)]
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        self._mappings[id(node)] = own  # while it is read: a mapping that merges itself gets nothing from it
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in _items(value) or [value]:
                    merged = self._members(source) | merged
                    self._merged += len(merged)
                    if self._merged > limits.WORKLOAD_NODES:
                        raise self._refused(key, "merges (<<) make it too long")
            elif _is(key, "scalar"):
                if key.value in own:
                    raise self._refused(key, f"the key {quote(key.value)} stands twice")
                own[key.value] = value
        self._mappings[id(node)] = merged | own
        return self._mappings[id(node)]

    def _refused(self, node: Node, what: str, hint: str = "") -> InvalidArgument:
        return InvalidArgument(f"{self._name}:{node.start_mark.line + 1}: {what}", hint=hint)


def _is(node: Node, kind: str) -> bool:
    return getattr(node, "id", "") == kind


def _items(node: Node | None) -> list[Node]:
    """The items of a sequence; none of anything else."""
    return node.value if node is not None and _is(node, "sequence") else []
