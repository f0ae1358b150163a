"""`copy`: resolve, collect, admit, send blobs, store manifests, attach, and move the tag last."""

from __future__ import annotations

import platform as machine
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.copy_writer import CopiedManifest, CopyWriter, copied_manifest
from imagesig.api.outcome import document_of
from imagesig.api.stored_signatures import ImageLike, pinned_name, resolve
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline
from imagesig.errors import ImageNotFound, InvalidArgument, SignaturesUnsupported
from imagesig.images.closure import LeftOut, closure_of
from imagesig.images.directory.signature_file import is_file_only
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike, check_destination
from imagesig.images.piece import Piece
from imagesig.images.target import check_platform, child_for_platform
from imagesig.images.transfer import BlobCount
from imagesig.logs import Logger
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.oci.manifest import INDEX_TYPES
from imagesig.oci.reference import parse_reference
from imagesig.text import quote

logger = Logger("imagesig")

Admit = Callable[[Image], object]
"""Called with the image, pinned by digest, before anything is written. An exception or a false value ends the copy."""

_DEFAULT_TAG = "latest"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "armv7l": "arm"}


class CopiedImage(Struct, frozen=True):
    """What `copy` did. `pinned` is the name of the image at the destination; `tag` is its tag there."""

    source: str
    destination: str
    digest: str
    pinned: str
    tag: str
    platform: str
    manifests: tuple[CopiedManifest, ...]
    blobs: BlobCount
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return document_of(self)


@checks_arguments
def copy(
    source: ImageLike,
    destination: ImageLike,
    *,
    all_platforms: bool = False,
    platform: str = "",
    signatures: bool = True,
    admit: Admit | None = None,
    timeout: float | None = None,
    transport: TransportLike | None = None,
    source_transport: TransportLike | None = None,
    destination_transport: TransportLike | None = None,
    progress: Callable[[BlobCount], None] | None = None,
) -> CopiedImage:
    """Copies an image with all its signatures and referrers between registries, layouts and archives.

    Existing content is not sent again: run an interrupted copy again to resume it. Signatures that the destination
    already has stay. The tag is moved last: it names the complete image, or what it named before.

    What is missing at the source, or has no digest to copy it by, is `left out`, with a warning.

    Args:
        source: the image to copy.
        destination: a layout or archive is created if it does not exist. Without a tag, it gets the source's.
        all_platforms: copy the whole index; otherwise one platform, under its own digest.
        platform: the platform to copy, as of `verify`; Linux on this machine's CPU by default. The image's config
        decides whether it is for that platform.
        signatures: copy signatures and all other referrers too.
        admit: called with the image before anything is written. What it raises ends the copy, and is raised as it is. A
        false value that it returns, except None, ends the copy too. It is a plain function, also for `imagesig.aio`.
        timeout: seconds for the whole copy; without it, only each request is bounded.
        transport: how images given by name are reached; its `signature_repository` is that of the source.
        source_transport, destination_transport: the same for one side.
        progress: called with the count of blobs after each one, from a worker thread, one call at a time.

    Raises:
        InvalidArgument: an option is wrong, `progress` failed, or `admit` returned a false value.
        ImageNotFound: the image or its platform does not exist.
        SignaturesUnsupported: the destination cannot store some of the signatures; nothing was written.
        DigestMismatch: the source has other bytes than its manifests say.
        TransportError: something could not be read or written; copy again to resume.
    """
    if all_platforms and platform:
        raise InvalidArgument("copy: all_platforms cannot be combined with platform")
    if not isinstance(destination, Image):
        check_destination(destination)
    with ExitStack() as stack:
        if timeout is not None:
            stack.enter_context(deadline(timeout))
        from_opener = ImageOpener(transport if source_transport is None else source_transport)
        to_opener = (
            from_opener
            if source_transport is destination_transport is None
            else ImageOpener(transport if destination_transport is None else destination_transport)
        )
        opened = from_opener.open_source(source)
        plan = _plan(opened, all_platforms=all_platforms, platform=platform, signatures=signatures)
        if admit is not None:
            _ask(admit, replace(opened, target=plan.root.digest))
        target = to_opener.open_destination(destination, signatures_beside=destination_transport is None)
        tag = _tag(target, opened, plan.root)
        _check_place(plan, target)
        writer = CopyWriter(opened, target, progress, plan.left_out)
        # Both begin before the first write and end after the last one, when an archive appears under its name.
        stack.enter_context(target.home.transaction(resume=True))
        if target.signatures is not target.home:
            stack.enter_context(target.signatures.transaction(resume=True))
        copied = writer.run(plan.pieces, tag) + tuple(copied_manifest(item.piece, "left out") for item in plan.left_out)
    logger.info("copied %s", opened)
    digest = plan.root.digest
    there = str(replace(target, target=tag or digest))
    pinned = pinned_name(target, digest)
    return CopiedImage(
        str(opened), there, digest, pinned, tag, plan.platform, copied, writer.blobs, (*plan.warnings, *writer.warnings)
    )


