"""The interface of stores: they find, attach and detach an image's signatures, and never judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from msgspec import Struct, field

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
    RemovalIncomplete,
    TransportError,
    Unauthorized,
)
from imagesig.images.source import ImageHome, ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.signature import StoredSignature

Wanted = Callable[[str], bool]
"""Whether a blob, or a manifest, with this media type is to be fetched."""

Settle = Callable[[], None]
"""Makes sure, after all signatures are attached, that no other writer dropped them. May wait; raises `Stale`."""


class Unread(Struct, frozen=True):
    """A listed signature that could not be fetched. Its content is unknown: it is neither missing nor invalid."""

    origin: str
    error: TransportError

    def __post_init__(self) -> None:
        self.error.without_frames()


class Limited(Struct, frozen=True):
    """A listed entry that was not read because the image exceeds a limit. It may be a signature."""

    origin: str
    error: LimitExceeded

    def __post_init__(self) -> None:
        self.error.without_frames()


Found = StoredSignature | Rejection | Unread | Limited


class Sizes(Struct, frozen=True):
    """How much is read: bytes of one classic payload and of one bundle, and the budget that they are paid from.

    With `one_by_one` each entry is given once it is read, likely and small ones first, and not kept: they are large.
    """

    cost: Cost
    payload: int
    bundle: int
    one_by_one: bool = False


SIGNATURES = Sizes(Cost.BYTES, limits.PAYLOAD_BYTES, limits.BUNDLE_BYTES)
ATTESTATIONS = Sizes(
    Cost.STATEMENT_BYTES, limits.ATTESTATION_ENVELOPE_BYTES, limits.ATTESTATION_ENVELOPE_BYTES, one_by_one=True
)


class SignatureStore(Protocol):
    """One way to store an image's signatures. Stateless: the home is an argument of each call."""

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[Found]:
        """Every stored signature of the image with this digest, in the list's order.

        Anything that is not a signature is a `Rejection`. A signature that cannot be fetched is `Unread` and one that
        exceeds a limit is `Limited`; the others are still read. Likely signatures, and small ones, are read first.

        Raises:
            TransportError: the home could not be reached, refuses these credentials, or fails too often. Neither this
                nor `Unread` means "unsigned".
        """
        ...

    def check(self, home: ImageHome) -> None:
        """Returns if the home can store signatures in this way. Makes no request.

        Raises:
            SignaturesUnsupported: it cannot.
        """
        ...

    def attach(self, home: ImageHome, subject: Descriptor, signature: StoredSignature) -> Settle:
        """Stores one more signature of `subject` and keeps all others.

        Raises:
            Stale: others changed the same place more often than the retry limit.
            LimitExceeded: verifiers would not read another one.
            MalformedError: the place has something other than signatures; it is not changed.
        """
        ...

    def detach(self, home: ImageHome, digest: str, signatures: Sequence[StoredSignature]) -> Settle:
        """Removes signatures that `find` returned for the image with this digest; all others stay.

        Raises:
            RemovalIncomplete: some could not be removed; raised by the result too. What can be removed is removed.
            Stale, MalformedError: as in `attach`.
        """
        ...


class Removal(Struct):
    """The signatures that are removed so far, those that are left, and the first failure.

    `settles` are the removals that are made and not settled yet, each with the places of its signatures.
    """

    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    settles: list[tuple[Sequence[str], Settle]] = field(default_factory=list)
    cause: ImagesigError | None = None

    def failed(self, places: Sequence[str], error: ImagesigError) -> None:
        """Notes why these signatures, or some of them, are left."""
        cause: BaseException | None = error
        if isinstance(error, RemovalIncomplete):
            self.removed += error.removed
            self.left += error.left
            cause = error.__cause__
        else:
            self.left += places
        assert isinstance(cause, ImagesigError)
        self.cause = self.cause or cause

    def settle(self) -> None:
        """Settles what is made. Raises `RemovalIncomplete` if any of it failed, before or now."""
        while self.settles:
            places, settle = self.settles.pop(0)
            try:
                settle()
                self.removed += places
            except ImagesigError as error:
                self.failed(places, error)
        if self.cause is not None:
            cause = self.cause
            raise RemovalIncomplete(str(cause), removed=self.removed, left=self.left, cause=cause, hint=cause.hint)


class Reading:
    """Reads the blobs of one image's signatures, even if the home fails to return some of them.

    The first failure uses all attempts of a request. Because a thousand may follow, every later request is tried once,
    a failed blob is not requested again, and reading ends after `limits.UNREAD_BLOBS` failures.
    """

    def __init__(self, home: ImageSource) -> None:
        self._home = home
        self._failed: dict[str, TransportError] = {}

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """The content. Raises as `ImageSource.read`; pass a `TransportError` other than `NotFound` to `unread`."""
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
        """The entry for a signature that could not be fetched; reading continues.

        Raises:
            TransportError: this error; asking for further signatures is pointless.
        """
        if isinstance(error, Unauthorized) or len(self._failed) >= limits.UNREAD_BLOBS:
            raise error
        return Unread(origin, error)


class Entries:
    """The entries found in one list so far. Entries are read in the cheapest order and returned in the list's order."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._found: dict[int, Found] = {}
        self._failed: TransportError | None = None

    @property
    def is_over(self) -> bool:
        """Whether asking the home for more is pointless."""
        return self._failed is not None

    def put(self, place: int, found: Found) -> None:
        self._found[place] = found

    def reading_entry(self, place: int, origin: str) -> AbstractContextManager[None]:
        """A block that reads the entry at this place of the list; its error becomes the entry at this place."""
        return _ReadingEntry(self, place, origin)

    def note(self, place: int, origin: str, error: ImagesigError) -> bool:
        """Makes an error the entry at this place; False if the error does not concern a single entry."""
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

    def taken(self) -> Iterator[Found]:
        """The entries found since the last call; they are not kept here."""
        while self._found:
            yield self._found.pop(next(iter(self._found)))

    def all(self) -> Iterator[Found]:
        """The entries, by place. Raises `TransportError` at the end if the home could not be asked for the rest."""
        for _, found in sorted(self._found.items()):
            yield found
        if self._failed is not None:
            raise self._failed


class _ReadingEntry:
    def __init__(self, entries: Entries, place: int, origin: str) -> None:
        self._entries, self._place, self._origin = entries, place, origin

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        return isinstance(error, ImagesigError) and self._entries.note(self._place, self._origin, error)


def pay(cost: Cost, descriptor: Descriptor, most: int, what: str) -> None:
    """Counts bytes before they are read.

    Raises:
        LimitExceeded: the blob has more than `most` bytes.
        BudgetExceeded: the image has used up its budget.
    """
    if descriptor.size > most:
        raise LimitExceeded(f"{descriptor.digest}: {descriptor.size} bytes, at most {most} are read")
    spend(cost, descriptor.size, what)
