"""The referrers of images in one repository: listing, adding and removing them, with or without a referrers API.

Spec: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from imagesig import limits
from imagesig.errors import DeletionRefused, ImagesigError, MalformedError, NotFound, RemovalIncomplete
from imagesig.images.merge import Merge, nothing_to_settle, read_tag
from imagesig.images.registry.fallback_index import (
    is_subject,
    listed_referrers,
    no_list_of,
    referrer_entry,
    refers_to,
    with_entry,
    without_entry,
)
from imagesig.images.registry.referrers_api import list_referrers
from imagesig.images.registry.session import RegistrySession
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.listing import Listing


class _Repository(Protocol):
    @property
    def name(self) -> str: ...
    def find(self, tag: str) -> Descriptor | None: ...
    def read(self, descriptor: Descriptor, *, limit: int) -> bytes: ...
    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor: ...
    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]: ...
    def delete_manifest(self, digest: str) -> None: ...


class RegistryReferrers:
    """The referrer methods of `RegistryRepository`. Safe to use from several threads."""

    def __init__(self, repository: _Repository, session: RegistrySession) -> None:
        self._repository, self._session = repository, session
        self._has_api: bool | None = None
        self._unlistable = ""
        """A digest for whose list of referrers the registry gave the image itself."""

    def all(self, digest: str, artifact_type: str = "") -> Listing:
        listed = list_referrers(self._session, digest, artifact_type)
        if listed is not None:
            self._has_api = True
            return listed
        tag = tag_of(digest)
        now = read_tag(self._repository, tag)
        if is_subject(now, digest):
            self._unlistable = digest
        return listed_referrers(now, digest, f"{self._repository.name}: {tag}")

    def check_storable(self) -> None:
        """Returns unless it turned out that the registry can store no list of referrers. Makes no request.

        Raises:
            SignaturesUnsupported: it did.
        """
        if self._unlistable:
            raise no_list_of(self._unlistable)

    def add(self, content: bytes, subject: Descriptor, media_type: str) -> Callable[[], None]:
        self.check_storable()
        self._repository.put_manifest(content, media_type)
        # OCI-Subject does not decide: registries with the API omit it, and proxies before others send it.
        if self.has_api(subject.digest):
            return nothing_to_settle
        entry = referrer_entry(content, media_type)
        return self._repository.change_tag(tag_of(subject.digest), lambda now: with_entry(now, entry, subject.digest))

    def remove(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        refers = self._refers(referrer, subject)
        if self.has_api(subject):
            if not refers:
                raise DeletionRefused(
                    f"{self._repository.name}: {referrer.digest} is listed as a referrer of {subject}, but does not "
                    "refer to it",
                    hint="remove it from the image that it is attached to",
                )
            self._repository.delete_manifest(referrer.digest)
            return nothing_to_settle
        tag = tag_of(subject)
        settle_change = self._repository.change_tag(tag, lambda now: without_entry(now, referrer.digest))

        def settle() -> None:
            settle_change()
            if refers:
                self._delete_unlisted(referrer.digest)

        return settle

    def has_api(self, digest: str) -> bool:
        """Whether there is a referrers API. Asked once, when the repository is known to exist."""
        if self._has_api is None:
            self._has_api = list_referrers(self._session, digest) is not None
        return self._has_api

    def _delete_unlisted(self, digest: str) -> None:
        """Deletes a referrer that is no longer listed. It does not matter if the registry refuses that."""
        try:
            self._repository.delete_manifest(digest)
        except (DeletionRefused, NotFound):
            pass
        except ImagesigError as error:
            raise RemovalIncomplete(
                f"{self._repository.name}: {digest} is no longer listed, but still there: {error}",
                removed=(digest,),
                left=(),
                cause=error,
            ) from error

    def _refers(self, referrer: Descriptor, subject: str) -> bool:
        try:
            return refers_to(self._repository.read(referrer, limit=limits.MANIFEST_BYTES), referrer, subject)
        except MalformedError:
            return False
