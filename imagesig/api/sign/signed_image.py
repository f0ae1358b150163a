"""What `sign`, `attest` and their twins for many images return for an image."""

from __future__ import annotations

from msgspec import Struct

from imagesig.api.outcome import document_of
from imagesig.api.removing import RemovedSignature
from imagesig.api.sign.signature_run import Drafted
from imagesig.api.sign.signing_job import SigningJob
from imagesig.api.stored_signatures import pinned_name
from imagesig.oci.reference import Reference
from imagesig.signature import AlreadySigned


class MadeSignature(Struct, frozen=True):
    """One signature of a signed image; `state` is `attached`, `present` (it was there) or `planned` (dry run)."""

    digest: str
    platform: str
    format: str
    state: str


class SignedImage(Struct, frozen=True):
    """What `sign` did for one image.

    `pinned` is `repository@digest`; `identity` is the name in the signed payload; `removed` is what was replaced.
    """

    image: str
    digest: str
    pinned: str
    identity: str
    key_id: str
    public_key: str
    signatures: tuple[MadeSignature, ...]
    warnings: tuple[str, ...] = ()
    removed: tuple[RemovedSignature, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return document_of(self)


class AttestedImage(Struct, frozen=True):
    """What `attest` did for one image.

    `pinned` is `repository@digest`; `predicate_type` is a URI; `removed` is what was replaced.
    """

    image: str
    digest: str
    pinned: str
    predicate_type: str
    key_id: str
    public_key: str
    attestations: tuple[MadeSignature, ...]
    warnings: tuple[str, ...] = ()
    removed: tuple[RemovedSignature, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return document_of(self)


def attested_image(drafted: Drafted, job: SigningJob) -> AttestedImage:
    """The result for an image whose new attestations are attached or, in a dry run, drafted."""
    signed = signed_image(drafted, job)
    assert job.statement is not None
    return AttestedImage(
        signed.image,
        signed.digest,
        signed.pinned,
        job.statement.predicate_type,
        signed.key_id,
        signed.public_key,
        signed.signatures,
        signed.warnings,
        signed.removed,
    )


def signed_image(drafted: Drafted, job: SigningJob) -> SignedImage:
    """The result for an image whose new signatures are attached or, in a dry run, drafted."""
    plan, signer = drafted.plan, drafted.signer
    digest = plan.signatures[0].target.descriptor.digest
    new = "planned" if job.dry_run else "attached"
    made = tuple(
        MadeSignature(
            planned.target.descriptor.digest,
            planned.target.platform,
            planned.format.name,
            "present" if isinstance(draft, AlreadySigned) else new,
        )
        for planned, draft in zip(plan.signatures, drafted.drafts, strict=True)
    )
    done = "signed" if job.statement is None else "attested"
    warnings = (
        *_warnings(plan.identity, job),
        *(f"{item.platform} {item.descriptor.digest} is not there: not {done}" for item in plan.missing),
        *(f"{entry}: not {done}" for entry in plan.unread),
        *map(str, plan.unstorable),
        *plan.replaced.warnings,
    )
    return SignedImage(
        str(plan.image),
        digest,
        pinned_name(plan.image, digest),
        str(plan.identity or ""),
        signer.key_id,
        signer.public_key.fingerprint,
        made,
        warnings,
        plan.replaced.removed(dry_run=job.dry_run),
    )


def _warnings(identity: Reference | None, job: SigningJob) -> tuple[str, ...]:
    classic = job.statement is None and any(item.name == "cosign" for item in job.formats)
    return identity_warnings(identity, job.chosen) if classic else ()


def identity_warnings(identity: Reference | None, chosen: bool) -> tuple[str, ...]:
    """What the name in a classic signature means for its readers; podman only if the caller chose no format."""
    if identity is None:
        podman = "" if chosen else "podman will refuse it, and so will "
        return (
            f"the signature names no repository: {podman}imagesig {'will refuse it ' if chosen else ''}once the "
            "image is in a registry; sign with the identity REPOSITORY:TAG",
        )
    if not identity.tag and not chosen:
        return (
            "the signature names no tag: podman's default policy will refuse the image; sign with the identity "
            "REPOSITORY:TAG",
        )
    return ()
