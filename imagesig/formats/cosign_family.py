"""What cosign's formats share: options, signing algorithms, who made a signature, and certificates on request.

Certificates are attached only on request ("bring your own PKI"): cosign refuses a bundle with a certificate where it
has a bare key (cosign #3354).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.arguments import check_fields
from imagesig.crypto.algorithms import Algorithm, KeyType, cosign_algorithms, signing_algorithms
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import (
    FormatViolation,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    SignatureInvalid,
)
from imagesig.formats.format import choose_algorithm, decode_base64, examine, find_signer
from imagesig.oci.annotations import Annotations
from imagesig.signature import Claim, Envelope, Examined, SignerInfo, StoredSignature
from imagesig.text import quote
from imagesig.trust import TrustAnchors, TrustedKey

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate

SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
CHAIN_ANNOTATION = "dev.sigstore.cosign/chain"


CANDIDATES = {key_type: cosign_algorithms(key_type) for key_type in KeyType}
"""The algorithms that a signature by a key of each type may have."""


class CosignFamily(Struct, frozen=True):
    """The options of cosign's formats.

    `curve_hash` signs P-384 with SHA-384 and P-521 with SHA-512 instead of SHA-256, as cosign 2.6 and later sign (and
    do not verify without a flag). `certificates` writes the signer's certificates too, for verifiers that trust their
    issuer.
    """

    curve_hash: bool = False
    certificates: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def certified(cls) -> Self:
        """Writes the signer's certificates too: what users select as `cosign-x509` and `bundle-x509`."""
        return cls(certificates=True)

    def algorithm_of(self, signer: SignerInfo, format_name: str) -> Algorithm:
        """The best algorithm that the signer can sign with. Every verifier expects SHA-256, for every curve.

        Raises:
            UnsupportedAlgorithm: the signer can use none of the format's algorithms.
        """
        key_type = signer.public_key.key_type
        order = signing_algorithms(key_type)
        return choose_algorithm(signer, order[::-1] if self.curve_hash and key_type.is_ecdsa else order, format_name)

    def chain_of(self, signer: SignerInfo, format_name: str) -> tuple[Certificate, ...]:
        """The certificates to attach; empty if none were asked for.

        Raises:
            InvalidArgument: the signer has none, or other verifiers cannot read them.
        """
        if self.certificates and not signer.chain:
            raise InvalidArgument(
                f"{signer.key_id}: the {format_name} format was asked to attach the key's certificates, and it has "
                "none",
                hint="give them with --certificate-chain, or chain= in open_key; to get one: imagesig key csr",
            )
        if not self.certificates:
            return ()
        from imagesig.formats.certified import check_names  # speed: most signers attach none (benchmarks/test_cli.py)

        check_names(signer.chain, signer.key_id)
        return signer.chain


def check_made_by(envelope: Envelope, signer: SignerInfo) -> None:
    """Returns if this signer's key made the signature. Raises `SignatureInvalid` if not."""
    find_signer(envelope, TrustAnchors((TrustedKey(signer.key_id, (signer.public_key,)),)), CANDIDATES)


def annotations_of(chain: Sequence[Certificate]) -> dict[str, str]:
    """The annotations of a classic signature for a chain: the leaf, and the certificates above it."""
    issuers = list(chain[1:])
    # Both cosign and containers/image assume that the last one is the root, and leave it out of the path.
    if issuers and issuers[-1].subject_der != issuers[-1].issuer_der:
        issuers.append(issuers[-1])
    return {CERTIFICATE_ANNOTATION: chain[0].pem, CHAIN_ANNOTATION: "".join(item.pem for item in issuers)}


def classic_leaf(stored: StoredSignature) -> str:
    """The leaf certificate of a stored classic signature, as PEM text; empty if it has none."""
    return stored.parts[0].annotations.get(CERTIFICATE_ANNOTATION, "")


def classic_chain(annotations: Annotations) -> tuple[bytes, ...]:
    """The certificates of a classic cosign signature, in DER and not parsed: the signer's, then others; maybe none.

    Raises:
        MalformedError: an annotation is not PEM of certificates.
        LimitExceeded: more than `limits.CHAIN_CERTIFICATES`.
    """
    certificate, chain = annotations.get(CERTIFICATE_ANNOTATION, ""), annotations.get(CHAIN_ANNOTATION, "")
    if not certificate.strip():
        return ()
    signer = _from_pem(certificate, CERTIFICATE_ANNOTATION)
    if len(signer) != 1:
        raise FormatViolation(f"annotation {CERTIFICATE_ANNOTATION}: {len(signer)} certificates, exactly one is needed")
    # It may be empty: cosign leaves out the root, and there may be no intermediates.
    others = _from_pem(chain, CHAIN_ANNOTATION) if chain.strip() else ()
    if len(others) >= limits.CHAIN_CERTIFICATES:
        raise LimitExceeded(f"annotation {CHAIN_ANNOTATION}: more than {limits.CHAIN_CERTIFICATES} certificates")
    return (*signer, *others)


