"""Entries of a layout that other tools load as images, regardless of names and annotations.

skopeo and podman load any manifest that an entry of `index.json` names; Docker's containerd store makes an image of
every entry. They ignore cosign's `kind`, names such as `sha256-….sig`, and a `subject`.
"""

from __future__ import annotations

from collections.abc import Callable

from imagesig.deadlines import remaining
from imagesig.errors import LimitExceeded, MalformedError, NotFound
from imagesig.images.layout.index import IMAGE_NAME
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import Contents, parse_contents
from imagesig.oci.manifest import (
    DOCKER_MANIFEST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_CONFIG,
    Manifest,
    parse_index,
)

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_DEPTH = 3
"""Indexes within indexes."""

Read = Callable[[Descriptor], bytes]


def is_image_manifest(manifest: Manifest) -> bool:
    """Whether tools unpack the manifest: it has an image config, and a layer that is not a document.

    cosign's signatures, attestations and SBOMs have an image config too, but documents as layers.
    """
    return has_image_config(manifest) and not all(_is_document(layer.media_type) for layer in manifest.layers)


def has_image_config(manifest: Manifest) -> bool:
    """Whether tools read the config as an image config. In Docker's manifests they ignore its type."""
    return manifest.media_type == DOCKER_MANIFEST or manifest.config.media_type in (OCI_CONFIG, DOCKER_CONFIG)


def _is_unpacked(contents: Contents, media_type: str) -> bool:
    """Whether tools may unpack the manifest. What cannot be read may be an image config or a layer for them."""
    is_config = contents.config is None or contents.config.media_type in (OCI_CONFIG, DOCKER_CONFIG, "")
    is_document = all(_is_document(entry.media_type) for entry in contents.entries)
    return (is_config or media_type == DOCKER_MANIFEST) and not (is_document and not contents.unread)


def is_loadable(entry: Descriptor, read: Read, depth: int = _DEPTH) -> bool:
    """Whether other tools load an entry as an image that imagesig does not.

    Raises:
        LimitExceeded: indexes nested too deeply.
    """
    remaining(f"manifest {entry.digest}")
    if IMAGE_NAME in entry.annotations:
        return True
    try:
        if entry.media_type in MANIFEST_TYPES:
            return _is_unpacked(parse_contents(read(entry), entry.media_type, entry.digest), entry.media_type)
        if entry.media_type not in INDEX_TYPES:
            return False
        children = parse_index(read(entry), entry.media_type, entry.digest).manifests
    except NotFound:
        return False
    except MalformedError:
        return True  # other readers may find an image in it
    if depth == 0:
        raise LimitExceeded(f"manifest {entry.digest}: indexes nested more than {_DEPTH} deep")
    return any(is_loadable(child, read, depth - 1) for child in children)


def _is_document(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type.endswith(("json", "xml"))
