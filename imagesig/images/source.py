"""The interfaces of a home of images: reading it (`ImageSource`) and writing to it (`ImageTarget`).

A home is one repository of a registry, one layout directory, one archive or one `dir:` directory. Returned bytes always
match their descriptor. A further local home derives from `imagesig.images.local_home.LocalHome`.
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
    from imagesig.images.abilities import Probe


class ImageSource(Protocol):
    """Safe to use from several threads."""

    @property
    def name(self) -> str:
        """Human-readable: `ghcr.io/acme/app`, `oci:build/layout`."""
        ...

    @property
    def identity(self) -> str:
        """Equal for two objects that access the same place: the URL of a repository, or a path without links."""
        ...

    def tag_for(self, digest: str) -> str:
        """A tag of the image with this digest; empty if it has none. Makes no request."""
        ...

    def resolve(self, tag_or_digest: str) -> Descriptor:
        """The descriptor of the manifest or index that a tag or digest names, by its own bytes.

        Raises:
            NotFound: there is no such manifest.
            DigestMismatch: the bytes do not have the digest.
            TransportError, MalformedError, DeadlineExceeded: see `imagesig.errors`.
        """
        ...

    def find(self, tag: str) -> Descriptor | None:
        """The same for a tag that may not exist; None if it does not, which costs less than an error and its text."""
        ...

    def pin(self, tag_or_digest: str) -> str:
        """The digest to deploy for a tag or digest.

        A local home reads and hashes the manifest, because tools that load the image from there may not. A registry is
        not asked about a digest: tools that pull by digest compare the bytes.

        Raises:
            NotFound, DigestMismatch and the others: as in `resolve`.
        """
        ...

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """The content: `descriptor.size` bytes with `descriptor.digest`. The media type tells manifests from blobs.

        Raises:
            LimitExceeded: `descriptor.size` is over `limit`, or more bytes arrived.
            DigestMismatch: other bytes arrived.
            NotFound, TransportError: as in `resolve`.
        """
        ...

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        """The manifests whose subject is `digest`, from the referrers API or the fallback tag.

        The list is untrusted, with the types in it. With an artifact type, a home that supports it leaves out the
        others, and says so in `Listing.filtered`.

        Raises:
            MalformedError: it is not a list.
            TransportError: as in `resolve`.
        """
        ...

    def has(self, digest: str) -> bool:
        """Whether a manifest with this digest exists: one cheap request. A local home hashes it."""
        ...

    def open_blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """The content of a blob of any size, in small pieces.

        The pieces are compared with the descriptor: the iterator raises before its end if they differ, and never gives
        more than `descriptor.size` bytes. A broken stream is not resumed; open it again.

        Raises:
            DigestMismatch: the iterator found other bytes.
            NotFound, TransportError: as in `resolve`; the iterator raises them too.
        """
        ...


class ImageTarget(Protocol):
    """Safe to use from several threads."""

    @property
    def name(self) -> str: ...

    @property
    def stores_signature_files(self) -> bool:
        """Whether signatures are stored as signature files, which may hold OpenPGP messages."""
        ...

    def probe(self) -> Probe | None:
        """Finds out what the registry supports and the login may do; None for a local home."""
        ...

    def check_holds(self, *, referrers: bool) -> None:
        """Returns if signatures can be stored: as referrers, or as classic ones under a tag. Makes no request.

        Raises:
            SignaturesUnsupported: this form of image cannot hold them.
        """
        ...

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        """A block whose changes are written together if it is True: if the block fails, nothing changes.

        An archive becomes one new file; `resume` keeps the blobs that arrived for the next transaction that resumes.
        Registries and layouts write at once (False), in an order in which every state is safe.
        """
        ...

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        """Stores a blob, unless it exists."""
        ...

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a blob exists and need not be sent: one cheap request. A local home hashes it."""
        ...

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        """Stores a blob of any size from its pieces, completely or not at all. A failed attempt is not repeated.

        Raises:
            DigestMismatch: the pieces do not match the descriptor.
        """
        ...

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        """Mounts a blob from another repository of the same registry. False if that is not possible."""
        ...

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest or index by digest and, with `tag`, makes the tag name it."""
        ...

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        """Changes what a tag names: `merge` gets what it names now. Changes that others make at the same time are kept.

        `uploads` says that `merge` stores blobs in this home. The returned function settles the change: it makes sure
        that no other writer undid it. Call it after everything else is written.

        Raises:
            TransportError: it could not be written.
            The errors of `merge`; nothing is written then.
        """
        ...

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        """Stores an OCI manifest or index whose `subject` is `subject` so that `referrers` finds it.

        Without a referrers API, the fallback index `sha256-<hex>` is changed as in `change_tag`. The returned function
        settles that change; call it after everything else is written.

        Raises:
            Stale: other writers changed the index more often than the retry limit.
        """
        ...

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        """Removes a referrer of the digest `subject` from the list of referrers. The returned function settles it.

        The manifest is deleted only if its own subject is that digest: anyone may have written the list. A manifest
        that refers to something else is only removed from the fallback index.

        Raises:
            NotFound: it does not exist, or is not in the list.
            DeletionRefused: the registry lists referrers itself and does not delete, or lists one that refers to
                something else.
        """
        ...

    def delete_manifest(self, digest: str) -> None:
        """Deletes a manifest and, in homes that do so, the tags that name it.

        Raises:
            DeletionRefused: the home does not allow deletion.
        """
        ...


class ImageHome(ImageSource, ImageTarget, Protocol):
    """Both interfaces: signing needs them."""

    @property
    def name(self) -> str: ...
