"""Images in Kubernetes and compose files: found, with their lines, and pinned where they stand.

The file is never written anew from what was parsed: a pin replaces the characters of one value and keeps every other
byte. Aliases are followed, not copied, so they cannot make a small file large.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig import limits
from imagesig.cli.yaml_nodes import (
    NULL,
    RENDER,
    Mappings,
    is_kind,
    is_plain_text,
    items,
    read_documents,
    refused,
)
from imagesig.encoding.shape import refuse_twins
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.images.open import is_local
from imagesig.oci.reference import parse_reference
from imagesig.reading import read_bounded, usage_error
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

if TYPE_CHECKING:
    from yaml import Node, ScalarNode

_CONTAINER_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_LISTS = _CONTAINER_LISTS | {"volumes"}
_ROOT = frozenset({"apiVersion", "kind", "items", "services", "include"})
_SERVICE = frozenset({"image", "extends", "volumes", "build", "provider"})
_ELSEWHERE = {
    "build": "what runs may be what is built where it is deployed, under the name of the image",
    "provider": "what runs is a program, and not the image",
}
"""What takes the place of a service's image."""
_PUSHED = "build and push the image, and name it alone in the file that is deployed"
_EXTENDS = frozenset({"file", "service"})
_VOLUME = frozenset({"type", "source"})
_IMAGE = frozenset({"image"})
_BOM = "\ufeff"
_PROPERTIES = re.compile(r"(?:[&!]\S*[ \t]+)*")
"""Anchor and tag, which stand before a value and belong to its node."""


class Mention(Struct, frozen=True):
    """One place that names an image: characters `start` to `end` of the text, in this line (from 1)."""

    image: str
    start: int
    end: int
    line: int


class Workloads(RedactedStruct, frozen=True):
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
    content = read_bounded(
        path, limits.WORKLOAD_FILE_BYTES, "workload file", streams=True, explain=usage_error(str(path))
    )
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
    for document in read_documents(text[shift:], name):
        for node in _Reader(name).images(document):
            _check_reference(node, name)
            start, end = node.start_mark.index + shift, node.end_mark.index + shift
            found[start] = Mention(node.value, start, end, node.start_mark.line + 1)
    if not found:
        raise InvalidArgument(f"{name}: names no image", hint="a file without one proves nothing: name another")
    return Workloads(name, text, tuple(found[start] for start in sorted(found)))


class _Reader:
    """Finds the image values of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[int] = set()
        self._mappings = Mappings(name)

    def images(self, document: Node) -> Iterator[ScalarNode]:
        members = self._known(document, _ROOT)
        if "kind" in members and "services" in members:
            raise self._refused(document, "both a Kubernetes object (kind) and a compose file (services)")
        if "kind" in members:
            if not _is_text(members["kind"]):
                raise self._refused(members["kind"], "a kind that is no text")
            yield from self._of_objects(document)
        elif "services" in members:
            if "include" in members:
                raise self._refused(members["include"], "includes other files, whose images are not read", RENDER)
            yield from self._of_services(members["services"])
        elif document.tag != NULL:
            raise self._refused(document, "neither a Kubernetes object (kind) nor a compose file (services)", RENDER)

    def _of_objects(self, node: Node) -> Iterator[ScalarNode]:
        """Images of the pod specs at any depth: templates, jobs of cron jobs, lists, objects of other makers."""
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        for item in items(node):
            yield from self._of_objects(item)
        members = self._mappings.members(node)
        lists = [key for key, value in members.items() if any(is_kind(item, "mapping") for item in items(value))]
        self._refuse_twins(node, lists, _LISTS)
        for key, value in members.items():
            if key in _CONTAINER_LISTS:
                for container in items(value):
                    yield from self._scalar(container, "image")
            if key == "volumes":
                for volume in items(value):
                    yield from self._scalar(self._known(volume, _IMAGE).get("image"), "reference")
            yield from self._of_objects(value)

    def _of_services(self, services: Node) -> Iterator[ScalarNode]:
        """Images of compose services, and those that are mounted as volumes."""
        for service in self._mappings.members(services).values():
            members = self._known(service, _SERVICE)
            extends = members.get("extends")
            if extends is not None and "file" in self._known(extends, _EXTENDS):
                raise self._refused(extends, "extends a service of another file, whose image is not read", RENDER)
            for key, what in _ELSEWHERE.items():
                if "image" in members and key in members and members[key].tag != NULL:
                    raise self._refused(members[key], f"a service with an image and with {key!r}: {what}", _PUSHED)
            yield from self._scalar(service, "image")
            for volume in items(members.get("volumes")):
                kind = self._known(volume, _VOLUME).get("type")
                if kind is not None and not (_is_text(kind) and "$" not in kind.value):
                    raise self._refused(kind, "a type of volume that is known only where it is used", RENDER)
                if kind is not None and kind.value == "image":
                    yield from self._scalar(volume, "source")

    def _scalar(self, node: Node | None, key: str) -> Iterator[ScalarNode]:
        value = self._known(node, frozenset({key})).get(key)
        if value is None:
            return
        if not is_kind(value, "scalar"):
            raise self._refused(value, f"{key} is no text; a reference is needed")
        yield value  # type: ignore[misc]

    def _known(self, node: Node | None, known: frozenset[str]) -> dict[str, Node]:
        """The members of a mapping, none of which differs from a known one by its case alone."""
        members = self._mappings.members(node)
        if node is not None:
            self._refuse_twins(node, members, known)
        return members

    def _refuse_twins(self, node: Node, names: Collection[str], known: frozenset[str]) -> None:
        try:
            refuse_twins(names, known, "mapping")
        except MalformedError as error:
            raise self._refused(node, str(error)) from error

    def _refused(self, node: Node, what: str, hint: str = "") -> InvalidArgument:
        return refused(self._name, node, what, hint)


def _is_text(node: Node) -> bool:
    return is_kind(node, "scalar") and is_plain_text(node)  # type: ignore[arg-type]


def _check_reference(node: ScalarNode, name: str) -> None:
    """Returns if a value names an image of a registry to all readers."""
    value = node.value
    if not is_plain_text(node) or not value.strip():
        raise refused(name, node, f"{quote(value)} is no image; a reference is needed")
    if is_local(value):
        raise refused(name, node, f"{quote(value)} is no image of a registry, which a workload needs")
    if "$" in value:
        raise refused(name, node, f"{quote(value)} has a variable in it", RENDER)
    try:
        parse_reference(value)
    except InvalidArgument as error:
        raise refused(name, node, str(error), error.hint) from error
