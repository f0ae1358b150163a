"""The blobs of one repository: uploading, mounting from another repository, and reading in pieces.

Spec: OCI distribution-spec 1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote as percent_encoded

from imagesig import limits
from imagesig.errors import TransportError, UnexpectedResponse, Unreachable
from imagesig.http.client import Response
from imagesig.images.registry.refusals import is_passing, patiently
from imagesig.images.registry.session import PUSH, RegistrySession
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.url import served_url

_SMALL_BYTES = 1024 * 1024
_STORED = (200, 201, 204)
"""Statuses of a completed upload: 201, and other ones of success. 202 means that the upload goes on."""


class RegistryBlobs:
    """The blob methods of `RegistryRepository`. Safe to use from several threads."""

    def __init__(self, session: RegistrySession) -> None:
        self._session = session
        self._there: set[str] = set()
        self._unmountable: set[str] = set()

    def forget(self) -> None:
        """Forgets which blobs are known to be stored."""
        self._there.clear()

    def has(self, descriptor: Descriptor) -> bool:
        if descriptor.digest in self._there:
            return True
        path = f"blobs/{descriptor.digest}"
        found = self._session.head(path, actions=PUSH)
        if found is None:
            with self._session.stream(path) as (response, _):
                found = response.status == 200  # if it is there and cannot be read, it is sent again
        if found:
            self._there.add(descriptor.digest)
        return found

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        what = self._what(descriptor)
        with self._session.stream(f"blobs/{descriptor.digest}") as (response, chunks):
            self._session.expect(response, what, 200)
            yield checked(chunks, descriptor, what)

    def put(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        what = self._what(descriptor)
        if descriptor.digest in self._there or (len(content) > _SMALL_BYTES and self.has(descriptor)):
            return descriptor
        done = patiently(lambda: self._upload(content, descriptor), what)
        self._session.expect(done, f"{what}: upload", *_STORED)
        self._there.add(descriptor.digest)
        return descriptor

    def _upload(self, content: bytes, descriptor: Descriptor) -> Response:
        start = self._upload_at_once(content, descriptor.digest) if len(content) <= _SMALL_BYTES else None
        if start is None or (start.status >= 400 and not is_passing(start)):
            start = self._begin_upload()
        if start.status == 201 or start.status >= 400:
            return start
        return self._session.request(
            "PUT",
            self._place(start, descriptor),
            limit=limits.ERROR_BODY_BYTES,
            body=content,
            content_type="application/octet-stream",
            actions=PUSH,
        )

    def _upload_at_once(self, content: bytes, digest: str) -> Response | None:
        """The answer to an upload in a single request; None if there is none.

        Registries that do not support it answer 202, and registries and gateways in the field refuse it with any
        status. The two requests that every client makes are then the ones that decide.
        """
        try:
            return self._session.request(
                "POST",
                f"blobs/uploads/?digest={digest}",
                limit=limits.ERROR_BODY_BYTES,
                body=content,
                content_type="application/octet-stream",
                actions=PUSH,
                attempts=1,
            )
        except (Unreachable, UnexpectedResponse):
            return None

    def put_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        what = self._what(descriptor)
        start = self._begin_upload()
        done = self._session.upload(self._place(start, descriptor), checked(chunks, descriptor, what), descriptor.size)
        self._session.expect(done, f"{what}: upload", *_STORED)
        self._there.add(descriptor.digest)

    def mount(self, descriptor: Descriptor, source: RegistrySession) -> bool:
        if source.registry != self._session.registry or source.path in self._unmountable:
            return False
        if source.path == self._session.path:
            return True
        try:
            response = self._session.request(
                "POST",
                f"blobs/uploads/?mount={descriptor.digest}&from={percent_encoded(source.path, safe='/')}",
                limit=limits.ERROR_BODY_BYTES,
                actions=PUSH,
                pull_from=source.path,
            )
        except TransportError:
            self._unmountable.add(source.path)  # this login may not read there, or mounts fail: the bytes are sent
            return False
        if response.status == 201:
            self._there.add(descriptor.digest)
            return True
        # A 202 starts an upload instead, which the registry drops. Further mounts from it will fail too.
        self._unmountable.add(source.path)
        return False

    def _begin_upload(self) -> Response:
        """Starts an upload."""
        return self._session.request(
            "POST", "blobs/uploads/", limit=limits.ERROR_BODY_BYTES, body=b"", content_type="", actions=PUSH
        )

    def _place(self, start: Response, descriptor: Descriptor) -> str:
        """The URL that the registry names for the upload."""
        what = self._what(descriptor)
        self._session.expect(start, f"{what}: upload", 202)
        if not start.headers.get("location"):
            raise UnexpectedResponse(f"{what}: the registry named no URL for the upload")
        location = served_url(start.url, start.headers["location"], "Location")
        separator = "&" if "?" in location.target else "?"
        return str(served_url(start.url, f"{location}{separator}digest={descriptor.digest}", "Location"))

    def _what(self, descriptor: Descriptor) -> str:
        return f"{self._session.name}: blob {descriptor.digest}"
