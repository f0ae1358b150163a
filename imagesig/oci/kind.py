"""Whether bytes are a manifest or an index, by the bytes; a listing decides only where they say nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imagesig.encoding.json import parse_object
from imagesig.errors import MalformedError
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST
from imagesig.oci.shapes import DOCUMENT, LISTING
from imagesig.text import quote


def kind_of(content: bytes, claimed: Collection[str], what: str, *, is_list: bool = False) -> str:
    """The media type of a manifest or index, which is listed under the media types `claimed`, if at all.

    `is_list` leaves the entries of a list of signatures or referrers to who reads them, each by itself.

    Raises:
        MalformedError: it is neither, calls itself something else than it is listed as, or could be read as either
            (CVE-2021-41190), or has members that Go reads and we do not.
    """
    document = parse_object(content, what, LISTING if is_list else DOCUMENT)
    inside = document.get("mediaType")
    by_members = _by_members(document)
    if isinstance(inside, str) and inside:
        kind = inside
    elif by_members:
        kind = by_members
    elif len(set(claimed)) == 1:
        kind = next(iter(claimed))
    else:
        raise MalformedError(f"{what}: neither a manifest nor an index")
    if kind not in (*MANIFEST_TYPES, *INDEX_TYPES):
        raise MalformedError(f"{what}: {quote(kind)} is no type of an image")
    for other in claimed:
        if other != kind and (inside or (other in INDEX_TYPES) != (kind in INDEX_TYPES)):
            raise MalformedError(f"{what}: is listed as {quote(other)}, but is {kind}")
    others = ("config", "layers", "fsLayers") if kind in INDEX_TYPES else ("manifests", "fsLayers")
    if any(document.get(name) is not None for name in others):
        raise MalformedError(f"{what}: {kind} that also reads as another kind of document")
    if inside or not claimed:
        return kind
    if len(set(claimed)) > 1:
        raise MalformedError(f"{what}: is listed under several media types")
    return next(iter(claimed))


def _by_members(document: Mapping[str, object]) -> str:
    """The type of a document that does not name it; empty where its members do not tell, as in an image's config."""
    if document.get("manifests") is not None:
        return OCI_INDEX
    config = document.get("config")
    if document.get("layers") is not None or (isinstance(config, dict) and "digest" in config):
        return OCI_MANIFEST
    return ""
