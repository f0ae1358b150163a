"""The kinds of artifacts attached to an image, as they describe themselves. Nothing is verified."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from imagesig.format_names import BUNDLE_FAMILY, DSSE, NAMES, NOTATION, SIMPLE_SIGNING
from imagesig.in_toto.statement import IN_TOTO, SIGN_PREDICATE
from imagesig.oci.manifest import Manifest


class ArtifactKind(Enum):
    """What an artifact claims to be. The value is the word that people see."""

    INDEX = "index"
    IMAGE = "image"
    SIGNATURE = "signature"
    ATTESTATION = "attestation"
    STATEMENT = "unsigned statement"
    SBOM = "sbom"
    ARTIFACT = "artifact"


TAGS = {".sig": ArtifactKind.SIGNATURE, ".att": ArtifactKind.ATTESTATION, ".sbom": ArtifactKind.SBOM}
"""cosign's tags, `sha256-<hex>.sig` and the like, and the kind of their layers."""
PREDICATE_ANNOTATIONS = ("dev.sigstore.bundle.predicateType", "predicateType", "in-toto.io/predicate-type")
_SBOMS = (
    "application/spdx+json",
    "text/spdx",
    "text/spdx+json",
    "text/spdx+xml",
    "application/vnd.cyclonedx",
    "application/vnd.syft+json",
    "application/vnd.goharbor.harbor.sbom",
)
_SIGNATURES = frozenset((NOTATION, SIMPLE_SIGNING, *(item.artifact_type for item in NAMES)))


def predicate_type_of(annotations: Mapping[str, str]) -> str:
    """The predicate type in the annotations of a manifest or layer; empty if they name none."""
    return next((annotations[name] for name in PREDICATE_ANNOTATIONS if name in annotations), "")


def is_known(artifact_type: str) -> bool:
    """Whether a listing names the type of a signature, an attestation or an SBOM."""
    return artifact_type in _SIGNATURES or artifact_type.startswith((BUNDLE_FAMILY, DSSE, IN_TOTO, *_SBOMS))


def kind_of(manifest: Manifest, predicate_type: str) -> ArtifactKind:
    """The kind of a referrer."""
    types = (manifest.artifact_type, manifest.config.media_type, *(layer.media_type for layer in manifest.layers))
    if any(item.startswith(BUNDLE_FAMILY) for item in types):
        return ArtifactKind.SIGNATURE if predicate_type in ("", SIGN_PREDICATE) else ArtifactKind.ATTESTATION
    if any(item in _SIGNATURES for item in types):
        return ArtifactKind.SIGNATURE
    if DSSE in types:
        return ArtifactKind.ATTESTATION
    if IN_TOTO in types:
        return ArtifactKind.STATEMENT
    if any(item.startswith(_SBOMS) for item in types):
        return ArtifactKind.SBOM
    return ArtifactKind.ARTIFACT
