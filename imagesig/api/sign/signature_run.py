"""The steps of signing, and one frozen type for each stage that an image passes: `sign` and `sign_many` run them.

    Plan      resolved; what is stored already was read             `plan`
    Drafted   the format has drafted what is new                    `draft_and_sign`
    Signed    the key has signed the drafts                         `draft_and_sign`
    Sealed    ready to store, with timestamps                       `seal`
    Attached  stored; other writers may still overwrite it          `attaching.attach`, then `attaching.settle`

Nothing is written before `attach`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace as changed

from imagesig.api.removing import Found
from imagesig.api.sign.prior_statements import PriorStatements, statement_about
from imagesig.api.sign.replacing import ReplacedSignatures, replaced_signatures
from imagesig.api.sign.signing_job import SigningJob
from imagesig.api.stored_signatures import stored_signatures
from imagesig.concurrency import for_each
from imagesig.crypto.algorithms import ToSign
from imagesig.deadlines import deadline, remaining
from imagesig.effort import one_image
from imagesig.errors import InvalidArgument, SignaturesUnsupported
from imagesig.formats import Format
from imagesig.images.image import Image
from imagesig.images.target import Target, targets_of
from imagesig.keys.provider import SigningKey
from imagesig.keys.rotation import sign_draft
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.reference import Reference, parse_reference
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    SignerInfo,
    StatementClaim,
    StoredSignature,
    Subject,
    TimestampRequest,
    is_attestation,
)
from imagesig.stores import STORES

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses


class PlannedSignature(Struct, frozen=True):
    """One signature to make, and the signatures of its manifest that are stored in its format."""

    image: Image
    target: Target
    format: Format
    claim: Claim
    stored: tuple[StoredSignature, ...]

    @property
    def name(self) -> str:
        noun = "attestation" if is_attestation(self.claim) else "signature"
        return f"{self.image}: {self.format.name} {noun} of {self.target.descriptor.digest}"


class Plan(Struct, frozen=True):
    """The signatures to make for one image. `missing` are manifests that its index lists and that are not there.

    `unread` says which entries of the index cannot be read, and `unstorable` why some signatures cannot be stored, as
    far as reading showed it.
    """

    image: Image
    identity: Reference | None
    signatures: tuple[PlannedSignature, ...]
    missing: tuple[Target, ...]
    replaced: ReplacedSignatures
    unread: tuple[str, ...] = ()
    unstorable: tuple[SignaturesUnsupported, ...] = ()


class Drafted(Struct, frozen=True):
    """A plan with a draft for each of its signatures, or where the key's signature is stored already."""

    plan: Plan
    signer: SignerInfo
    drafts: tuple[Draft | AlreadySigned, ...]

    @property
    def new(self) -> list[tuple[PlannedSignature, Draft]]:
        """The signatures that are not stored yet."""
        pairs = zip(self.plan.signatures, self.drafts, strict=True)
        return [(planned, draft) for planned, draft in pairs if isinstance(draft, Draft)]


class SignedDraft(Struct, frozen=True):
    """A draft with one signature of the key for each of its requests."""

    planned: PlannedSignature
    draft: Draft
    signatures: tuple[bytes, ...]


class Signed(Struct, frozen=True):
    """An image whose new signatures are made; in a dry run there are none."""

    drafted: Drafted
    made: tuple[SignedDraft, ...]


class Sealed(Struct, frozen=True):
    """An image whose new signatures are ready to be stored."""

    drafted: Drafted
    signatures: tuple[tuple[PlannedSignature, StoredSignature], ...]


def plan(image: Image, job: SigningJob) -> Plan:
    """Resolves the image and reads its stored signatures; nothing is written.

    Raises:
        SignaturesUnsupported: no signature can be stored, or one of them in no image of this form.
    """
    for item in job.formats:
        STORES[item.storage].check(image.signatures)
    with deadline(image.timeout):
        identity = signed_name(image, job.identity)
        targets = targets_of(image, recursive=job.recursive, resolve=True)
        planned: list[PlannedSignature] = []
        replaced = ReplacedSignatures(image, noun=job.noun)
        for target in targets.found:
            made, obsolete = _planned(image, target, identity, job)
            planned += made
            replaced = replaced.with_further(obsolete)
        remaining(image)  # what was late may have been taken for a signature of another key
    unstorable = _unstorable(image, job)
    if len(unstorable) == len(job.formats):
        raise unstorable[0]
    return Plan(image, identity, tuple(planned), targets.missing, replaced, targets.unread, unstorable)


def _unstorable(image: Image, job: SigningJob) -> tuple[SignaturesUnsupported, ...]:
    """Why signatures of some formats cannot be stored: reading a registry can show that."""
    found = []
    for item in job.formats:
        try:
            STORES[item.storage].check(image.signatures)
        except SignaturesUnsupported as error:
            found.append(error)
    return tuple(found)


