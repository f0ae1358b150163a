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
    from imagesig.signature import SignerInfo

logger = Logger("imagesig.audit")


def record_signature(planned: PlannedSignature, signer: SignerInfo, *, attached: bool) -> None:
    """Logs a signature that the key made, whether or not it could be stored."""
    members: dict[str, str | bool] = {
        "image": str(planned.image),
        "digest": planned.target.descriptor.digest,
        "format": planned.format.name,
        "key_id": signer.key_id,
        "public_key": signer.public_key.fingerprint,
        "signed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "place": planned.image.signatures.name,
        "attached": attached,
    }
    noun = "signature"
    if isinstance(planned.claim, StatementClaim):
        noun, members["predicate_type"] = "attestation", planned.claim.predicate_type
    logger.event(f"{noun} %s" if attached else f"{noun} made, but not attached: %s", planned.name, members)
