"""The one table of signature formats: what people type, what is stored, and what reads and writes it.

A further format is a module in `imagesig.formats` and a line in `FORMATS` for each of its names. Policies and the
command take their choices from here, and a test compares the JSON Schema of policy files.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.text import quote

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE_FAMILY = "application/vnd.dev.sigstore.bundle"
"""How the media types of all versions of Sigstore bundles begin."""
BUNDLE = f"{BUNDLE_FAMILY}.v0.3+json"
NOTATION = "application/vnd.cncf.notary.signature"
DSSE = "application/vnd.dsse.envelope.v1+json"


class Purpose(Enum):
    """What the artefacts of a format are for. An attestation is never accepted as a signature, nor the reverse."""

    SIGNATURE = "signature"
    ATTESTATION = "attestation"


class Storage(Enum):
    """How signatures of a format are stored beside their image; `imagesig.stores` has a store for each."""

    SIGNATURE_TAG = "signature tag"
    REFERRER = "referrer"
    ATTESTATION_TAG = "attestation tag"
    ATTESTATION_REFERRER = "attestation referrer"


class FormatName(Struct, frozen=True):
    """One name. `storage` and `reads` are those of its format, which need not be loaded for them.

    `maker` is the module in `imagesig.formats` and what makes the format there. `media_types` are those of its parts
    and manifests; one that ends in `*` names every type with this beginning. `family` is what a stored signature is:
    names of one family differ in what they write. With an `envelope` the name accepts only the family's signatures in
    that envelope. `artifact_type` is the one of its referrers, if it is stored as such.
    """

    name: str
    family: str
    maker: str
    media_types: tuple[str, ...]
    artifact_type: str = ""
    signs_by_default: bool = False
    envelope: str = ""
    purpose: Purpose = Purpose.SIGNATURE

    @property
    def reader(self) -> str:
        """The name of the format that reads exactly what this name accepts."""
        return self.name if self.envelope else self.family

    @property
    def storage(self) -> Storage:
        if self.purpose is Purpose.ATTESTATION:
            return Storage.ATTESTATION_REFERRER if self.artifact_type else Storage.ATTESTATION_TAG
        return Storage.REFERRER if self.artifact_type else Storage.SIGNATURE_TAG

    def reads(self, media_type: str) -> bool:
        """See `Format.reads`."""
        return any(
            media_type.startswith(item[:-1]) if item.endswith("*") else media_type == item for item in self.media_types
        )


_CLASSIC = (SIMPLE_SIGNING,)
_BUNDLES = (f"{BUNDLE_FAMILY}*",)
_JWS, _COSE = (NOTATION, "application/jose+json"), (NOTATION, "application/cose")
_EITHER = (*_JWS, *_COSE)

FORMATS = (
    FormatName("cosign", "cosign", "cosign:Cosign", _CLASSIC, signs_by_default=True),
    FormatName("cosign-x509", "cosign", "cosign:Cosign.certified", _CLASSIC),
    FormatName("bundle", "bundle", "bundle:Bundle", _BUNDLES, BUNDLE, signs_by_default=True),
    FormatName("bundle-x509", "bundle", "bundle:Bundle.certified", _BUNDLES, BUNDLE),
    FormatName("notation", "notation", "notation:Notation", _EITHER, NOTATION),
    FormatName("notation-jws", "notation", "notation:notation_jws", _JWS, NOTATION, envelope="jws"),
    FormatName("notation-cose", "notation", "notation:notation_cose", _COSE, NOTATION, envelope="cose"),
    *(
        FormatName(name, family, maker, media_types, artifact_type, default, purpose=Purpose.ATTESTATION)
        for name, family, maker, media_types, artifact_type, default in (
            ("cosign", "cosign", "attestation:CosignAttestation", (DSSE,), "", True),
            ("cosign-x509", "cosign", "attestation:CosignAttestation.certified", (DSSE,), "", False),
            ("bundle", "bundle", "bundle_attestation:BundleAttestation", _BUNDLES, BUNDLE, True),
            ("bundle-x509", "bundle", "bundle_attestation:BundleAttestation.certified", _BUNDLES, BUNDLE, False),
        )
    ),
)
NAMES = tuple(item for item in FORMATS if item.purpose is Purpose.SIGNATURE)
"""The formats of signatures: those that `sign` and `verify` know."""
ATTESTATION_NAMES = tuple(item for item in FORMATS if item.purpose is Purpose.ATTESTATION)
"""The formats of attestations: those that `attest` and `verify_attestation` know."""
ATTESTATION_READERS = tuple(item for item in ATTESTATION_NAMES if item.name == item.reader)
"""Those that differ in what they accept."""
READERS = tuple(dict.fromkeys(item.reader for item in NAMES))
"""The names that differ in what they accept: those that a policy file can have."""
_BY_NAME = {kind: {item.name: item for item in FORMATS if item.purpose is kind} for kind in Purpose}
ARTIFACT_TYPES = tuple(dict.fromkeys(item.artifact_type for item in FORMATS if item.artifact_type))


def format_names(names: Iterable[object], purpose: Purpose = Purpose.SIGNATURE) -> tuple[FormatName, ...]:
    """The table's entries for these names, each once.

    Raises:
        InvalidArgument: a name has no entry for this purpose.
    """
    known = _BY_NAME[purpose]
    found: dict[str, FormatName] = {}
    for name in names:
        if type(name) is not str or name not in known:
            raise InvalidArgument(f"format {quote(name)} is unknown", hint=f"choose from {', '.join(known)}")
        found[name] = known[name]
    return tuple(found.values())


def families(names: Iterable[str]) -> frozenset[str]:
    """The families whose signatures these names accept. Raises as `format_names` does."""
    return frozenset(item.family for item in format_names(names))