def _planned(
    image: Image, target: Target, identity: Reference | None, job: SigningJob
) -> tuple[list[PlannedSignature], ReplacedSignatures]:
    """One signature of the manifest for each format, and what they replace."""
    claim = _claim(target.descriptor, identity, job)
    prior = PriorStatements(target, claim, job) if isinstance(claim, StatementClaim) else None
    with one_image():
        if prior is None:
            stored = stored_signatures(image, target.descriptor.digest, job.formats)
        else:
            stored = stored_signatures(image, target.descriptor.digest, job.formats, prior.keep)
    if stored.failed:
        raise stored.failed
    planned = [
        PlannedSignature(image, target, item, claim, tuple(found for found, reader in stored.found if reader is item))
        for item in job.formats
    ]
    if job.replaced_keys is None:
        return planned, ReplacedSignatures(image)
    if prior is not None:
        return planned, ReplacedSignatures(image, tuple(prior.obsolete), prior.kept, limited=stored.limited)
    old = [(Found(target, one, item.format), claim) for item in planned for one in item.stored]
    return planned, changed(replaced_signatures(image, old, job.replaced_keys, job.now), limited=stored.limited)


def _claim(descriptor: Descriptor, identity: Reference | None, job: SigningJob) -> Claim:
    if job.statement is not None:
        return statement_about(job.statement, descriptor, identity)
    subject = Subject(descriptor.digest, descriptor.media_type, descriptor.size, job.annotations)
    return Claim((subject,), str(identity or ""))


def draft_and_sign(plans: Sequence[Plan], key: SigningKey, job: SigningJob) -> list[Signed]:
    """Drafts everything, then has the key sign all drafts with one call; a dry run stops before that."""

    def drafted(signer: SignerInfo) -> list[Drafted]:
        return [Drafted(item, signer, _drafts(item, signer, job.now)) for item in plans]

    if job.dry_run:
        return [Signed(item, ()) for item in drafted(key.info)]
    made, _, values = sign_draft(key, drafted, _requests)
    signatures = iter(values)
    return [
        Signed(
            item,
            tuple(
                SignedDraft(planned, draft, tuple(next(signatures) for _ in draft.requests))
                for planned, draft in item.new
            ),
        )
        for item in made
    ]


def _requests(drafted: Sequence[Drafted]) -> list[ToSign]:
    return [request for item in drafted for _, draft in item.new for request in draft.requests]


def signed_once(signed: Sequence[Signed]) -> tuple[Signed, ...]:
    """The same images, with each signature once: a format without names says the same for two tags of a digest."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for item in signed:
        drafts, made = list[Draft | AlreadySigned](), list(item.made)
        for planned, draft in zip(item.drafted.plan.signatures, item.drafted.drafts, strict=True):
            if isinstance(draft, Draft):
                said = (planned.image.signatures.name, planned.target.descriptor.digest, draft.format, draft.requests)
                if said in seen:
                    made = [other for other in made if other.draft is not draft]
                    draft = AlreadySigned(draft.format, "the same signature for another tag")
                seen.add(said)
            drafts.append(draft)
        kept.append(Signed(changed(item.drafted, drafts=tuple(drafts)), tuple(made)))
    return tuple(kept)


def _drafts(item: Plan, signer: SignerInfo, now: datetime) -> tuple[Draft | AlreadySigned, ...]:
    return tuple(planned.format.draft(planned.claim, signer, now, planned.stored) for planned in item.signatures)


def seal(signed: Sequence[Signed], witnesses: Witnesses | None) -> list[Sealed]:
    """Completes every signature, with its timestamp where the draft wants one."""
    tokens = iter(_timestamps([made for item in signed for made in item.made], witnesses))

    def sealed(made: SignedDraft) -> StoredSignature:
        token = next(tokens) if made.draft.timestamp else b""
        return made.planned.format.seal(made.draft, made.signatures, token)

    return [Sealed(item.drafted, tuple((made.planned, sealed(made)) for made in item.made)) for item in signed]


def _timestamps(made: Sequence[SignedDraft], witnesses: Witnesses | None) -> list[bytes]:
    """A token over the first signature of each draft that wants one, in their order."""
    wanted = [
        (item.draft.timestamp, item.signatures[0], item.planned.image.timeout) for item in made if item.draft.timestamp
    ]
    if not wanted:
        return []
    if witnesses is None:
        from imagesig.witnesses import online

        witnesses = online()
    service = witnesses

    def fetch(item: tuple[TimestampRequest, bytes, float]) -> bytes:
        request, signature, seconds = item
        with deadline(seconds):
            # Judged by the clock and not by the time in the signature: the service answers now.
            return service.timestamp(request, signature, datetime.now(UTC))

    return for_each(wanted, fetch)


def signed_name(image: Image, text: str) -> Reference | None:
    """The name to sign: as given, else the image's repository and tag; None if it has neither."""
    if text:
        reference = parse_reference(text)
        if reference.digest:
            raise InvalidArgument(f"identity {text!r}: a repository or repository:tag is needed, without a digest")
        return reference
    return changed(image.name, digest="") if image.name else None
