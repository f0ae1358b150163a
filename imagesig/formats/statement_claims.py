"""Statements in both formats of attestations: the bytes to sign, the claim, and the search for one signed before."""

from __future__ import annotations

from collections.abc import Iterable

from imagesig.errors import FormatViolation, ImagesigError, InvalidArgument
from imagesig.formats.cosign_family import check_made_by
from imagesig.formats.dsse_envelope import payload_of
from imagesig.formats.format import Format
from imagesig.in_toto.statement import SIGN_PREDICATE, STATEMENT_V1, parse_statement, statement_bytes
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Envelope,
    SignerInfo,
    StatementClaim,
    StoredSignature,
    is_attestation,
)


def statement_to_sign(claim: Claim, format_name: str) -> tuple[str, bytes]:
    """The predicate type and the bytes of the statement.

    Raises:
        InvalidArgument: the claim is not an attestation's.
    """
    if not isinstance(claim, StatementClaim) or not is_attestation(claim):
        raise InvalidArgument(f"the {format_name} format of attestations: a statement is needed, not a signature")
    if claim.predicate_type == SIGN_PREDICATE:
        raise InvalidArgument(
            f"predicate type {SIGN_PREDICATE} is a signature of an image, not an attestation", hint="use imagesig sign"
        )
    if claim.whole:
        return claim.predicate_type, claim.whole
    written = statement_bytes(
        claim.subjects,
        claim.predicate_type,
        claim.predicate,
        statement_type=claim.statement_type or STATEMENT_V1,
        name=claim.reference or "",
    )
    return claim.predicate_type, written


def statement_claim(payload: bytes | memoryview) -> StatementClaim:
    """The claim of an attestation. Raises as `parse_statement` does, and `FormatViolation` for an image signature."""
    statement = parse_statement(payload)
    if statement.predicate_type == SIGN_PREDICATE:
        raise FormatViolation(f"predicate type {SIGN_PREDICATE}: a signature of an image, not an attestation")
    return statement.claim


def already_attested(
    format: Format, claim: Claim, signer: SignerInfo, stored: Iterable[StoredSignature], leaf: bytes
) -> AlreadySigned | None:
    """The stored attestation with the same key, certificate, subjects, type and predicate; None if there is none."""
    for item in stored:
        try:
            envelope = format.parse(item)
            if (envelope.chain[0] if envelope.chain else b"") == leaf and is_same_statement(
                format.claim(envelope), claim, envelope
            ):
                check_made_by(envelope, signer)
                return AlreadySigned(format.name, item.origin)
        except ImagesigError:
            continue
    return None


def is_same_statement(stored: Claim, new: Claim, envelope: Envelope) -> bool:
    """Whether a stored attestation has the same subjects, type and predicate. Names of subjects are not compared.

    A whole statement may have subjects that claims leave out, so it must be the same text.
    """
    if not isinstance(stored, StatementClaim) or not isinstance(new, StatementClaim):
        return False
    if new.whole and payload_of(envelope.message) != new.whole:
        return False
    return (
        stored.predicate_type == new.predicate_type
        and stored.predicate == new.predicate
        and {item.digest for item in stored.subjects} == {item.digest for item in new.subjects}
    )
