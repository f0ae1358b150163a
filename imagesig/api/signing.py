"""`sign`: resolve, draft, sign, timestamp and seal, attach, in this order and each for all images before the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

from msgspec import Struct
from msgspec.structs import replace as changed

from imagesig.api.removing import RemovedSignature, anchors_of
from imagesig.api.replacing import Replacement
from imagesig.api.stored_signatures import ImageLike, open_or_pass, pinned_name, stored_signatures
from imagesig.concurrency import for_each
from imagesig.deadlines import deadline
from imagesig.effort import one_image
from imagesig.errors import AttachIncomplete, ImagesigError, InvalidArgument, KeyProviderError
from imagesig.formats import DEFAULT_FORMATS, Format, select_formats
from imagesig.images.image import Image
from imagesig.images.target import Target, targets_of
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key
from imagesig.logs import logger_named
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.reference import Reference, parse_reference
from imagesig.policy import KeyLike
from imagesig.signature import AlreadySigned, Claim, Draft, SignerInfo, StoredSignature, Subject
from imagesig.stores import STORES
from imagesig.stores.store import Settle
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses

logger = logger_named("imagesig")

_ROTATIONS = 3
"""How often a key may rotate between drafting and signing before signing gives up."""


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


@overload  # a str is a Sequence of str to the type checker, and one image to everybody else
def sign(  # type: ignore[overload-overlap]
    image: ImageLike,
    key: str | SigningKey,
    *,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    recursive: bool = True,
    dry_run: bool = False,
    replace: str | Sequence[KeyLike] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> SignedImage: ...


@overload
def sign(
    image: Sequence[ImageLike],
    key: str | SigningKey,
    *,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    recursive: bool = True,
    dry_run: bool = False,
    replace: str | Sequence[KeyLike] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> tuple[SignedImage, ...]: ...


def sign(
    image: ImageLike | Sequence[ImageLike],
    key: str | SigningKey,
    *,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    recursive: bool = True,
    dry_run: bool = False,
    replace: str | Sequence[KeyLike] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> SignedImage | tuple[SignedImage, ...]:
    """Signs one image, or several with one key, and stores the signatures beside them.

    Everything is drafted, and every refusal raised, before the first signature is made; attaching comes last. Signing
    again adds nothing: what this key already said of an image is recognised.

    After a key rotation, `replace` names the old key: once everything is signed, its signatures go that say just the
    same (digest, name, annotations; in these formats); others stay.

    Args:
        image: one image, or a sequence of them.
        key: an open `SigningKey`, or a file or key URI to open for this call.
        formats: names (`cosign`, `bundle`) or configured format objects.
        annotations: signed along, as text.
        identity: `repository` or `repository:tag` for the signed payload, instead of the image's own name.
        recursive: of an index, sign every child too. podman verifies children only.
        dry_run: stop before the first signature is made.
        replace: public keys (files, key URIs, PEM text, `PublicKey`) of old signers.
        now: the time to write into the signature; the clock's by default. With an offset from UTC.
        witnesses: how timestamp services and revocation servers are reached, for formats that want a timestamp.

    Raises:
        InvalidArgument: a reference, identity, annotation or format that cannot be.
        ImageNotFound, TransportError: an image could not be read; nothing was signed.
        KeyProviderError: the key could not be opened or did not sign; nothing was attached.
        TimestampInvalid, Revoked: the timestamp service gave none that a verifier would accept; nothing was attached.
        AttachIncomplete: some signatures were attached before one failed; signing again completes it.
        RemovalIncomplete: all is signed, and some signatures to be replaced are still there.
    """
    images = [image] if isinstance(image, str | Image) else list(image)
    opened = [open_or_pass(item) for item in images]
    if not opened:
        raise InvalidArgument("sign: no image was given")
    chosen = select_formats(formats)
    at = now or datetime.now(UTC)
    old = (replace,) if isinstance(replace, str) else tuple(replace)
    replacement = Replacement(anchors_of(old), at) if old else None
    request = _Request(chosen, _signable(annotations), identity, recursive, at, witnesses, replacement)
    if isinstance(key, str):
        with deadline(max(item.timeout for item in opened)):
            owned_key = open_key(key)
        with owned_key as opened_key:
            results = _sign_all(opened, opened_key, request, dry_run=dry_run)
    else:
        results = _sign_all(opened, key, request, dry_run=dry_run)
    return results[0] if isinstance(image, str | Image) else results


class _Request(Struct, frozen=True):
    """What is the same for all images of one `sign`."""

    formats: tuple[Format, ...]
    annotations: Annotations
    identity: str
    recursive: bool
    now: datetime
    witnesses: Witnesses | None
    replacement: Replacement | None = None


class _Work(Struct):
    """One signature to be: its target and format, what was stored before, the draft and what it became."""

    image: Image
    target: Target
    format: Format
    claim: Claim
    prior: tuple[StoredSignature, ...]
    draft: Draft | AlreadySigned | None = None
    signatures: tuple[bytes, ...] = ()
    sealed: StoredSignature | None = None

    @property
    def name(self) -> str:
        return f"{self.image}: {self.format.name} signature of {self.target.descriptor.digest}"


def _sign_all(images: Sequence[Image], key: SigningKey, request: _Request, *, dry_run: bool) -> tuple[SignedImage, ...]:
    if request.replacement:
        request.replacement.check_signer(key.info)
    planned = for_each(images, lambda image: _plan(image, request))
    works = [work for plan in planned for work in plan.works]
    if request.replacement:
        for work in works:
            request.replacement.find(work.image, work.target, work.format, work.claim, work.prior)
    signer = _draft_and_sign(works, key, request.now, dry_run=dry_run)
    if not dry_run:
        _seal(works, request.witnesses)
        _attach(works)
        if request.replacement:
            request.replacement.run()
    return tuple(
        _result(image, plan, signer, request, dry_run=dry_run) for image, plan in zip(images, planned, strict=True)
    )


class _Plan(Struct, frozen=True):
    """The signatures to make for one image, and what is listed in it but not there."""

    works: tuple[_Work, ...]
    missing: tuple[Target, ...]


def _plan(image: Image, request: _Request) -> _Plan:
    """Resolves the image and finds what has been said of it; nothing is written."""
    for item in request.formats:
        STORES[item.storage].check(image.signatures)
    with deadline(image.timeout):
        reference = str(_identity(image, request.identity) or "")
        works = []
        targets = targets_of(image, recursive=request.recursive, resolve=True)
        for target in targets.found:
            subject = Subject(
                target.descriptor.digest, target.descriptor.media_type, target.descriptor.size, request.annotations
            )
            with one_image():
                prior = stored_signatures(image, target.descriptor.digest, request.formats)
            if prior.failed:
                raise prior.failed
            for item in request.formats:
                found = tuple(stored for stored, wanted_by in prior.found if wanted_by is item)
                works.append(_Work(image, target, item, Claim((subject,), reference), found))
        return _Plan(tuple(works), targets.missing)


def _draft_and_sign(works: Sequence[_Work], key: SigningKey, now: datetime, *, dry_run: bool) -> SignerInfo:
    for _ in range(_ROTATIONS):
        signer = key.info
        for work in works:
            work.draft = work.format.draft(work.claim, signer, now, work.prior)
        drafts = [(work, work.draft) for work in works if isinstance(work.draft, Draft)]
        if dry_run:
            return signer
        signatures = iter(key.sign_batch([request for _, draft in drafts for request in draft.requests]))
        if key.info.key_id != signer.key_id:
            continue  # rotated meanwhile: what was drafted names the old version
        for work, draft in drafts:
            work.signatures = tuple(next(signatures) for _ in draft.requests)
        return signer
    raise KeyProviderError(f"{key.info.key_id}: rotated {_ROTATIONS} times while it was asked to sign")


def _seal(works: Sequence[_Work], witnesses: Witnesses | None) -> None:
    """Makes what is to be stored of every signature, with its timestamp where the draft wants one."""
    tokens = _timestamps([work for work in works if isinstance(work.draft, Draft) and work.draft.timestamp], witnesses)
    for work in works:
        if isinstance(work.draft, Draft):
            work.sealed = work.format.seal(work.draft, work.signatures, tokens.get(id(work), b""))


def _timestamps(works: Sequence[_Work], witnesses: Witnesses | None) -> dict[int, bytes]:
    """A token over the first signature of each, by the work's `id`."""
    if not works:
        return {}
    if witnesses is None:
        from imagesig.witnesses import online

        witnesses = online()
    asked = witnesses

    def fetch(work: _Work) -> bytes:
        assert isinstance(work.draft, Draft)
        assert work.draft.timestamp is not None
        with deadline(work.image.timeout):
            # Judged by the clock, whatever time was written into the signature: the service answers now.
            return asked.timestamp(work.draft.timestamp, work.signatures[0], datetime.now(UTC))

    return dict(zip(map(id, works), for_each(works, fetch), strict=True))