def _ask(admit: Admit, image: Image) -> None:
    """Returns if the program admits the image. Raises `InvalidArgument` if `admit` says no without an exception."""
    answer = admit(image)
    if isinstance(answer, Awaitable):
        if isinstance(answer, Coroutine):
            answer.close()  # it would be reported as never awaited
        raise InvalidArgument(
            "copy: admit is an async function, whose answer is not awaited",
            hint="give a plain function, such as one that calls imagesig.verify",
        )
    if answer is not None and not answer:
        raise InvalidArgument(
            f"copy: admit returned {quote(answer)} for {image}: nothing is copied",
            hint="raise an exception that says why",
        )


class _Plan(Struct, frozen=True):
    """Everything to copy; a piece comes after the pieces that it refers to."""

    root: Descriptor
    platform: str
    pieces: tuple[Piece, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...] = ()


def _plan(image: Image, *, all_platforms: bool, platform: str, signatures: bool) -> _Plan:
    top = resolve(image)
    root, chosen, warnings = top, "", []
    if platform or (top.media_type in INDEX_TYPES and not all_platforms):
        chosen = platform or _this_platform()
        root = _child(image, top, chosen, asked=bool(platform))
        if root.digest != top.digest:
            warnings.append(
                f"only {chosen} was copied, under its own digest; signatures of the index are not copied "
                "(--all-platforms copies the whole index)"
            )
    closure = closure_of(image, root, attached=signatures)
    warnings += [str(item) for item in closure.left_out]
    return _Plan(root, chosen, closure.pieces, closure.left_out, (*warnings, *closure.warnings))


def _child(image: Image, top: Descriptor, platform: str, *, asked: bool) -> Descriptor:
    try:
        choice = child_for_platform(image, top, platform)
        # Even if the index is signed: it is not copied, and the copy is verified by its own digest.
        check_platform(image, choice)
    except ImageNotFound as error:
        hint = error.hint or "choose one with --platform, or copy --all-platforms"
        raise ImageNotFound(str(error), hint="" if asked else hint) from error
    return choice.descriptor


def _this_platform() -> str:
    return f"linux/{_ARCHITECTURES.get(machine.machine().lower(), machine.machine().lower())}"


def _tag(target: Image, source: Image, root: Descriptor) -> str:
    """The tag to move at the end; empty if the destination is named by digest."""
    if is_digest(target.target):
        if target.target != root.digest:
            raise InvalidArgument(
                f"{target}: the image to copy has another digest, {root.digest}; name the destination by tag"
            )
        return ""
    if target.target:
        return target.target
    return _tag_of_source(source) or _DEFAULT_TAG


def _tag_of_source(source: Image) -> str:
    if source.name:
        return source.name.tag
    if is_digest(source.target):
        return source.home.tag_for(source.target)
    if ":" not in source.target and "/" not in source.target:
        return source.target
    try:
        # podman and `docker save` name images by full references.
        return parse_reference(source.target).tag
    except InvalidArgument:
        return ""  # skopeo writes any name


def _check_place(plan: _Plan, target: Image) -> None:
    """Raises `SignaturesUnsupported` if the target cannot store one of the pieces."""
    if any(piece.kind == "tagged" for piece in plan.pieces):
        target.signatures.check_holds(referrers=False)
    if any(piece.kind == "referrer" or (piece.tag and not piece.tag.endswith(".sig")) for piece in plan.pieces):
        target.signatures.check_holds(referrers=True)
    if target.signatures.stores_signature_files:
        return
    for piece in plan.pieces:
        if piece.kind == "tagged" and any(is_file_only(blob.media_type) for blob in piece.blobs):
            raise SignaturesUnsupported(
                f"{target.signatures.name}: signature files with OpenPGP messages cannot be stored there",
                hint="copy without signatures: --no-signatures, or signatures=False",
            )
