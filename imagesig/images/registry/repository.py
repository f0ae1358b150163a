"""One repository of a registry, read and written through the OCI distribution API.

Spec: OCI distribution-spec 1.1, with the tag schema if the referrers API is missing. Signed bytes are never rebuilt:
every body is compared with the requested digest, and is passed on unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.errors import DeletionRefused, DigestMismatch, LimitExceeded, UnexpectedResponse
from imagesig.http.client import HttpClient, Response
from imagesig.images.merge import Merge
from imagesig.images.registry.auth import RegistryLogin
from imagesig.images.registry.blobs import RegistryBlobs
from imagesig.images.registry.place import Whereabouts
from imagesig.images.registry.recent import RecentManifests
from imagesig.images.registry.referrers import RegistryReferrers
from imagesig.images.registry.refusals import is_passing, patiently
from imagesig.images.registry.session import DELETE, PUSH, Contact, RegistrySession
from imagesig.images.source import ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import digest_like, is_digest, is_tag_of_digest, sha256
from imagesig.oci.listing import Listing
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, OCI_MANIFEST, check_document, detect_media_type
from imagesig.oci.reference import Reference
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.images.abilities import Probe

_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
_STORED = (200, 201, 202)
"""Statuses of a stored manifest: 201, and those that registries in the field answer with."""


class RegistryRepository:
    """One repository of a registry; an `ImageHome`. Safe to use from several threads."""

    def __init__(self, http: HttpClient, login: RegistryLogin, place: Whereabouts, reference: Reference) -> None:
        self._session = RegistrySession(http, login, place, reference)
        self._blobs = RegistryBlobs(self._session)
        self._manifests = RecentManifests()
        self._referrers = RegistryReferrers(self, self._session)
        self._writing: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._session.name

    @property
    def identity(self) -> str:
        return self._session.base

    @property
    def stores_signature_files(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"RegistryRepository({self.name!r})"

    def resolve(self, tag_or_digest: str) -> Descriptor:
        return self._described(tag_or_digest, self._manifest(tag_or_digest))

    def find(self, tag: str) -> Descriptor | None:
        response = self._manifest(tag)
        return None if response.status == 404 else self._described(tag, response)

    def _manifest(self, tag_or_digest: str) -> Response:
        return self._session.request("GET", f"manifests/{tag_or_digest}", limit=limits.MANIFEST_BYTES, accept=_ACCEPT)

    def _described(self, tag_or_digest: str, response: Response) -> Descriptor:
        what = f"{self.name}: manifest {tag_or_digest}"
        self._session.expect(response, what, 200)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            media_type = detect_media_type(response.body, what)
        check_document(response.body, media_type, what, is_list=is_tag_of_digest(tag_or_digest))
        digest = sha256(response.body)
        for wanted in (tag_or_digest, response.headers.get("docker-content-digest", "")):
            if is_digest(wanted) and wanted != digest:
                raise DigestMismatch(f"{what}: {wanted} was expected, but bytes with digest {digest} arrived")
        self._manifests.keep(digest, response.body)
        return Descriptor(media_type, digest, len(response.body))

    def pin(self, tag_or_digest: str) -> str:
        return tag_or_digest if is_digest(tag_or_digest) else self.resolve(tag_or_digest).digest

    def tag_for(self, digest: str) -> str:
        return ""

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        what = f"{self.name}: {descriptor.digest}"
        if descriptor.size > limit:
            raise LimitExceeded(f"{what}: {descriptor.size} bytes, at most {limit} are read")
        if descriptor.media_type in (*MANIFEST_TYPES, *INDEX_TYPES):
            content = self._manifests.get(descriptor.digest)
            if content is not None and len(content) == descriptor.size:
                return content
            path, accept = f"manifests/{descriptor.digest}", _ACCEPT
        else:
            path, accept = f"blobs/{descriptor.digest}", "*/*"
        response = self._session.request("GET", path, limit=descriptor.size, accept=accept)
        self._session.expect(response, what, 200)
        digest = digest_like(descriptor.digest, response.body)
        if digest != descriptor.digest or len(response.body) != descriptor.size:
            seen = f"{len(response.body)} bytes arrived, with digest {digest}"
            raise DigestMismatch(f"{what}: {seen}; {descriptor.size} bytes were expected")
        if path.startswith("manifests/"):
            check_document(response.body, descriptor.media_type, what, is_list=True)
            self._manifests.keep(descriptor.digest, response.body)
        return response.body

    def open_blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        return self._blobs.open(descriptor)

    def has(self, digest: str) -> bool:
        found = self._session.head(f"manifests/{digest}", accept=_ACCEPT)
        return self._answers(digest) if found is None else found

    def _answers(self, digest: str) -> bool:
        """Whether a GET gives the manifest."""
        return self.find(digest) is not None

    def tags(self) -> Iterator[str]:
        """The tags of the repository, page by page. Raises as `list_tags` does."""
        from imagesig.images.registry.tags import list_tags  # speed: for migrating only (benchmarks/test_cli.py)

        return list_tags(self._session)

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        return self._referrers.all(digest, artifact_type)

    def check_holds(self, *, referrers: bool) -> None:
        """See `ImageTarget`. A registry holds both, unless it turned out that it can store no list of referrers."""
        if referrers:
            self._referrers.check_storable()

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        return self._blobs.put(content, media_type)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self._blobs.has(descriptor)

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        self._blobs.put_stream(descriptor, chunks)

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        return isinstance(source, RegistryRepository) and self._blobs.mount(descriptor, source._session)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        self._put_manifest(content, media_type, tag)
        return Descriptor.of(content, media_type)

    def move_tag(self, tag: str, content: bytes, media_type: str) -> None:
        """Stores a manifest under a tag, in one attempt. Before another attempt, the caller merges changes of others.

        Raises:
            TransportError: it may not be stored. `retryable` says whether another attempt can help.
        """
        self._stored(self._put(content, media_type, tag, attempts=1), content, tag)

    def _put_manifest(self, content: bytes, media_type: str, tag: str) -> Response:
        what = f"{self.name}: manifest {tag or sha256(content)}"
        return self._stored(patiently(lambda: self._put(content, media_type, tag), what), content, tag)

    def _put(self, content: bytes, media_type: str, tag: str, attempts: int = limits.HTTP_ATTEMPTS) -> Response:
        return self._session.request(
            "PUT",
            f"manifests/{tag or sha256(content)}",
            limit=limits.ERROR_BODY_BYTES,
            body=content,
            content_type=media_type,
            actions=PUSH,
            attempts=attempts,
        )

    def _stored(self, response: Response, content: bytes, tag: str) -> Response:
        digest = sha256(content)
        what = f"{self.name}: manifest {tag or digest}"
        if response.status not in _STORED and not is_passing(response):
            self._blobs.forget()  # the registry may have dropped blobs that were stored before
        try:
            self._session.expect(response, what, *_STORED)
        except UnexpectedResponse as error:
            if response.status in (400, 406, 415):
                error.hint = "if this registry takes no OCI manifests, use --signature-repository"
            raise
        stored = response.headers.get("docker-content-digest", "")
        if is_digest(stored) and stored != digest:
            raise DigestMismatch(f"{what}: the registry stored {quote(stored)} instead of {digest}")
        return response

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        return self._referrers.add(content, subject, media_type)

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        return self._referrers.remove(referrer, subject)

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        from imagesig.images.registry.tag_change import TagChange  # speed: for signing only (benchmarks/test_cli.py)

        change = TagChange(self, tag, merge, uploads)
        with self._lock_of(tag):
            change.apply()

        def settle() -> None:
            with self._lock_of(tag):
                change.settle()

        return settle

    def delete_manifest(self, digest: str) -> None:
        response = self._session.request("DELETE", f"manifests/{digest}", limit=limits.ERROR_BODY_BYTES, actions=DELETE)
        what = f"{self.name}: manifest {digest}"
        self._manifests.forget(digest)
        no_endpoint = response.status == 404 and self._answers(digest)  # still there: it does not delete at all
        if no_endpoint or response.status in (400, 401, 403, 405, 501):
            raise DeletionRefused(
                f"{what}: the registry does not delete it, status {response.status}",
                hint="allow deletion in the registry, or log in with credentials that allow it",
            )
        self._session.expect(response, what, 202, 200, 204)

    def lists_referrers(self, digest: str) -> bool:
        """Whether there is a referrers API. Asked once, when the repository is known to exist."""
        return self._referrers.has_api(digest)

    def _lock_of(self, tag: str) -> threading.Lock:
        """The lock for changes of a tag in this process."""
        with self._lock:
            return self._writing.setdefault(tag, threading.Lock())

    def probe(self) -> Probe:
        from imagesig.images.registry.permissions import RegistryProbe

        return RegistryProbe(self, self._session)

    def contact(self) -> Contact:
        """How this repository is reached: proxy, login, credential files and token scopes. Nothing in it is secret."""
        return self._session.contact()
