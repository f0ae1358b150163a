"""The two roles an image's home plays: it is read (`ImageSource`) and written to (`ImageTarget`).

A home is one repository of a registry, one layout directory or one archive. Bytes returned always match their
descriptor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from imagesig.images.merge import Merge
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import Listing
from imagesig.oci.manifest import OCI_MANIFEST

if TYPE_CHECKING:
    from imagesig.images.abilities import Abilities


class ImageSource(Protocol):
    """Safe to use from several threads."""

    @property
    def name(self) -> str:
        """For people: `ghcr.io/acme/app`, `oci:build/layout`."""
        ...

    @property
    def identity(self) -> str:
        """Equal for two objects if they read the same place: a registry's URL, a path without links."""
        ...

    def tag_for(self, digest: str) -> str:
        """A tag of the image with this digest; empty if it has none, or none that is found without a request."""
        ...

    def resolve(self, tag_or_digest: str) -> Descriptor:
        """The manifest or index that a tag or digest names, described by its bytes, which may be kept for `read`.

        Raises:
            NotFound: no such manifest here.
            DigestMismatch: other bytes lie under its digest.
            TransportError, MalformedError, DeadlineExceeded: as `imagesig.errors` says.
        """
        ...

    def pin(self, tag_or_digest: str) -> str:
        """The digest that a tag or digest names, as it will be deployed.

        A local home reads and hashes the manifest, for whoever takes the image from there may not. A registry is not
        asked about a digest: whoever pulls by digest compares the bytes.

        Raises:
            NotFound, DigestMismatch and the others: as in `resolve`.
        """
        ...

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """The content: `descriptor.size` bytes with `descriptor.digest`. Manifests and indexes are told by media type.

        Raises:
            LimitExceeded: `descriptor.size` is over `limit`, or more bytes came than that; nothing was kept.
            DigestMismatch: other bytes came.
            NotFound, TransportError: as in `resolve`.
        """
        ...

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        """The manifests whose subject is `digest`, from the referrers API or the fallback tag.

        The list is what the registry says: untrusted. With an artifact type, a home that can leaves out the others and
        says so in `Listing.filtered`; types in listings are not to be believed.

        Raises:
            MalformedError: what is there is no list.
            TransportError: as in `resolve`.
        """
        ...

    def has(self, digest: str) -> bool:
        """Whether a manifest with this digest is here: one cheap request. A local home hashes what lies there."""
        ...

    def open_blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """The content of a blob of any size, in pieces that fit into memory.

        The pieces are compared with the descriptor as they pass: what is wrong raises before the iterator ends, and
        never are more than `descriptor.size` bytes given. A stream that breaks is not resumed; open it again.

        Raises:
            DigestMismatch: other bytes came, from the iterator.
            NotFound, TransportError: as in `resolve`; from the iterator too.
        """
        ...


class ImageTarget(Protocol):
    """Safe to use from several threads."""

    @property
    def name(self) -> str: ...

    @property
    def holds_signature_files(self) -> bool:
        """Whether signatures are stored as files of containers/image, which may be OpenPGP messages."""
        ...

    def probe(self, digest: str) -> Abilities | None:
        """What can be done here, found out without changing anything; None where no server or login decides that.

        `digest` is of an image here, or empty.
        """
        ...

    def check_holds(self, *, referrers: bool) -> None:
        """Returns if signatures can be stored here: as referrers, or as classic ones under a tag. Asks nobody.

        Raises:
            SignaturesUnsupported: this form of image has no place for them.
        """
        ...

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        """What is written in the block is written at once, where that matters: an archive becomes one new file.

        True if it is at once: if the block fails, all stays as it was. `resume` keeps the blobs that came so far, for
        the next transaction that resumes. Registries and layouts write as they go, in an order that is safe throughout.
        """
        ...

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        """Stores a blob, unless it is there already."""
        ...

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a blob is here and need not be sent: one cheap request. A local home hashes what lies there."""
        ...

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        """Stores a blob of any size from its pieces, whole or not at all. It is not tried again: open a new stream.

        Raises:
            DigestMismatch: the pieces are not what the descriptor says.
        """
        ...

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        """Takes a blob over from another repository of the same registry; False where that cannot be done."""
        ...

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest or index by its digest, or under a tag, replacing what the tag named before."""
        ...

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        """Makes a tag name what `merge` makes of what it names now, keeping what others write at the same time.

        `uploads` says that `merge` stores blobs here. What is returned settles the change (`TagChange.settle`); call it
        once everything else has been written. It does nothing where writers take turns.

        Raises:
            TransportError: it could not be written.
            Whatever `merge` raises; nothing is written then.
        """
        ...

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        """Stores an OCI manifest or index whose `subject` is `subject` so that `referrers` finds it.

        Where there is no referrers API, the fallback index `sha256-<hex>` is changed as `change_tag` does. What is
        returned settles that change; call it once everything else has been written. It does nothing where the home
        keeps referrers by itself.

        Raises:
            Stale: other writers changed the index more often than `limits.MERGE_ATTEMPTS`.
        """
        ...

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        """Takes a referrer of the digest `subject` away, so that `referrers` finds it no more; settled as above.

        It is deleted only if its own subject is that digest: whatever a listing says, others may have written it. What
        is attached to something else is taken out of the list where there is one.

        Raises:
            NotFound: it is not there, or not listed as one of these.
            DeletionRefused: the registry lists referrers by itself and deletes nothing, or lists one that is attached
                to something else.
        """
        ...

    def delete_manifest(self, digest: str) -> None:
        """Deletes a manifest and, where the home does so, the tags that name it.

        Raises:
            DeletionRefused: the home deletes nothing.
        """
        ...


class ImageHome(ImageSource, ImageTarget, Protocol):
    """Both roles: what signing needs."""

    @property
    def name(self) -> str: ...
