"""Where an image's signatures live: found and attached, never judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from imagesig import limits
from imagesig.deadlines import at_most_attempts
from imagesig.errors import LimitExceeded, NotFound, Rejection, TransportError, Unauthorized
from imagesig.images.source import ImageHome, ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.signature import StoredSignature

Wanted = Callable[[str], bool]
"""Whether a part, or a manifest, of this media type is worth fetching."""

Settle = Callable[[], None]
"""Makes sure, once every signature is attached, that no other writer dropped it. May wait; raises `Stale`."""


class Unread(Struct, frozen=True):
    """A signature that is listed and could not be had. Nobody knows what it says: it is neither missing nor wrong."""

    origin: str
    error: TransportError


class SignatureStore(Protocol):
    """One way of keeping signatures beside an image. Stateless: the home comes with each call."""

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[StoredSignature | Rejection | Unread]:
        """Every stored signature of the image with this digest, bounded; a `Rejection` for what is none.

        What the home fails to give is `Unread`, and the others are read all the same.

        Raises:
            TransportError: the home could not be asked, refuses these credentials, or fails too often. Never read as
                "unsigned", and neither is `Unread`.
        """
        ...

    def check(self, home: ImageHome) -> None:
        """Returns if the home has a place for signatures kept in this way. Asks nobody.

        Raises:
            SignaturesUnsupported: it has none.
        """
        ...

    def attach(self, home: ImageHome, subject: Descriptor, signature: StoredSignature) -> Settle:
        """Stores one more signature of `subject`, keeping all that others stored.

        Raises:
            Stale: others changed the same place more often than we were willing to merge.
            LimitExceeded: there is no room for another one that verifiers would read.
            MalformedError: what is there is no list of signatures; it is left as it is.
        """
        ...

    def detach(self, home: ImageHome, digest: str, signatures: Sequence[StoredSignature]) -> Settle:
        """Takes away signatures that `find` found for the image with this digest; all others stay.

        Raises:
            RemovalIncomplete: the home deletes nothing; what could be taken away is gone.
            Stale, MalformedError: as in `attach`.
        """
        ...


class Reading:
    """Reads what belongs to one image's signatures, although the home fails to give some of it.

    The first failure costs all the attempts that a request has. There may be a thousand more, so from then on each is
    tried once, nothing is asked for again, and after `limits.UNREAD_BLOBS` of them it ends.
    """

    def __init__(self, home: ImageSource) -> None:
        self._home = home
        self._failed: dict[str, TransportError] = {}

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """The content. Raises as `ImageSource.read`; give a `TransportError` that is no `NotFound` to `unread`."""
        if descriptor.digest in self._failed:
            raise self._failed[descriptor.digest]
        try:
            if not self._failed:
                return self._home.read(descriptor, limit=limit)
            with at_most_attempts(1):
                return self._home.read(descriptor, limit=limit)
        except NotFound:
            raise
        except TransportError as error:
            self._failed[descriptor.digest] = error
            raise

    def unread(self, origin: str, error: TransportError) -> Unread:
        """What to report of a signature that could not be had, and go on.

        Raises:
            TransportError: this one; there is no use in asking for others.
        """
        if isinstance(error, Unauthorized) or len(self._failed) >= limits.UNREAD_BLOBS:
            raise error
        return Unread(origin, error)


class Budget:
    """How many bytes of signature material may still be read for one image."""

    def __init__(self) -> None:
        self._left = limits.SIGNATURE_BYTES_PER_IMAGE

    def take(self, descriptor: Descriptor, most: int) -> None:
        """Counts content that is about to be read. What is refused is not counted: it must not use up the rest.

        Raises:
            LimitExceeded: it has more than `most` bytes, or more than may still be read.
        """
        if descriptor.size > most:
            raise LimitExceeded(f"{descriptor.digest}: {descriptor.size} bytes, at most {most} are read")
        if descriptor.size > self._left:
            raise LimitExceeded(
                f"signatures: more than {limits.SIGNATURE_BYTES_PER_IMAGE} bytes of them for one image are not read"
            )
        self._left -= descriptor.size
