"""The evidence for one manifest: its signatures are found, examined, checked for revocation and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.api.stored_signatures import Stored, resolve, stored_signatures
from imagesig.api.verify.subjects import Manifest
from imagesig.effort import one_image
from imagesig.errors import (
    BudgetExceeded,
    ImageNotFound,
    ImagesigError,
    NoSignatures,
    Rejection,
)
from imagesig.format_names import FormatName, families, format_names
from imagesig.formats import ALL_FORMATS, reader_of, select_formats
from imagesig.images.image import Image
from imagesig.policy import Rule, Signed
from imagesig.policy.judge import judge, judge_rule
from imagesig.policy.requirement import formats_of
from imagesig.policy.verdict import NOT_JUDGED, RuleVerdict, Verdict
from imagesig.signature import Examined, Subject

if TYPE_CHECKING:
    from imagesig.api.verify.naming import Named, Statement
    from imagesig.api.verify.revoking import Answers
    from imagesig.api.verify.statements import StoredStatements
    from imagesig.oci.reference import Reference
    from imagesig.policy.attested import Attested
    from imagesig.witnesses import RevocationChecker, Witnesses


class Evaluation(Struct, frozen=True, dict=True):
    """One rule for one image, at the time `now`. `witnesses` are `online()` if they are None.

    `named` is what the trust servers of the rule say; None if it has none.
    """

    image: Image
    rule: Rule
    now: datetime
    witnesses: Witnesses | None = None
    named: Named | None = None

    def judge(self, manifest: Manifest) -> RuleVerdict:
        """The rule's verdict for one manifest of the image. Raises as `judge_rule` does."""
        with one_image():
            return judge_rule(self.rule, StoredEvidence(self, manifest), str(self.image))

    @cached_property
    def revocation(self) -> RevocationChecker:
        if self.witnesses is not None:
            return self.witnesses.revocation
        from imagesig.witnesses import online

        return online().revocation


