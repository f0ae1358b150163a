"""`sign`: plan, draft, sign, seal, attach and settle; each step is done for all images before the next one starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, overload

from imagesig.api.sign.attaching import Attached, AttachRecord, attach, settle
from imagesig.api.sign.replacing import check_signer
from imagesig.api.sign.signature_run import Drafted, Sealed, draft_and_sign, plan, seal
from imagesig.api.sign.signed_image import SignedImage, signed_image
from imagesig.api.sign.signing_job import SigningJob, signing_job
from imagesig.api.stored_signatures import ImageLike, images_of
from imagesig.arguments import checks_arguments
from imagesig.concurrency import for_each
from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import given
from imagesig.formats import DEFAULT_FORMATS, Format
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key
from imagesig.naming import PathLike
from imagesig.oci.annotations import NO_ANNOTATIONS
from imagesig.policy import KeyLike

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.options import SignOptions
    from imagesig.witnesses import Witnesses

Progress = Callable[[Image], None]
"""Called with each image once its signatures are attached: from a worker thread, never twice at the same time."""


@overload  # to a type checker, a str is a sequence of str too
def sign(  # type: ignore[overload-overlap]
    image: ImageLike,
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> SignedImage: ...


@overload
def sign(
    image: Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> tuple[SignedImage, ...]: ...


@checks_arguments
def sign(
    image: ImageLike | Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    recursive: bool = True,
    dry_run: bool = False,
    replace: KeyLike | Sequence[KeyLike] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> SignedImage | tuple[SignedImage, ...]:
    """Signs one image, or several with one key, and stores the signatures beside them.

    Everything is drafted, and every refusal raised, before the first signature is made; attaching comes last. Signing
    again adds nothing: a signature of this key with the same claim is recognised.

    After a key rotation, `replace` names the old key. Once everything is signed, those of its signatures are removed
    that have the same claim (digest, name, annotations) and format as a new one; others stay.

    Args:
        image: one image, or a sequence of them; nothing is signed unless all of them can be.
        key: an open `SigningKey`, or a file or key URI to open for this call.
        formats: names (`cosign`, `bundle`) or configured format objects.
        annotations: text to include in the signature.
        identity: `repository` or `repository:tag` for the signed payload, instead of the image's own name.
        recursive: sign every image that an index lists too. podman verifies only those.
        dry_run: stop before the first signature is made.
        replace: public keys (files, key URIs, PEM text, `PublicKey`) of old signers.
        now: the time to write into the signature, with an offset from UTC; the clock's by default.
        witnesses: how timestamp services and revocation servers are reached, for formats that want a timestamp.
        transport: how images given by name are reached: settings, or a client with open connections.
        timeout: seconds for each image, in place of those of the transport or image.
        progress: called with each image once its signatures are attached, one call at a time. If it fails,
            `AttachIncomplete` says what is attached.

    Raises:
        InvalidArgument: a reference, identity, annotation or format is not valid.
        ImageNotFound, TransportError: an image could not be read; nothing was signed.
        KeyProviderError: the key could not be opened or did not sign; nothing was attached.
        TimestampInvalid, Revoked: the timestamp service gave none that a verifier would accept; nothing was attached.
        SignaturesUnsupported: the image's home can store none of them; nothing was signed.
        AttachIncomplete: some signatures were attached, and the error says why others were not.
        RemovalIncomplete: all is signed, and some signatures to be replaced are still there.
    """
    images = [image] if isinstance(image, str | Image) else list(images_of(image, "sign"))
    opener = ImageOpener(transport, timeout)
    opened = [opener.open(item) for item in images]
    if not opened:
        raise InvalidArgument("sign: no image was given")
    job = signing_job(
        formats=formats,
        annotations=annotations,
        identity=identity,
        recursive=recursive,
        dry_run=dry_run,
        replace=replace,
        now=now,
        witnesses=witnesses,
    )
    with deadline(max(item.timeout for item in opened)):
        open_or_given = nullcontext(key) if isinstance(key, SigningKey) else open_key(key)
    with open_or_given as signing_key:
        if job.replaced_keys is not None:
            check_signer(job.replaced_keys, signing_key.info)
        drafted = sign_all(opened, signing_key, job, progress)
    results = tuple(signed_image(item, job) for item in drafted)
    return results[0] if isinstance(image, str | Image) else results


def sign_all(
    images: Sequence[Image], key: SigningKey, job: SigningJob, progress: Progress | None
) -> tuple[Drafted, ...]:
    """Signs, or attests, all images or none; each with its drafts. Raises as `sign` does."""
    plans = for_each(images, lambda image: plan(image, job))
    signed = draft_and_sign(plans, key, job)
    if not job.dry_run:
        attach_and_settle(seal(signed, job.witnesses), progress)
        for item in plans:
            item.replaced.remove()
    return tuple(item.drafted for item in signed)


def attach_and_settle(sealed: Sequence[Sealed], progress: Progress | None = None) -> None:
    """Stores the new signatures. Raises `AttachIncomplete` with what was attached until then."""
    record, one_at_a_time = AttachRecord(item.drafted for item in sealed), Lock()

    def attach_one(item: Sealed) -> Attached:
        attached = attach(item, record)
        if progress is not None:
            with one_at_a_time, given("progress", InvalidArgument):
                progress(item.drafted.plan.image)
        return attached

    try:
        attached = for_each(sealed, attach_one)
        for_each([item for image in attached for item in image.unsettled], lambda item: settle(item, record))
        record.check()
    except ImagesigError as error:
        incomplete = record.incomplete(error)
        if incomplete is error:
            raise
        raise incomplete from error
