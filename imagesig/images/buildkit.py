"""BuildKit's statements (provenance, SBOM) in an index: unsigned in-toto statements about its images.

Spec: moby/buildkit docs/attestations/attestation-storage.md. An entry of the index for no platform names the image by
an annotation; the layers of its manifest are the statements. Anyone who may push can write them; only a signature of
the index proves them.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from imagesig.in_toto.statement import IN_TOTO
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.oci.manifest import Index, Manifest
from imagesig.oci.platform import Platform

_TYPE = "vnd.docker.reference.type"
_DIGEST = "vnd.docker.reference.digest"
_ATTESTATION = "attestation-manifest"
_PREDICATE_TYPE = "in-toto.io/predicate-type"
_NO_PLATFORM = Platform("unknown", "unknown")


class BuildKitManifest(Struct, frozen=True):
    """An entry of an index whose manifest holds statements about the image with the digest `subject`."""

    descriptor: Descriptor
    subject: str

    @property
    def is_no_image(self) -> bool:
        """Whether the entry is for no platform, as BuildKit writes it. Otherwise a container engine may run it."""
        return self.descriptor.platform == _NO_PLATFORM


class BuildKitStatement(Struct, frozen=True):
    """One statement. `predicate_type` is what the manifest says about it."""

    blob: Descriptor
    predicate_type: str


def manifests_in(index: Index) -> tuple[BuildKitManifest, ...]:
    """The entries with statements. Another type of reference, and one without a digest, is left out."""
    found = []
    for entry in index.manifests:
        subject = entry.annotations.get(_DIGEST, "")
        if entry.annotations.get(_TYPE) == _ATTESTATION and is_digest(subject):
            found.append(BuildKitManifest(entry, subject))
    return tuple(found)


def statements_in(manifest: Manifest) -> Iterator[BuildKitStatement]:
    """The statements of a manifest, in order."""
    for layer in manifest.layers:
        if layer.media_type == IN_TOTO:
            yield BuildKitStatement(layer, layer.annotations.get(_PREDICATE_TYPE, ""))
