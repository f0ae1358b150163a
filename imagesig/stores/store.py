"""Where an image's signatures live: found and attached, never judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from imagesig import limits
from imagesig.errors import LimitExceeded, Rejection
from imagesig.images.source import ImageHome, ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.signature import StoredSignature

Wanted = Callable[[str], bool]
"""Whether a part, or a manifest, of this media type is worth fetching."""

Settle = Callable[[], None]
"""Makes sure, once every signature is attached, that no other writer dropped it. May wait; raises `Stale`."""


class SignatureStore(Protocol):
    """One way of keeping signatures beside an image. Stateless: the home comes with each call."""

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[StoredSignature | Rejection]:
        """Every stored signature of the image with this digest, bounded; what cannot be read is a `Rejection`.

        Raises:
            TransportError: the home could not be asked. Never read as "unsigned".
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