def _attach(works: Sequence[_Work]) -> None:
    """Stores every sealed signature, then makes sure that no other writer dropped one."""
    by_image: dict[int, list[_Work]] = {}
    for work in works:
        if work.sealed is not None:
            by_image.setdefault(id(work.image), []).append(work)
    attached: list[str] = []

    def settle(item: tuple[_Work, Settle]) -> None:
        work, confirm = item
        try:
            _settle(work, confirm)
        except ImagesigError:
            attached.remove(work.name)
            raise

    try:
        settles = for_each(list(by_image.values()), lambda group: _attach_image(group, attached))
        for_each([item for group in settles for item in group], settle)
    except ImagesigError as error:
        names = [work.name for group in by_image.values() for work in group]
        missing = [name for name in names if name not in attached]
        raise AttachIncomplete(
            f"{len(attached)} of {len(names)} signatures were attached, then: {error}",
            attached=attached,
            missing=missing,
            hint=error.hint or "sign the same images again: what is there stays, what is missing is added",
        ) from error


def _attach_image(works: Sequence[_Work], attached: list[str]) -> list[tuple[_Work, Settle]]:
    """Stores the sealed signatures of one image and adds their names to `attached`; each is still to be settled."""
    settles = []
    with deadline(works[0].image.timeout), works[0].image.signatures.transaction() as at_once:
        for work in works:
            assert work.sealed is not None
            store = STORES[work.format.storage]
            settles.append((work, store.attach(work.image.signatures, work.target.descriptor, work.sealed)))
            if not at_once:
                attached.append(work.name)
    if at_once:
        attached.extend(work.name for work in works)
    logger.info("signed %s", works[0].image, extra={"image_done": True})
    return settles


