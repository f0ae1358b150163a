"""The audit log: each new signature is one record of the logger `imagesig.audit`, at level INFO.

A record has these attributes, all of them text but `attached`:

    image       the image, as it was named
    digest      the digest that was signed
    format      the format of the signature
    key_id      the key and its version in its store
    public_key  the fingerprint of the public key
    signed_at   the time of the record, in ISO 8601 with UTC
    place       the repository, layout or archive of the signature
    attached    whether the signature is stored there

An attestation has `predicate_type` too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from imagesig.logs import Logger
from imagesig.signature import StatementClaim

if TYPE_CHECKING:
    from imagesig.api.sign.signature_run import PlannedSignature
    from imagesig.signature import Claim, SignerInfo

logger = Logger("imagesig.audit")


def record_signature(planned: PlannedSignature, signer: SignerInfo, *, attached: bool) -> None:
    """Logs a signature that the key made, whether or not it could be stored."""
    digest, place = planned.target.descriptor.digest, planned.image.signatures.name
    members = _members(str(planned.image), digest, planned.format.name, signer, place, attached=attached)
    noun = _noun(planned.claim, members)
    logger.event(f"{noun} %s" if attached else f"{noun} made, but not attached: %s", planned.name, members)


def record_blob_signature(name: str, claim: Claim, format_name: str, signer: SignerInfo) -> None:
    """Logs a signature or attestation of a blob. `image` is the name of the blob; nothing is attached."""
    digest = claim.subjects[0].digest
    members = _members(name, digest, format_name, signer, "", attached=False)
    logger.event(f"{_noun(claim, members)} of blob %s", digest, members)


def _noun(claim: Claim, members: dict[str, str | bool]) -> str:
    """What was made. An attestation's type is added to the members."""
    if not isinstance(claim, StatementClaim):
        return "signature"
    members["predicate_type"] = claim.predicate_type
    return "attestation"


def _members(
    image: str, digest: str, format_name: str, signer: SignerInfo, place: str, *, attached: bool
) -> dict[str, str | bool]:
    return {
        "image": image,
        "digest": digest,
        "format": format_name,
        "key_id": signer.key_id,
        "public_key": signer.public_key.fingerprint,
        "signed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "place": place,
        "attached": attached,
    }
