"""`attest_blob`: a signed statement about a file, a stream or bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.api.attest.attesting_job import StatementVersion, statement_claim
from imagesig.api.blob.reading_blob import Blob, BlobLike, read_blob
from imagesig.api.blob.signing_blob import opened_key
from imagesig.api.sign.audit import record_blob_signature
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument
from imagesig.formats.bundle_attestation import BundleAttestation
from imagesig.keys.provider import SigningKey
from imagesig.keys.rotation import sign_draft
from imagesig.naming import PathLike
from imagesig.signature import Draft, SignerInfo, StatementClaim, Subject


class AttestedBlob(Struct, frozen=True):
    """A signed statement about a blob. `bundle` is a Sigstore bundle (JSON) that contains the statement."""

    name: str
    size: int
    digest: str
    predicate_type: str
    bundle: bytes
    algorithm: Algorithm
    key_id: str
    public_key: PublicKey

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the blob. It has JSON types only."""
        return {
            "name": self.name,
            "size": self.size,
            "digest": self.digest,
            "predicate_type": self.predicate_type,
            "algorithm": str(self.algorithm),
            "key": self.key_id,
            "public_key": self.public_key.fingerprint,
        }


@checks_arguments
def attest_blob(
    blob: BlobLike,
    key: str | PathLike | SigningKey,
    *,
    predicate_type: str = "",
    predicate: bytes | Mapping[str, Any] | None = None,
    statement: bytes = b"",
    statement_version: StatementVersion = "v1",
    certificates: bool = False,
    now: datetime | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> AttestedBlob:
    """Signs a statement about a file (its path), a stream or bytes. The blob is read once, in pieces.

    `predicate_type`, `predicate`, `statement` and `statement_version` are as of `attest`. The statement's subject has
    the name of the file. `certificates` puts the key's certificate into the bundle. `timeout` is the number of seconds
    for opening the key and signing; it does not limit reading.

    Raises:
        InvalidArgument: the blob cannot be read, or a type, predicate or statement is invalid or has another subject.
        UnsupportedAlgorithm: the key signs with no algorithm that others verify.
        KeyProviderError: the key cannot be opened, or cannot sign.
    """
    unbound = statement_claim(predicate_type, predicate, statement, statement_version)
    with opened_key(key, timeout) as signing:
        found = read_blob(blob, ())
        claim = _about(unbound, found)
        format_ = BundleAttestation(certificates=certificates)
        at = now or datetime.now(UTC)

        def drafted(signer: SignerInfo) -> Draft:
            draft = format_.draft(claim, signer, at, ())
            assert isinstance(draft, Draft)
            return draft

        with deadline(timeout):
            draft, signer, (signature,) = sign_draft(signing, drafted, lambda draft: draft.requests)
    record_blob_signature(found.name, claim, format_.name, signer)
    (part,) = format_.seal(draft, [signature]).parts
    return AttestedBlob(
        found.name,
        found.size,
        found.digest,
        claim.predicate_type,
        part.content,
        draft.requests[0].algorithm,
        signer.key_id,
        signer.public_key,
    )


def _about(claim: StatementClaim, blob: Blob) -> StatementClaim:
    """The claim with the blob as its subject. Raises `InvalidArgument` if a whole statement has another subject."""
    if not claim.whole:
        return replace(claim, subjects=(Subject(blob.digest),), reference=blob.name)
    if blob.digest not in {subject.digest for subject in claim.subjects}:
        named = ", ".join(subject.digest for subject in claim.subjects[:3])
        raise InvalidArgument(f"statement: its subjects are {named}, the digest of {blob.title} is {blob.digest}")
    return replace(claim, subjects=(Subject(blob.digest),))