def _settle(work: _Work, confirm: Settle) -> None:
    with deadline(work.image.timeout):
        confirm()


def _result(image: Image, plan: _Plan, signer: SignerInfo, request: _Request, *, dry_run: bool) -> SignedImage:
    works = plan.works
    digest = works[0].target.descriptor.digest
    replacement = request.replacement
    identity = _identity(image, request.identity)
    made = tuple(
        MadeSignature(
            work.target.descriptor.digest,
            work.target.platform,
            work.format.name,
            "present" if isinstance(work.draft, AlreadySigned) else "planned" if dry_run else "attached",
        )
        for work in works
    )
    return SignedImage(
        str(image),
        digest,
        pinned_name(image, digest),
        str(identity or ""),
        signer.key_id,
        signer.public_key.fingerprint,
        made,
        (
            *_warnings(identity, request.formats),
            *(f"{item.platform} {item.descriptor.digest} is not there: not signed" for item in plan.missing),
            *(replacement.warnings(image) if replacement else ()),
        ),
        replacement.planned(image, dry_run=dry_run) if replacement else (),
    )


def _signable(annotations: Mapping[str, str]) -> Annotations:
    for name, value in annotations.items():
        if not _is_text(name) or not _is_text(value) or not name:
            raise InvalidArgument(f"annotation {quote(name)}={quote(value)}: a name and a value in Unicode are needed")
    return Annotations(annotations)


def _is_text(value: object) -> bool:
    """Lone surrogates, as the command line makes of bytes that are not UTF-8, would be signed as something else."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def _identity(image: Image, text: str) -> Reference | None:
    """The name to sign: as given, else the image's repository and tag, else none."""
    if text:
        reference = parse_reference(text)
        if reference.digest:
            raise InvalidArgument(f"identity {text!r}: a repository or repository:tag is needed, without a digest")
        return reference
    return changed(image.name, digest="") if image.name else None


def _warnings(identity: Reference | None, formats: Sequence[Format]) -> tuple[str, ...]:
    if not any(item.name == "cosign" for item in formats):
        return ("podman, CRI-O and skopeo read classic signatures only: they will find none",)
    if identity is None:
        return (
            "the signature names no repository: podman will refuse it, and so will imagesig once the image is in a "
            "registry; sign with the identity REPOSITORY:TAG",
        )
    if not identity.tag:
        return (
            "the signature names no tag: podman's default policy will refuse the image; sign with the identity "
            "REPOSITORY:TAG",
        )
    return ()
