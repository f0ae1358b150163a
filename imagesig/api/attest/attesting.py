"""`attest`: signs statements about images. The steps are those of `sign`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from imagesig.api.attest.attesting_job import (
    DEFAULT_ATTESTATION_FORMATS,
    StatementVersion,
    attesting_job,
    replacing_own,
)
from imagesig.api.sign.signed_image import AttestedImage, attested_image
from imagesig.api.sign.signing import Progress, sign_all
from imagesig.api.stored_signatures import ImageLike, images_of
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument
from imagesig.formats import Format
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key
from imagesig.naming import PathLike

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.options import AttestOptions


@overload  # to a type checker, a str is a sequence of str too
def attest(  # type: ignore[overload-overlap]
    image: ImageLike,
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[AttestOptions],
) -> AttestedImage: ...


@overload
def attest(
    image: Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[AttestOptions],
) -> tuple[AttestedImage, ...]: ...


@checks_arguments
def attest(
    image: ImageLike | Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    predicate_type: str = "",
    predicate: bytes | Mapping[str, Any] | None = None,
    statement: bytes = b"",
    statement_version: StatementVersion = "v1",
    formats: Iterable[str | Format] = DEFAULT_ATTESTATION_FORMATS,
    recursive: bool = False,
    dry_run: bool = False,
    replace: bool = False,
    now: datetime | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> AttestedImage | tuple[AttestedImage, ...]:
    """Signs a statement about one image, or about each of several, and stores it beside them.

    The bytes of the predicate are signed as they are. Attesting again adds nothing: imagesig recognizes a
    statement of this key with the same subject, type and predicate. An attestation is never a signature of the image.

    Args:
        image: one image, or a sequence of them; nothing is signed unless all of them can be.
        key: an open `SigningKey`, or a file or key URI to open for this call.
        predicate_type: a name such as `slsaprovenance1`, `spdxjson`, `cyclonedx`, `vuln`, `openvex` or `custom`, or the
            URI of any other type.
        predicate: a JSON object as text in UTF-8, or as a mapping. The members that its type needs are checked.
        statement: a whole in-toto statement to sign as it is, in place of a predicate. It must name the image's digest.
        statement_version: the in-toto version of the statement that is written, `v1` or `v0.1`.
        formats: names (`cosign`, `bundle`) or configured format objects.
        recursive: also attest every image that an index lists.
        dry_run: stop before the first signature is made.
        replace: afterwards, remove older attestations of the same image by the same key, with the same type and in the
            same format.
        now: the time to write into the annotations of a bundle; the clock's by default.
        transport, timeout, progress: as of `sign`.

    Raises:
        InvalidArgument: a reference, format, type, predicate or statement is not valid.
        ImageNotFound, TransportError: an image could not be read; nothing was signed.
        KeyProviderError: the key could not be opened or did not sign; nothing was attached.
        SignaturesUnsupported: the place of the image cannot store attestations; nothing was signed.
        AttachIncomplete: some attestations were attached, and the error says why others were not.
        RemovalIncomplete: all attestations were attached, but some of those to be replaced are still there.
    """
    images = [image] if isinstance(image, str | Image) else list(images_of(image, "attest"))
    opener = ImageOpener(transport, timeout)
    opened = [opener.open(item) for item in images]
    if not opened:
        raise InvalidArgument("attest: no image was given")
    job = attesting_job(
        predicate_type=predicate_type,
        predicate=predicate,
        statement=statement,
        statement_version=statement_version,
        formats=formats,
        recursive=recursive,
        dry_run=dry_run,
        now=now,
    )
    with deadline(max(item.timeout for item in opened)):
        open_or_given = nullcontext(key) if isinstance(key, SigningKey) else open_key(key)
    with open_or_given as signing_key:
        job = replacing_own(job, signing_key) if replace else job
        drafted = sign_all(opened, signing_key, job, progress)
    results = tuple(attested_image(item, job) for item in drafted)
    return results[0] if isinstance(image, str | Image) else results
