"""The earlier attestations of a manifest: an equal one is not signed again, a replaced one is removed afterwards.

Each stored attestation is judged as it is read, so that only the needed ones stay in memory.
"""

from __future__ import annotations

from msgspec.structs import replace as changed

from imagesig.api.removing import Found, made_by
from imagesig.api.sign.signing_job import SigningJob
from imagesig.errors import BudgetExceeded, ImagesigError, InvalidArgument
from imagesig.formats import Format
from imagesig.formats.statement_claims import is_same_statement
from imagesig.images.target import Target
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.reference import Reference
from imagesig.signature import StatementClaim, StoredSignature, Subject


def statement_about(claim: StatementClaim, descriptor: Descriptor, identity: Reference | None) -> StatementClaim:
    """The statement about this manifest. A whole statement stays as it is.

    Raises:
        InvalidArgument: a whole statement does not name this manifest.
    """
    if not claim.whole:
        name = str(changed(identity, tag="", digest="")) if identity else ""
        return changed(claim, subjects=(Subject(descriptor.digest),), reference=name)
    named = [subject.digest for subject in claim.subjects]
    if descriptor.digest not in named:
        raise InvalidArgument(
            f"statement: its subjects are {', '.join(named[:3]) or 'without a sha256 digest'}, the image is "
            f"{descriptor.digest}",
            hint="name the image's digest as a subject, or give the predicate alone",
        )
    return claim


class PriorStatements:
    """Finds the stored attestations of one manifest that equal the new one, and those to be replaced (`obsolete`).

    `kept` is the number of those by the same key with the same type that name other subjects.
    """

    def __init__(self, target: Target, claim: StatementClaim, job: SigningJob) -> None:
        self._target, self._claim, self._job = target, claim, job
        self.obsolete: list[Found] = []
        self.kept = 0

    def keep(self, stored: StoredSignature, reader: Format) -> StoredSignature | None:
        """The attestation if it equals the new one, by any signer; else None. See `Keep`."""
        try:
            envelope = reader.parse(stored)
            claim = reader.claim(envelope)
            is_same = is_same_statement(claim, self._claim, envelope)
            del envelope  # memory: `made_by` makes another one
        except BudgetExceeded:
            raise
        except ImagesigError:
            return None
        if is_same:
            return stored
        if (
            self._job.replaced_keys is not None
            and isinstance(claim, StatementClaim)
            and claim.predicate_type == self._claim.predicate_type
            and made_by(stored, reader, self._job.replaced_keys, self._job.now)
        ):
            if {item.digest for item in claim.subjects} == {item.digest for item in self._claim.subjects}:
                light = changed(stored, parts=tuple(changed(part, content=b"") for part in stored.parts))
                self.obsolete.append(Found(self._target, light, reader))
            else:
                self.kept += 1
        return None
