"""What signing, verifying and inspecting share: opening images and asking the stores what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct, field

from imagesig.errors import ImageNotFound, LimitExceeded, NotFound, Rejection, TransportError
from imagesig.formats import Format, reader_of
from imagesig.images.image import Image
from imagesig.images.open import open_image
from imagesig.oci.descriptor import Descriptor
from imagesig.signature import StoredSignature
from imagesig.stores import STORES
from imagesig.stores.store import Limited, Unread

ImageLike = str | Image
"""A reference, `oci-archive:FILE` or another form of local image, or an `Image` made by `registry()` or `layout()`."""


class Stored(Struct):
    """What the stores hold for one digest, as far as they gave it.

    `failed` is the first failure of a store to answer or to give one of its signatures, if any: without those nobody
    may call the image unsigned or its signatures too few. The signatures that were not given are in `rejections` too.
    `limited` is the same for what was not read because the image has more than one image may have.
    """

    found: list[tuple[StoredSignature, Format]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    failed: TransportError | None = None
    limited: LimitExceeded | None = None


def stored_signatures(image: Image, digest: str, formats: Sequence[Format]) -> Stored:
    """Asks each store once for all the formats that are kept in it."""
    result = Stored()
    for storage in dict.fromkeys(item.storage for item in formats):
        readers = [item for item in formats if item.storage is storage]

        def wanted(media_type: str, readers: Sequence[Format] = readers) -> bool:
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
                # What has the type of a signature and holds something else is a broken signature, not none.
                elif reader := reader_of(item, readers):
                    result.found.append((item, reader))
        except TransportError as error:
            result.failed = result.failed or error
    return result


def open_or_pass(image: ImageLike) -> Image:
    return image if isinstance(image, Image) else open_image(image)


def resolve(image: Image, target: str = "") -> Descriptor:
    """The image itself, or the manifest with that digest. Raises `ImageNotFound` if it is not there."""
    with _missing_is_no_image(image):
        return image.home.resolve(target or image.target)


def pin(image: Image) -> str:
    """The digest of the image as it will be deployed (`ImageSource.pin`): every verdict is about this digest.

    Raises:
        ImageNotFound: there is no such image.
        DigestMismatch: other bytes lie under the digest.
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
        raise ImageNotFound(f"{image}: there is no such image", hint="check the reference") from error


def pinned_name(image: Image, digest: str) -> str:
    return image.name.pinned(digest) if image.name else f"{image.home.name}@{digest}"
