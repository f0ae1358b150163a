"""Certificates that a cosign signature carries because the signer asked for it ("bring your own PKI").

They are never attached unasked: cosign refuses a bundle with a certificate where it has a bare key (cosign #3354).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from imagesig.crypto.certificate import Certificate
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.signature import SignerInfo, StoredSignature

CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
CHAIN_ANNOTATION = "dev.sigstore.cosign/chain"


def chain_to_attach(signer: SignerInfo, format_name: str) -> tuple[Certificate, ...]:
    """The signer's chain. Raises `InvalidArgument` where it has none."""
    if not signer.chain:
        raise InvalidArgument(
            f"{signer.key_id}: the {format_name} format was asked to attach the key's certificates, and it has none",
            hint="give them with --certificate-chain, or chain= in open_key; to get one: imagesig key csr",
        )
    return signer.chain


def annotations_of(chain: Sequence[Certificate]) -> dict[str, str]:
    """What cosign's classic format writes beside the signature: the leaf, and those above it."""
    issuers = list(chain[1:])
    # Both cosign and containers/image take the last one for the root, and leave it out of the path.
    if issuers and issuers[-1].subject_der != issuers[-1].issuer_der:
        issuers.append(issuers[-1])
    return {CERTIFICATE_ANNOTATION: chain[0].pem, CHAIN_ANNOTATION: "".join(item.pem for item in issuers)}


def classic_leaf(stored: StoredSignature) -> str:
    """The leaf that a stored classic signature carries, as PEM text; empty if it carries none."""
    return stored.parts[0].annotations.get(CERTIFICATE_ANNOTATION, "")


def is_of_leaf(text: str, chain: Sequence[Certificate]) -> bool:
    """Whether the PEM text is the chain's leaf; of an empty chain, whether there is none."""
    return text.split() == (chain[0].pem.split() if chain else [])


def bundle_material(chain: Sequence[Certificate]) -> dict[str, object]:
    """The member of `verificationMaterial` that carries the leaf. A v0.3 bundle has no place for its issuers."""
    return {"certificate": {"rawBytes": b64encode(chain[0].der).decode("ascii")}}


def carries(stored: StoredSignature, chain: Sequence[Certificate]) -> bool:
    """Whether a stored bundle carries the chain's leaf; of an empty chain, whether it carries no certificate."""
    try:
        material = parse_object(stored.parts[0].content, "bundle", OURS).get("verificationMaterial")
    except ImagesigError:
        return False
    certificate = material.get("certificate") if isinstance(material, dict) else None
    return certificate == (bundle_material(chain)["certificate"] if chain else None)
