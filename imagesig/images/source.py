"""The two roles an image's home plays: it is read (`ImageSource`) and written to (`ImageTarget`).

A home is one repository of a registry or one layout directory. Bytes returned always match their descriptor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from imagesig.images.merge import Merge
from imagesig.oci.descriptor import Descriptor


class ImageSource(Protocol):
    """Safe to use from several threads."""

    @property
    def name(self) -> str:
        """For people: `ghcr.io/acme/app`, `oci:build/layout`."""
        ...

    def resolve(self, tag_or_digest: str) -> Descriptor:
        """The manifest or index that a tag or digest names. The bytes read for it may be kept for `read`.

        Raises:
            NotFound: no such manifest here.
            TransportError, MalformedError, DeadlineExceeded: as `imagesig.errors` says.
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

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """The manifests whose subject is `digest`, from the referrers API or the fallback tag; none if there are none.

        The list is what the registry says: untrusted, and not filtered by type (registries disagree on it).

        Raises:
            LimitExceeded: more than `limits.REFERRERS`.
        """
        ...

    def has(self, digest: str) -> bool:
        """Whether a manifest with this digest is here: one cheap request."""
        ...


class ImageTarget(Protocol):
    """Safe to use from several threads."""

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        """Stores a blob, unless it is there already."""
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

    def add_referrer(self, content: bytes, subject: Descriptor) -> Callable[[], None]:
        """Stores an OCI manifest whose `subject` is `subject` so that `referrers` finds it.

        Where there is no referrers API, the fallback index `sha256-<hex>` is updated by
        `imagesig.images.merge.TagChange`. What is returned settles that change (`TagChange.settle`); call it once
        everything else has been written. It does nothing where the home keeps referrers by itself.

        Raises:
            Stale: other writers changed the index more often than `limits.MERGE_ATTEMPTS`.
        """
        ...


class ImageHome(ImageSource, ImageTarget, Protocol):
    """Both roles: what signing needs."""