class StoredEvidence(Struct, dict=True):
    """The signatures stored for one manifest. See `policy.judge.Evidence`."""

    evaluation: Evaluation
    manifest: Manifest
    _others: set[str] = field(default_factory=set)
    """Origins of artefacts with a signature's media type that are not signatures: attestations."""

    def signatures(self, requirement: Signed) -> Verdict:
        """The verdict of a requirement that holds.

        Raises:
            NoSignatures, NoSignatureAccepted: it does not hold.
            TransportError: it does not hold, and a place with signatures did not answer, or not completely.
            LimitExceeded: it does not hold, and the image has more signatures than the limits allow.
        """
        for statement in self._statements(requirement):
            if failure := statement.failure(self.evaluation.image):
                raise failure
        verdict = self._verdict(requirement)
        if verdict.failure:
            stored = self._stored
            # Some signatures could not be read, and the others are not sufficient: unreachable, not unsigned.
            for unread in (stored.failed, stored.limited):
                if unread:
                    raise unread from verdict.failure
            named = any(item.examined for item in self._statements(requirement))
            if not named and not stored.rejections and len(self._others) == len(stored.found):
                raise self._unsigned(requirement)
            raise verdict.failure
        return verdict

    def attestations(self, requirement: Attested) -> Verdict:
        """The verdict of a requirement that holds. Raises as `StoredStatements.verdict` does, and `ImageNotFound`."""
        try:
            return self._attested.verdict(requirement)
        except NoSignatures as error:
            raise self._missing() or error from None

    @cached_property
    def _attested(self) -> StoredStatements:
        # speed: most rules need no attestation (benchmarks/test_start.py)
        from imagesig.api.verify.statements import StoredStatements

        return StoredStatements(self.evaluation, self.manifest)

    @cached_property
    def _formats(self) -> tuple[FormatName, ...]:
        # speed: names, because a format is loaded only for an artefact that it reads (benchmarks/test_start.py)
        wanted = families(formats_of(self.evaluation.rule.signed)) or ALL_FORMATS
        return format_names(name for name in ALL_FORMATS if name in wanted)

    @cached_property
    def _stored(self) -> Stored:
        if not any(item.anchors.keys or item.anchors.authorities for item in self.evaluation.rule.signed):
            return Stored()  # trust servers alone decide
        return stored_signatures(self.evaluation.image, self.manifest.digest, self._formats)

    def _statements(self, requirement: Signed) -> tuple[Statement, ...]:
        """What the trust servers of the requirement say."""
        named = self.evaluation.named
        return named.of(requirement.anchors.content_trust) if named is not None else ()

    def _verdict(self, requirement: Signed) -> Verdict:
        evaluation = self.evaluation
        examined, rejections = self._examine(requirement)
        subject, name = self._subject(examined), evaluation.image.name
        revocation = lambda: evaluation.revocation  # noqa: E731 - a property that loads what it needs
        return verdict_of(
            examined, rejections, requirement, subject, name, evaluation.image, revocation, evaluation.now
        )

    def _examine(self, requirement: Signed) -> tuple[list[Examined], list[Rejection]]:
        """The signatures in the formats that the requirement accepts, and the reasons why others are rejected."""
        anchors, stored = requirement.anchors, self._stored
        accepted = select_formats(requirement.formats) if requirement.formats else ()
        examined: list[Examined] = []
        rejections = list(stored.rejections)
        for statement in self._statements(requirement):
            if statement.examined is not None:
                examined.append(statement.examined)
            if statement.rejection is not None:
                rejections.append(statement.rejection)
        for item, found_as in stored.found:
            # Each requirement has its own readers: one for JWS only does not read what another one reads as COSE.
            item_format = reader_of(item, accepted) if accepted else found_as
            if item_format is None:
                continue
            try:
                envelope = item_format.parse(item)
                if item_format.recognizes(envelope):
                    examined.append(item_format.authenticate(envelope, anchors, self.evaluation.now))
                else:
                    self._others.add(item.origin)
            except NOT_JUDGED:
                raise
            except ImagesigError as error:
                if isinstance(error, BudgetExceeded):
                    stored.limited = stored.limited or error
                rejections.append(Rejection(item.origin, error))
        return examined, rejections

    def _subject(self, examined: Sequence[Examined]) -> Subject:
        """The manifest as a subject, with media type and size if a signature states them; may cost one request."""
        digest, found = self.manifest.digest, self.manifest.descriptor
        claimed = [subject for signature in examined for subject in signature.claim.subjects]
        if not any(subject.media_type or subject.size >= 0 for subject in claimed):
            return Subject(digest)
        if found is None:
            found = resolve(self.evaluation.image, digest)
            self.manifest = replace(self.manifest, descriptor=found)
        return Subject(digest, found.media_type, found.size)

    def _missing(self) -> ImageNotFound | None:
        """The error of an image that does not exist: one request, or two."""
        image, digest = self.evaluation.image, self.manifest.digest
        if image.home.has(digest):
            return None
        try:
            resolve(image, digest)  # some registries answer every HEAD with 404
        except ImageNotFound:
            return ImageNotFound(f"{image}: there is no image {digest}", hint="check the reference")
        return None

    def _unsigned(self, requirement: Signed) -> ImagesigError:
        """`NoSignatures`, or `ImageNotFound`."""
        if missing := self._missing():
            return missing
        image, digest = self.evaluation.image, self.manifest.digest
        names, count = ", ".join(item.name for item in self._formats), len(self._others)
        others = f"; it has {count} attestation{'' if count == 1 else 's'}" if count else ""
        others += "".join(f"; {item.rejection}" for item in self._statements(requirement) if item.rejection)
        return NoSignatures(
            f"{image}: {digest} has no signature (looked for: {names} in {image.signatures.name}){others}",
            subject=digest,
            hint="sign it, or name its repository of signatures: --signature-repository, or signature_repository=",
        )


def verdict_of(
    examined: Sequence[Examined],
    rejections: Sequence[Rejection],
    requirement: Signed,
    subject: Subject,
    name: Reference | None,
    what: object,
    revocation: Callable[[], RevocationChecker],
    now: datetime,
) -> Verdict:
    """The verdict of a requirement, after the revocation checks of signers that its authorities certified.

    Arguments are as of `judge`, where `what` names the image or blob in errors.
    """
    known: Answers = {}

    def judged(signatures: Sequence[Examined]) -> Verdict:
        if any(item.chain for signature in signatures for item in signature.by_all):
            # speed: keys have nothing to revoke (benchmarks/test_start.py)
            from imagesig.api.verify.revoking import with_revocation

            signatures = with_revocation(signatures, requirement, revocation(), now, known)
        return judge(subject, name, requirement, signatures, rejections, what)

    several = any(item.by_others for item in examined)
    verdict = judged([replace(item, by_others=()) for item in examined] if several else examined)
    # Further authorities that certified a signer are used only if needed: they may have revocation servers to ask.
    return judged(examined) if several and not verdict.verified else verdict
