"""Judges the stored attestations of an image, one after the other, and keeps only the accepted ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, field

from imagesig.api.stored_signatures import Stored, each_envelope
from imagesig.api.verify.subjects import Manifest
from imagesig.errors import (
    BudgetExceeded,
    ImagesigError,
    NoSignatures,
    Rejection,
)
from imagesig.format_names import ATTESTATION_READERS, FormatName
from imagesig.formats import Format
from imagesig.formats.dsse_envelope import payload_of
from imagesig.in_toto.predicates import short_name
from imagesig.in_toto.statement import stated_type
from imagesig.policy.attested import Attested
from imagesig.policy.judge_statements import StatementJudge
from imagesig.policy.verdict import NOT_JUDGED, Verdict
from imagesig.signature import Envelope, Examined, StatementClaim, Subject
from imagesig.text import printable

if TYPE_CHECKING:
    from imagesig.api.verify.evidence import Evaluation
    from imagesig.api.verify.index_statements import IndexStatements
    from imagesig.api.verify.revoking import Answers

_TYPES = 10
"""Types of other attestations that an error names."""


class StoredStatements(Struct, dict=True):
    """The attestations stored for the manifest with this digest, judged for all requirements of the rule at once."""

    evaluation: Evaluation
    manifest: Manifest
    _other_types: dict[str, None] = field(default_factory=dict)
    """Types of attestations that no requirement asks for, for people."""

    def verdict(self, requirement: Attested) -> Verdict:
        """The verdict of a requirement that holds.

        Raises:
            NoSignatures: there is no attestation of the type.
            NoSignatureAccepted: there are some, and they do not satisfy the requirement.
            TransportError: it does not hold, and a place with attestations did not answer, or not completely.
            LimitExceeded: it does not hold, and the image has more attestations than the limits allow.
        """
        judge, unread = self._judges[requirement], [self._stored]
        verdict = judge.verdict(self.evaluation.image)
        # speed: what the signed index proves is only read if it can change the verdict
        if verdict.failure is not None or requirement.every:
            self._in_index.add_to(judge)
            unread.append(self._in_index.unread)
            verdict = judge.verdict(self.evaluation.image)
        # An unread attestation may be the one that is needed; with `every`, it may be the one that does not fit.
        if verdict.failure is not None or requirement.every:
            _check_read(unread, judge, verdict.failure)
        if verdict.failure is not None:
            if not verdict.accepted and not verdict.rejections:
                raise self._none_of_type(requirement)
            raise verdict.failure
        if requirement.every and self.manifest.beside is not None:
            StoredStatements(self.evaluation, self.manifest.beside).check_every(requirement)
        return verdict

    def check_every(self, requirement: Attested) -> None:
        """Returns if all attestations of the type by its authorities fit, also if there are none.

        Raises:
            NoSignatureAccepted: one does not fit.
            TransportError, LimitExceeded: one could not be read.
        """
        judge, stored = self._judges[requirement], self._stored
        self._in_index.add_to(judge)
        _check_read((stored, self._in_index.unread), judge, None)
        if failure := judge.every_failure(self.evaluation.image):
            raise failure

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @cached_property
    def _in_index(self) -> IndexStatements:
        # speed: most images have no statements of BuildKit that are needed
        from imagesig.api.verify.index_statements import IndexStatements

        return IndexStatements(self.evaluation, self.manifest)

    @cached_property
    def _judges(self) -> dict[Attested, StatementJudge]:
        subject, now = Subject(self.digest), self.evaluation.now
        return {item: StatementJudge(item, subject, now) for item in self.evaluation.rule.attested}

    @cached_property
    def _formats(self) -> tuple[FormatName, ...]:
        accepted = [item.formats for item in self._judges]
        return tuple(item for item in ATTESTATION_READERS if any(not names or item.name in names for names in accepted))

    @cached_property
    def _stored(self) -> Stored:
        stored, image = Stored(), self.evaluation.image
        known: Answers = {}
        for envelope, item_format in each_envelope(image, self.digest, self._formats, stored):
            self._judge(envelope, item_format, known, stored)
        for judge in self._judges.values():
            for rejection in stored.rejections:
                judge.reject(rejection)
        return stored

    def _judge(self, envelope: Envelope, item_format: Format, known: Answers, stored: Stored) -> None:
        """Judges one attestation for each requirement that accepts its format."""
        for requirement, judge in self._judges.items():
            if requirement.formats and item_format.name not in requirement.formats:
                continue
            try:
                examined = item_format.authenticate(envelope, requirement.anchors, self.evaluation.now)
            except NOT_JUDGED:
                raise
            except ImagesigError as error:
                if isinstance(error, BudgetExceeded):
                    stored.limited = stored.limited or error
                if not self._is_other(_unproven_type(item_format, envelope), requirement):
                    add = judge.reject_signed if error.authority else judge.reject
                    add(Rejection(envelope.stored.origin, error, error.authority))
                continue
            if isinstance(examined.claim, StatementClaim) and self._is_other(
                examined.claim.predicate_type, requirement
            ):
                continue
            judge.add(self._with_revocation(examined, requirement, known))

    def _is_other(self, predicate_type: str, requirement: Attested) -> bool:
        """Whether an attestation has another type than the requirement. It decides only which error is raised."""
        if not predicate_type or predicate_type == requirement.predicate_type:
            return False
        self._other_types[predicate_type] = None
        return True

    def _with_revocation(self, examined: Examined, requirement: Attested, known: Answers) -> Examined:
        if not any(item.chain for item in examined.by_all):
            return examined
        # speed: keys have nothing to revoke (benchmarks/test_start.py)
        from imagesig.api.verify.revoking import with_revocation

        evaluation = self.evaluation
        (checked,) = with_revocation([examined], requirement, evaluation.revocation, evaluation.now, known)
        return checked

    def _none_of_type(self, requirement: Attested) -> ImagesigError:
        image, names = self.evaluation.image, ", ".join(item.name for item in self._formats)
        more = f"; it has attestations of: {_named(self._other_types)}" if self._other_types else ""
        if not self._in_index.unsigned and self._in_index.types:
            more += f"; its index has statements of BuildKit of: {_named(self._in_index.types)}"
        unsigned = "; its index has such a statement of BuildKit, but the index is not signed"
        return NoSignatures(
            f"{image}: {self.digest} has no attestation of {short_name(requirement.predicate_type)} (looked for: "
            f"{names} in {image.signatures.name}){more}{unsigned if self._in_index.unsigned else ''}",
            subject=self.digest,
            hint="sign the index: imagesig sign"
            if self._in_index.unsigned
            else "attest it: imagesig attest --type, or ask for a type that it has",
        )


def _check_read(unread: Iterable[Stored], judge: StatementJudge, failure: ImagesigError | None) -> None:
    """Returns if everything was read that may change the verdict. Raises why not, otherwise."""
    too_large = judge.too_large if judge.requirement.every else ()
    read = tuple(unread)
    for error in (*(item.failed for item in read), *(item.limited for item in read), *too_large):
        if error:
            raise error from failure


def _named(types: Iterable[str]) -> str:
    return ", ".join(printable(short_name(item)) for item in list(types)[:_TYPES])


def _unproven_type(item_format: Format, envelope: Envelope) -> str:
    """The type that an attestation claims, without proof; empty if it claims none."""
    try:
        claim = item_format.claim(envelope)
    except ImagesigError:
        return stated_type(payload_of(envelope.message))
    return claim.predicate_type if isinstance(claim, StatementClaim) else ""
