"""Image manifests and indexes, OCI and Docker: read strictly, written in go-containerregistry's form."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.json_list import ListIn, parse_list
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.descriptor import Descriptor, parse_annotations, parse_descriptor, parse_media_type, parse_text
from imagesig.oci.shapes import DOCUMENT, LISTING
from imagesig.text import quote

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
EMPTY_CONFIG = b"{}"


class Manifest(Struct, frozen=True):
    """Spec: OCI image-spec, image manifest; Docker image manifest version 2, schema 2."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = OCI_MANIFEST
    annotations: Annotations = NO_ANNOTATIONS
    subject: Descriptor | None = None
    artifact_type: str = ""

    def to_bytes(self) -> bytes:
        """The JSON, with members in the order of go-containerregistry."""
        members: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        if self.subject:
            members["subject"] = self.subject.to_json()
        if self.artifact_type:
            members["artifactType"] = self.artifact_type
        return go_json(members)


class Index(Struct, frozen=True):
    """Spec: OCI image-spec, image index; Docker manifest list."""

    manifests: tuple[Descriptor, ...]
    media_type: str = OCI_INDEX
    annotations: Annotations = NO_ANNOTATIONS
    subject: Descriptor | None = None
    artifact_type: str = ""

    def to_bytes(self) -> bytes:
        members: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        if self.subject:
            members["subject"] = self.subject.to_json()
        if self.artifact_type:
            members["artifactType"] = self.artifact_type
        return go_json(members)


NO_CONFIG = Descriptor.of(EMPTY_CONFIG, OCI_EMPTY)
"""The config of a manifest that names none."""


def parse_manifest(
    data: bytes, media_type: str, what: str, *, nodes: int = limits.JSON_NODES, needs_config: bool = True
) -> Manifest:
    """The manifest in `data`. `media_type` is the type that the data was served or listed as.

    Without `needs_config`, a config that is missing or null is `NO_CONFIG`, as for signatures, which do not use it.

    Raises:
        MalformedError: not a manifest, or another reader can read it differently (CVE-2021-41190).
        LimitExceeded: more layers or JSON values than the limit.
    """
    document = _document(data, media_type, MANIFEST_TYPES, what, nodes=nodes)
    layers = _list(document.get("layers"), limits.SIGNATURE_LAYERS, f"{what}: layers")
    config = document.get("config")
    return Manifest(
        config=parse_descriptor(config, f"{what}: config") if needs_config or config is not None else NO_CONFIG,
        layers=tuple(parse_descriptor(layer, f"{what}: layer {number}") for number, layer in enumerate(layers)),
        media_type=media_type,
        annotations=parse_annotations(document.get("annotations"), what),
        subject=_subject(document, what),
        artifact_type=_artifact_type(document, what),
    )


def parse_index(data: bytes, media_type: str, what: str) -> Index:
    """The index in `data`. Arguments and errors are those of `parse_manifest`."""
    document = _document(data, media_type, INDEX_TYPES, what)
    listed = document.get("manifests")
    if listed is None and "manifests" in document:
        listed = []  # registries written in Go write null for an empty list
    manifests = _list(listed, limits.INDEX_CHILDREN, f"{what}: manifests")
    return Index(
        manifests=tuple(
            parse_descriptor(manifest, f"{what}: manifest {number}") for number, manifest in enumerate(manifests)
        ),
        media_type=media_type,
        annotations=parse_annotations(document.get("annotations"), what),
        subject=_subject(document, what),
        artifact_type=_artifact_type(document, what),
    )


def check_document(data: bytes, media_type: str, what: str, *, is_list: bool = False) -> None:
    """Returns if every reader takes the bytes for a manifest or index of this type.

    `is_list` skips the entries of a list of signatures or referrers: each is checked when it is read.

    Raises:
        MalformedError: the bytes name another type, can be read as the other kind (CVE-2021-41190), or have members
            that Go reads and imagesig does not.
    """
    if is_list:
        parse_list_document(data, media_type, what, most=0)
    else:
        _document(data, media_type, (*MANIFEST_TYPES, *INDEX_TYPES), what)


