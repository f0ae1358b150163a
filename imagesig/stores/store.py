"""Where an image's signatures live: found and attached, never judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from msgspec import Struct

from imagesig import limits
from imagesig.deadlines import at_most_attempts
from imagesig.effort import Cost, spend
from imagesig.errors import (
    BudgetExceeded,
    ImagesigError,
    LimitExceeded,
    MalformedError,
    NotFound,
    Rejection,
    TransportError,
    Unauthorized,
)
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

    def __post_init__(self) -> None:
        self.error.without_frames()


class Limited(Struct, frozen=True):
    """Something that is listed and was not read, for a limit on what one image may have. It may be a signature."""

    origin: str
    error: LimitExceeded

    def __post_init__(self) -> None:
        self.error.without_frames()


Found = StoredSignature | Rejection | Unread | Limited


class SignatureStore(Protocol):
    """One way of keeping signatures beside an image. Stateless: the home comes with each call."""

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[Found]:
        """Every stored signature of the image with this digest, in the list's order; a `Rejection` for what is none.

        What the home fails to give is `Unread`, what a limit leaves out `Limited`, and the others are read all the
        same. What is likely to be a signature, and what is small, is read first.

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


class Taken:
    """What was found of one list so far. Read in the order that costs least, and given in the order of the list."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._found: dict[int, Found] = {}
        self._failed: TransportError | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is no use in asking the home for more."""
        return self._failed is not None

    def put(self, place: int, found: Found) -> None:
        self._found[place] = found

    def taking(self, place: int, origin: str) -> AbstractContextManager[None]:
        """A block that takes what stands at this place of the list; what it raises is noted there."""
        return _Taking(self, place, origin)

    def note(self, place: int, origin: str, error: ImagesigError) -> bool:
        """Notes an error at this place; False if it is none of those that concern one item."""
        if isinstance(error, BudgetExceeded):
            self.put(place, Limited(origin, error))
        elif isinstance(error, MalformedError | NotFound):
            self.put(place, Rejection(origin, error))
        elif isinstance(error, TransportError):
            try:
                self.put(place, self._reading.unread(origin, error))
            except TransportError as ends:
                self._failed = ends
        else:
            return False
        return True

    def all(self) -> Iterator[Found]:
        """What was found, by place. Raises `TransportError` at the end if the home could not be asked for the rest."""
        for _, found in sorted(self._found.items()):
            yield found
        if self._failed is not None:
            raise self._failed


class _Taking:
    def __init__(self, taken: Taken, place: int, origin: str) -> None:
        self._taken, self._place, self._origin = taken, place, origin

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        return isinstance(error, ImagesigError) and self._taken.note(self._place, self._origin, error)


def pay(cost: Cost, descriptor: Descriptor, most: int, what: str) -> None:
    """Counts bytes that are about to be read.

    Raises:
        LimitExceeded: it has more than `most` bytes.
        BudgetExceeded: the image has had its share.
    """
    if descriptor.size > most:
        raise LimitExceeded(f"{descriptor.digest}: {descriptor.size} bytes, at most {most} are read")
    spend(cost, descriptor.size, what)
