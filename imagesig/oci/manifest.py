"""Image manifests and indexes, OCI and Docker, read strictly and written as go-containerregistry does."""

from __future__ import annotations

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
        """The members in the order in which go-containerregistry writes them."""
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


def parse_manifest(data: bytes, media_type: str, what: str, *, nodes: int = limits.JSON_NODES) -> Manifest:
    """The manifest in `data`, which came as `media_type`.

    Raises:
        MalformedError: not a manifest, or bytes that another reader reads differently (CVE-2021-41190).
        LimitExceeded: more layers, or more JSON values, than are read.
    """
    document = _document(data, media_type, MANIFEST_TYPES, what, nodes=nodes)
    layers = _list(document.get("layers"), limits.SIGNATURE_LAYERS, f"{what}: layers")
    return Manifest(
        config=parse_descriptor(document.get("config"), f"{what}: config"),
        layers=tuple(parse_descriptor(layer, f"{what}: layer {number}") for number, layer in enumerate(layers)),
        media_type=media_type,
        annotations=parse_annotations(document.get("annotations"), what),
        subject=_subject(document, what),
        artifact_type=_artifact_type(document, what),
    )


def parse_index(data: bytes, media_type: str, what: str) -> Index:
    """The index in `data`, which came as `media_type`. Raises as `parse_manifest` does."""
    document = _document(data, media_type, INDEX_TYPES, what)
    listed = document.get("manifests")
    if listed is None and "manifests" in document:
        listed = []  # as registries written in Go list no referrers
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
    """Returns if no reader can take the bytes, a manifest or index of this type, for something else.

    `is_list` leaves the entries of a list of signatures or referrers to who reads them, each by itself.

    Raises:
        MalformedError: they call themselves something else, could be read as the other kind (CVE-2021-41190), or have
            members that Go reads and we do not.
    """
    if is_list:
        parse_list_document(data, media_type, what, most=0)
    else:
        _document(data, media_type, (*MANIFEST_TYPES, *INDEX_TYPES), what)


def parse_list_document(data: bytes, media_type: str, what: str, *, most: int) -> ListIn:
    """A list of signatures or referrers, whose entries nobody looked at yet. Raises as `check_document` does."""
    found = parse_list(data, _LIST_OF.get(media_type, ""), what, LISTING, most=most)
    _check_kind(found.members, media_type, (*MANIFEST_TYPES, *INDEX_TYPES), what)
    return found


def parse_layout_index(data: bytes, what: str) -> list[dict[str, object]]:
    """The entries of a layout's `index.json`, as they stand. Raises `MalformedError` as `parse_index` does."""
    document = _document(data, OCI_INDEX, INDEX_TYPES, what)
    parse_annotations(document.get("annotations"), what)
    _subject(document, what)
    entries = document.get("manifests")
    if entries is None and "manifests" in document:
        return []  # as Go writes a list without entries; Docker 25.0 did
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise MalformedError(f"{what} has no list of manifests")
    return entries


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
"""By media type, the members by which other readers tell documents of another kind. Null is as good as missing."""


def _document(
    data: bytes, media_type: str, allowed: tuple[str, ...], what: str, *, nodes: int = limits.JSON_NODES
) -> dict[str, object]:
    document = parse_object(data, what, DOCUMENT, nodes=nodes)
    _check_kind(document, media_type, allowed, what)
    return document


def _check_kind(document: dict[str, object], media_type: str, allowed: tuple[str, ...], what: str) -> None:
    if media_type not in allowed:
        raise MalformedError(f"{what}: media type {quote(media_type)}, one of {', '.join(allowed)} is needed")
    version = document.get("schemaVersion")
    # Go writes 0 where nobody set it, and reads a missing one so.
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version not in (0, 2)):
        raise MalformedError(f"{what}: schemaVersion {quote(version)}, 2 is needed")
    inside = parse_text(document.get("mediaType"), what, "mediaType")
    if inside and inside != media_type:
        raise MalformedError(f"{what}: it came as {media_type} but calls itself {quote(inside)}")
    parse_text(document.get("artifactType"), what, "artifactType")
    for name in _OTHER_KINDS[media_type]:
        if document.get(name) is not None:
            raise MalformedError(
                f"{what}: came as {media_type}, but {name!r} makes it read as another kind of document"
            )


def _list(value: object, most: int, what: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedError(f"{what}: {quote(value)}, a list is needed")
    if len(value) > most:
        raise LimitExceeded(f"{what}: {len(value)} of them, at most {most} are read")
    return value


def detect_media_type(data: bytes, what: str) -> str:
    """The media type of manifest bytes that came without one, as in a layout entry or behind a lax server.

    Raises:
        MalformedError: neither its own `mediaType` nor its members tell.
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
