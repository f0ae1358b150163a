"""Opening images, and finding their stored signatures: shared by signing, verifying and inspecting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.errors import (
    BudgetExceeded,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
    Rejection,
    SignatureRejected,
    TransportError,
)
from imagesig.format_names import FormatName
from imagesig.formats import Format, reader_of
from imagesig.images.image import Image
from imagesig.oci.descriptor import Descriptor
from imagesig.signature import Envelope, StoredSignature
from imagesig.stores import STORES
from imagesig.stores.store import Limited, Unread
from imagesig.text import quote

ImageLike = str | Image
"""A reference, a local image such as `oci-archive:FILE`, or an `Image` made by `registry()` or `layout()`."""


class Stored(Struct):
    """The signatures stored for one digest, as far as they could be read, each with the format that reads it.

    `failed` is the first failure of a store, or of fetching a signature. While it is set, nobody may call the image
    unsigned or its signatures too few. Signatures that could not be fetched are in `rejections` too. `limited` is the
    same for what was not read because the image exceeds a limit.
    """

    found: list[tuple[StoredSignature, Format]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    failed: TransportError | None = None
    limited: LimitExceeded | None = None


Keep = Callable[[StoredSignature, Format], StoredSignature | None]
"""What to keep of a stored signature, as it is read; None for nothing. Attestations are too large to keep them all."""


def _all(stored: StoredSignature, _reader: Format) -> StoredSignature:
    return stored


def stored_signatures(image: Image, digest: str, formats: Sequence[Format | FormatName], keep: Keep = _all) -> Stored:
    """The signatures stored for a digest. Each store is asked once, for all formats that it stores."""
    result = Stored()
    for item, reader in each_stored(image, digest, formats, result):
        if kept := keep(item, reader):
            result.found.append((kept, reader))
    return result


def each_stored(
    image: Image, digest: str, formats: Sequence[Format | FormatName], result: Stored
) -> Iterator[tuple[StoredSignature, Format]]:
    """The artefacts stored for a digest, one after the other. All that cannot be read is added to `result`."""
    for storage in dict.fromkeys(item.storage for item in formats):
        readers = [item for item in formats if item.storage is storage]

        def wanted(media_type: str, readers: Sequence[Format | FormatName] = readers) -> bool:
            return any(item.reads(media_type) for item in readers)

        try:
            for item in STORES[storage].find(image.signatures, digest, wanted):
                if isinstance(item, Unread):
                    result.failed = result.failed or item.error
                    item = Rejection(item.origin, item.error)
                if isinstance(item, Limited):
                    result.limited = result.limited or item.error
                    item = Rejection(item.origin, item.error)
                if isinstance(item, Rejection):
                    result.rejections.append(item)
                # Anything with the media type of a signature is a signature: a broken one, if it cannot be read.
                elif reader := reader_of(item, readers):
                    held = [item]
                    del item  # memory: an attestation is dropped once it is parsed
                    yield held.pop(), reader
        except TransportError as error:
            result.failed = result.failed or error


def each_envelope(
    image: Image, digest: str, formats: Sequence[Format | FormatName], result: Stored
) -> Iterator[tuple[Envelope, Format]]:
    """The same, each one split and without its stored text. An artefact that its format does not recognize is skipped.

    One that breaks the rules of its format is added to the rejections of `result`.
    """
    for stored, reader in each_stored(image, digest, formats, result):
        origin = stored.origin
        try:
            envelope = reader.parse(stored)
        except (SignatureRejected, MalformedError) as error:
            if isinstance(error, BudgetExceeded):
                result.limited = result.limited or error
            result.rejections.append(Rejection(origin, error))
            continue
        parts = tuple(replace(part, content=b"") for part in stored.parts)
        envelope = replace(envelope, stored=replace(stored, parts=parts))
        del stored  # memory: the text is a third larger than the statement
        if reader.recognizes(envelope):
            yield envelope, reader
        del envelope


def images_of(given: Iterable[ImageLike], what: str) -> Iterable[ImageLike]:
    """The images given. `what` names the function in errors.

    Raises:
        InvalidArgument: one image, or no iterable.
    """
    if isinstance(given, str | bytes | Image | Mapping) or not isinstance(given, Iterable):
        raise InvalidArgument(f"{what}: {quote(given)}, a list of images is needed", hint="for one image: [image]")
    return given


def check_workers(given: object, what: str) -> None:
    """Returns if this is a number of workers. `what` names the function in the error, an `InvalidArgument`."""
    if not isinstance(given, int) or given < 1:
        raise InvalidArgument(f"{what}: {quote(given)} workers, at least one is needed")


def resolve(image: Image, target: str = "") -> Descriptor:
    """The descriptor of the image, or of the manifest with that digest. Raises `ImageNotFound` if it is missing."""
    with _missing_is_no_image(image):
        return image.home.resolve(target or image.target)


def pin(image: Image) -> str:
    """The digest of the image as it will be deployed (`ImageSource.pin`). Every verdict is about this digest.

    Raises:
        ImageNotFound: there is no such image.
        DigestMismatch: the bytes stored under the digest are others.
    """
    with _missing_is_no_image(image):
        return image.home.pin(image.target)


@contextmanager
def _missing_is_no_image(image: Image) -> Iterator[None]:
    try:
        yield
    except ImageNotFound:
        raise
    except NotFound as error:
        raise ImageNotFound(
            f"{image}: there is no such image", hint="check the reference, or push the image first"
        ) from error


def pinned_name(image: Image, digest: str) -> str:
    return image.name.pinned(digest) if image.name else f"{image.home.name}@{digest}"