def parse_list_document(data: bytes, media_type: str, what: str, *, most: int) -> ListIn:
    """A list of signatures or referrers with unchecked entries. Raises as `check_document` does."""
    found = parse_list(data, _LIST_OF.get(media_type, ""), what, LISTING, most=most)
    check_kind(found.members, media_type, (*MANIFEST_TYPES, *INDEX_TYPES), what)
    return found


def parse_layout_index(data: bytes, what: str) -> list[dict[str, object]]:
    """The entries of a layout's `index.json`, unparsed. Raises `MalformedError` as `parse_index` does."""
    document = _document(data, OCI_INDEX, INDEX_TYPES, what)
    parse_annotations(document.get("annotations"), what)
    _subject(document, what)
    entries = document.get("manifests")
    if entries is None and "manifests" in document:
        return []  # Go writes null for an empty list; Docker 25.0 did
    if not isinstance(entries, list) or not all(entry is None or isinstance(entry, dict) for entry in entries):
        raise MalformedError(f"{what} has no list of manifests")
    return [entry or {} for entry in entries]  # Go reads null as an entry without members


def _subject(document: dict[str, object], what: str) -> Descriptor | None:
    subject = document.get("subject")
    return None if subject is None else parse_descriptor(subject, f"{what}: subject")


def _artifact_type(document: dict[str, object], what: str) -> str:
    artifact_type = document.get("artifactType")
    return parse_media_type(artifact_type, f"{what}: artifactType") if artifact_type else ""


_LIST_OF = {**dict.fromkeys(MANIFEST_TYPES, "layers"), **dict.fromkeys(INDEX_TYPES, "manifests")}
_OLD_SCHEMA = ("fsLayers", "history", "signatures")
_OTHER_KINDS = {
    **dict.fromkeys(MANIFEST_TYPES, ("manifests", *_OLD_SCHEMA)),
    **dict.fromkeys(INDEX_TYPES, ("config", "layers", *_OLD_SCHEMA)),
}
"""By media type, the members that make other readers see another kind of document. Null means missing."""


def _document(
    data: bytes, media_type: str, allowed: tuple[str, ...], what: str, *, nodes: int = limits.JSON_NODES
) -> dict[str, object]:
    document = parse_object(data, what, DOCUMENT, nodes=nodes)
    check_kind(document, media_type, allowed, what)
    return document


def check_kind(document: Mapping[str, object], media_type: str, allowed: tuple[str, ...], what: str) -> None:
    """Returns if every reader takes the document for one of this type, by its members.

    Raises:
        MalformedError: the type is not allowed, or a member belongs to another type (CVE-2021-41190).
    """
    if media_type not in allowed:
        raise MalformedError(f"{what}: media type {quote(media_type)}, one of {', '.join(allowed)} is needed")
    version = document.get("schemaVersion")
    # Go writes 0 for an unset version, and reads a missing one as 0.
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version not in (0, 2)):
        raise MalformedError(f"{what}: schemaVersion {quote(version)}, 2 is needed")
    inside = parse_text(document.get("mediaType"), what, "mediaType")
    if inside and inside != media_type:
        raise MalformedError(f"{what}: it came as {media_type}, but its mediaType is {quote(inside)}")
    parse_text(document.get("artifactType"), what, "artifactType")
    for name in _OTHER_KINDS[media_type]:
        if document.get(name) is not None:
            raise MalformedError(
                f"{what}: came as {media_type}, but {name!r} makes readers see another kind of document"
            )


def _list(value: object, most: int, what: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedError(f"{what}: {quote(value)}, a list is needed")
    if len(value) > most:
        raise LimitExceeded(f"{what}: {len(value)} entries, at most {most} are read")
    return value


def detect_media_type(data: bytes, what: str) -> str:
    """The media type of a manifest that came without one, as from a layout or a lax server.

    Raises:
        MalformedError: neither `mediaType` nor the members say it.
    """
    document = parse_object(data, what, LISTING)
    inside = document.get("mediaType")
    if isinstance(inside, str) and inside:
        return inside
    if "manifests" in document and document.get("layers") is None:
        return OCI_INDEX
    if "layers" in document and document.get("manifests") is None:
        return OCI_MANIFEST
    raise MalformedError(f"{what}: neither a manifest nor an index")
