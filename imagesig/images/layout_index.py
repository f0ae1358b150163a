"""The entries of a layout's `index.json`: which is an image, which a signature, and how cosign finds them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from imagesig.errors import InvalidArgument
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES
from imagesig.oci.reference import parse_reference

REF_NAME = "org.opencontainers.image.ref.name"
_KIND = "kind"
_KIND_IMAGE = "dev.cosignproject.cosign/image"
_KIND_INDEX = "dev.cosignproject.cosign/imageIndex"
_KIND_SIGNATURES = "dev.cosignproject.cosign/sigs"


def entry_annotations(entry: Mapping[str, object]) -> dict[str, object]:
    annotations = entry.get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def tag_of_entry(entry: Descriptor) -> str:
    """The tag by which an entry is found: `v1`, also where podman wrote `localhost/app:v1`."""
    name = entry.annotations.get(REF_NAME, "")
    if "/" not in name:
        return name
    try:
        return parse_reference(name).tag
    except InvalidArgument:
        return name


def is_image(entry: Descriptor) -> bool:
    kind = entry.annotations.get(_KIND, "")
    named_signature = entry.annotations.get(REF_NAME, "").startswith("sha256-")
    return (
        entry.media_type in (*MANIFEST_TYPES, *INDEX_TYPES)
        and kind in ("", _KIND_IMAGE, _KIND_INDEX)
        and not named_signature
    )


def saved_by_cosign(entries: list[Descriptor], tag: str) -> Descriptor | None:
    """The `.sig` manifest in a layout written by `cosign save`, where it has no name: it belongs to the one image."""
    images = [entry for entry in entries if entry.annotations.get(_KIND) in (_KIND_IMAGE, _KIND_INDEX)]
    signatures = [entry for entry in entries if entry.annotations.get(_KIND) == _KIND_SIGNATURES]
    if len(images) == 1 and len(signatures) == 1 and not signatures[0].annotations.get(REF_NAME):
        return signatures[0] if tag == images[0].digest.replace(":", "-") + ".sig" else None
    return None


def marked_for_cosign(
    entries: list[dict[str, object]], written: dict[str, object] | None, subject: str = ""
) -> list[dict[str, object]]:
    """The entries with the `kind` marks by which `cosign verify --local-image` finds one image and its signatures.

    cosign looks at one image of a layout: the first that was signed keeps the marks.
    """
    tag = str(entry_annotations(written).get(REF_NAME, "")) if written else ""
    if tag.startswith("sha256-") and tag.endswith(".sig"):
        subject = tag.removesuffix(".sig").replace("-", ":", 1)
    marked = [entry for entry in entries if entry_annotations(entry).get(_KIND) in (_KIND_IMAGE, _KIND_INDEX)]
    if not subject or (marked and marked[0].get("digest") != subject):
        return entries
    result = []
    for entry in entries:
        if entry.get("digest") == subject and not marked:
            kind = _KIND_INDEX if entry.get("mediaType") in INDEX_TYPES else _KIND_IMAGE
            entry = entry | {"annotations": entry_annotations(entry) | {_KIND: kind}}
            marked = [entry]
        elif entry is written and tag.endswith(".sig") and marked:
            entry = entry | {"annotations": entry_annotations(entry) | {_KIND: _KIND_SIGNATURES}}
        result.append(entry)
    return result
