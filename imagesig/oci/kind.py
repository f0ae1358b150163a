"""Whether bytes are a manifest or an index. A listing decides only if the bytes do not say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imagesig.encoding.json import parse_object
from imagesig.errors import MalformedError
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST, check_kind
from imagesig.oci.shapes import DOCUMENT, LISTING
from imagesig.text import quote


def kind_of(content: bytes, claimed: Collection[str], what: str, *, is_list: bool = False) -> str:
    """The media type of a manifest or index. `claimed` are the media types under which it is listed, if any.

    `is_list` skips the entries of a list of signatures or referrers: each is checked when it is read.

    Raises:
        MalformedError: it is neither, its own type differs from the listed one, it can be read as both
            (CVE-2021-41190), or it has members that Go reads and imagesig does not.
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
        raise MalformedError(f"{what}: {quote(kind)} is not a media type of an image")
    for other in claimed:
        if other != kind and (inside or (other in INDEX_TYPES) != (kind in INDEX_TYPES)):
            raise MalformedError(f"{what}: is listed as {quote(other)}, but is {kind}")
    check_kind(document, kind, (*MANIFEST_TYPES, *INDEX_TYPES), what)
    if inside or not claimed:
        return kind
    if len(set(claimed)) > 1:
        raise MalformedError(f"{what}: is listed under several media types")
    return next(iter(claimed))


def _by_members(document: Mapping[str, object]) -> str:
    """The type of a document without `mediaType`, by its members; empty if they do not tell, as for an image config."""
    if document.get("manifests") is not None:
        return OCI_INDEX
    config = document.get("config")
    if document.get("layers") is not None or (isinstance(config, dict) and "digest" in config):
        return OCI_MANIFEST
    return ""
