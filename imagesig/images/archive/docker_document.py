"""Docker's description of the images in an archive: `manifest.json`, and the files that it names.

Spec: moby, image/spec v1.2. Since Docker 25 it is written in addition to an OCI layout.
"""

from __future__ import annotations

from posixpath import dirname, normpath

from msgspec import Struct

from imagesig import limits
from imagesig.encoding.json import parse, parse_object
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError
from imagesig.images.archive.file import ArchiveFile
from imagesig.images.archive.members import Member
from imagesig.oci.shapes import CONFIG, DOCKER_ARCHIVE
from imagesig.text import quote

DOCUMENT = "manifest.json"


class Entry(Struct, frozen=True):
    """One image of `manifest.json`: the names of files, and the references under which it is loaded."""

    config: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]


def read_entries(opened: ArchiveFile, name: str) -> tuple[Entry, ...]:
    """The images that `manifest.json` describes.

    Raises:
        InvalidArgument: there is no such file.
        MalformedError, LimitExceeded: Docker would not write it, or it is too long.
    """
    if DOCUMENT not in opened.members.files:
        raise InvalidArgument(f"{name}: has neither {DOCUMENT} nor an OCI layout", hint="check the path")
    content = opened.read(opened.members.files[DOCUMENT], limits.DOCKER_MANIFEST_BYTES)
    entries = parse(content, f"{name}: {DOCUMENT}", DOCKER_ARCHIVE)
    if not isinstance(entries, list):
        raise MalformedError(f"{name}: {DOCUMENT} is not a list of images")
    return tuple(parse_entry(entry, f"{name}: {DOCUMENT}") for entry in entries)


def member_named(opened: ArchiveFile, what: str, name: str) -> Member:
    """A file that `manifest.json` names. A layer may be a link: Docker wrote repeated layers as links.

    Raises:
        MalformedError: the file is missing.
    """
    members = opened.members
    plain = normpath(name)
    if plain in members.links:
        plain = normpath(f"{dirname(plain)}/{members.links[plain]}")
    if plain not in members.files:
        raise MalformedError(f"{what}: {DOCUMENT} names {quote(name)}, which is missing")
    return members.files[plain]


def parse_entry(value: object, what: str) -> Entry:
    """One entry of `manifest.json`. Raises `MalformedError` for an entry of another form."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: an entry is not an object")
    config, tags, layers = value.get("Config"), value.get("RepoTags"), value.get("Layers")
    tags = [] if tags is None else tags
    names = [config, *(tags if isinstance(tags, list) else [None]), *(layers if isinstance(layers, list) else [None])]
    if not all(isinstance(name, str) for name in names):
        raise MalformedError(f"{what}: Config, RepoTags and Layers must be text and lists of text")
    assert isinstance(layers, list)
    if len(layers) > limits.SIGNATURE_LAYERS:
        raise LimitExceeded(f"{what}: {len(layers)} layers, at most {limits.SIGNATURE_LAYERS} are read")
    return Entry(str(config), tuple(tags), tuple(layers))


def diff_ids_of(config: bytes, what: str) -> list[object]:
    rootfs = parse_object(config, what, CONFIG).get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list):
        raise MalformedError(f"{what}: no rootfs.diff_ids")
    return diff_ids