def _from_pem(text: str, what: str) -> tuple[bytes, ...]:
    # speed: most signatures have no certificate (benchmarks/test_start.py)
    from imagesig.crypto.certificate_pem import pem_blocks

    found = pem_blocks(text.encode("utf-8", "replace"), f"annotation {what}", limits.CHAIN_CERTIFICATES)
    if not found:
        raise MalformedError(f"annotation {what}: {quote(text)}, certificates in PEM are needed")
    return found


def is_of_leaf(text: str, chain: Sequence[Certificate]) -> bool:
    """Whether the PEM text is the chain's leaf; for an empty chain, whether the text is empty."""
    return text.split() == (chain[0].pem.split() if chain else [])


def bundle_material(chain: Sequence[Certificate]) -> dict[str, object]:
    """The `verificationMaterial` with the leaf. A v0.3 bundle has no place for the leaf's issuers."""
    return {"certificate": {"rawBytes": b64encode(chain[0].der).decode("ascii")}}


def bundle_chain(material: object) -> tuple[bytes, ...]:
    """The certificates of a bundle's verification material, in DER: one `certificate`, or an `x509CertificateChain`.

    Raises:
        FormatViolation: there are none.
    """
    listed = material.get("certificates", [material]) if isinstance(material, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= limits.CHAIN_CERTIFICATES:
        raise FormatViolation(
            f"verificationMaterial has {quote(listed)}, one to {limits.CHAIN_CERTIFICATES} certificates are needed"
        )
    return tuple(
        decode_base64(
            item.get("rawBytes") if isinstance(item, dict) else None,
            f"verificationMaterial certificate {number}",
            limits.CERTIFICATE_BYTES,
        )
        for number, item in enumerate(listed)
    )


def has_leaf(stored: StoredSignature, chain: Sequence[Certificate]) -> bool:
    """Whether a stored bundle has the chain's leaf; for an empty chain, whether it has no certificate."""
    try:
        material = parse_object(stored.parts[0].content, "bundle", OURS).get("verificationMaterial")
    except ImagesigError:
        return False
    certificate = material.get("certificate") if isinstance(material, dict) else None
    return certificate == (bundle_material(chain)["certificate"] if chain else None)


class Signers(Struct, frozen=True):
    """How one format's signatures are authenticated. See `Format.authenticate`.

    `candidates` are the algorithms by type of key, those of cosign by default.
    """

    format: str
    parse_claim: Callable[[bytes], Claim]
    candidates: Mapping[KeyType, tuple[Algorithm, ...]] | None = None

    def of_bundle(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """A bundle with a certificate is trusted by its authority, never by a bare key."""
        if not envelope.chain:
            return examine(self.format, envelope, anchors, now, self.candidates or CANDIDATES, self.parse_claim)
        if not anchors.authorities:
            raise FormatViolation("the bundle has a certificate; the policy trusts bare keys only")
        return self._of_certificate(envelope, envelope.chain, anchors, now)

    def of_classic(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """A classic signature by a trusted key is valid regardless of its certificates."""
        try:
            by_key = examine(self.format, envelope, anchors, now, self.candidates or CANDIDATES, self.parse_claim)
        except SignatureInvalid:
            chain = classic_chain(envelope.stored.parts[0].annotations) if anchors.authorities else ()
            if not chain:
                raise
            return self._of_certificate(envelope, chain, anchors, now)
        if not anchors.authorities or not envelope.chain:
            return by_key
        return replace(by_key, by_others=self._by_certificate(envelope, by_key.public_key, anchors, now))

    def _by_certificate(
        self, envelope: Envelope, public_key: PublicKey, anchors: TrustAnchors, now: datetime
    ) -> tuple[Examined, ...]:
        """The signature of a trusted key for each authority that certified this very key; empty if none did."""
        try:
            chain = classic_chain(envelope.stored.parts[0].annotations)
            found = self._of_certificate(envelope, chain, anchors, now)
        except ImagesigError:
            return ()
        # A certificate for another key that also verifies these bytes must not make two signers of one.
        return found.by_all if found.authority and found.public_key == public_key else ()

    def _of_certificate(
        self, envelope: Envelope, chain: Sequence[bytes], anchors: TrustAnchors, now: datetime
    ) -> Examined:
        # speed: most signatures have no certificate (benchmarks/test_start.py)
        from imagesig.formats.certified import examine_certified
        from imagesig.formats.cosign_timestamps import timed

        return examine_certified(
            self.format,
            envelope,
            chain,
            anchors,
            now,
            self.candidates or CANDIDATES,
            self.parse_claim,
            lambda path: timed(path, anchors.timestamps, now, envelope),
        )
