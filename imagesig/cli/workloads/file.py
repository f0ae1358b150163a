"""Images in Kubernetes and compose files: found with their lines, and pinned in place.

A pin replaces the characters of one value and keeps every other byte: the file is not rebuilt from what was parsed.
Aliases are followed, not copied, so they cannot make a small file large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig import limits
from imagesig.cli.workloads.compose import compose_images
from imagesig.cli.workloads.kubernetes import KubernetesImages
from imagesig.cli.workloads.members import Members, is_null
from imagesig.cli.workloads.yaml_nodes import RENDER, is_plain_text, read_documents, refused
from imagesig.errors import InvalidArgument
from imagesig.images.open import is_local
from imagesig.oci.reference import parse_reference
from imagesig.patterns import regex
from imagesig.reading import Unreadable, read_bounded
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

if TYPE_CHECKING:
    from yaml import Node, ScalarNode

_BOM = "\ufeff"
_PROPERTIES = regex(r"(?:[&!]\S*[ \t]+)*")
"""Anchor and tag in front of a value."""


class Mention(Struct, frozen=True):
    """One place that names an image: characters `start` to `end` of the text, in line `line` (from 1)."""

    image: str
    start: int
    end: int
    line: int


class Workloads(RedactedStruct, frozen=True):
    """One file and the images that it names, in order. A value that several places share is one mention."""

    hidden = ("text",)

    name: str
    text: str
    mentions: tuple[Mention, ...]

    def pinned(self, digests: Mapping[str, str]) -> bytes:
        """The file with `@digest` after every image that has none. Every other byte is kept.

        Raises:
            InvalidArgument: an image is written in a way that cannot be extended, such as with escapes.
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
                f"{self.name}:{mention.line}: {quote(written)} cannot be pinned in place",
                hint="write the image on one line, without escapes",
            )
        return f"{properties[0]}{quotes}{mention.image}@{digest}{quotes}"


def read_workloads(path: Path) -> Workloads:
    """The images of a file of Kubernetes objects, or of a compose file. The file may hold several documents.

    Raises:
        MissingExtra: PyYAML is not installed.
        InvalidArgument: another kind of file, no image in it, or a file over the size limit; with the line.
    """

    def refusal(_reason: Unreadable, said: str) -> InvalidArgument:
        return InvalidArgument(f"{path}: {said}")

    content = read_bounded(path, limits.WORKLOAD_FILE_BYTES, "file", streams=True, explain=refusal)
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
    members = Members(name)
    for document in read_documents(text[shift:], name):
        for node in _images(document, members):
            _check_reference(node, name)
            start, end = node.start_mark.index + shift, node.end_mark.index + shift
            found[start] = Mention(node.value, start, end, node.start_mark.line + 1)
    if not found:
        raise InvalidArgument(
            f"{name}: names no image", hint="name a file that names images: without one, nothing is verified"
        )
    return Workloads(name, text, tuple(found[start] for start in sorted(found)))


def _images(document: Node, members: Members) -> Iterator[ScalarNode]:
    found = members.known(document, "apiVersion", "kind", "items", "services", "include", "models")
    if "kind" in found and "services" in found:
        raise members.refused(document, "both a Kubernetes object (kind) and a compose file (services)")
    if "kind" in found:
        yield from KubernetesImages(members).of(document)
    elif "services" in found:
        yield from compose_images(found, members)
    elif not is_null(document):
        raise members.refused(document, "neither a Kubernetes object (kind) nor a compose file (services)", RENDER)


def _check_reference(node: ScalarNode, name: str) -> None:
    """Returns if every reader takes the value for the same image in a registry."""
    value = node.value
    if not is_plain_text(node) or not value.strip():
        raise refused(name, node, f"{quote(value)} is not an image; a reference is needed")
    if is_local(value):
        raise refused(name, node, f"{quote(value)} is not an image in a registry, which a workload needs")
    if "$" in value:
        raise refused(name, node, f"{quote(value)} has a variable in it", RENDER)
    try:
        parse_reference(value)
    except InvalidArgument as error:
        raise refused(name, node, str(error), error.hint) from error
