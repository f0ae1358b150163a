"""One repository of a registry, read and written through the OCI distribution API.

Spec: OCI distribution-spec 1.1, with the tag schema where the referrers API is missing. Signed bytes are kept as they
came: every body is compared with the digest that it was asked for by, and nothing is parsed and written again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import DigestMismatch, LimitExceeded, MalformedError, NotFound, UnexpectedResponse, quote
from imagesig.http import HttpClient, Response, growing_pause, origin, redact, wait
from imagesig.images.merge import Merge, TagChange, Tagged
from imagesig.images.registry_auth import RegistryLogin
from imagesig.images.registry_error import failure, is_passing
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest, sha256, tag_of
from imagesig.oci.manifest import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    detect_media_type,
    parse_index,
    parse_manifest,
)
from imagesig.oci.reference import Reference

_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
_NEXT_PAGE = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')
_PULL, _PUSH = "pull", "pull,push"
_SMALL_BYTES = 1024 * 1024
_KEPT_MANIFESTS = 64
"""Manifests that `resolve` read and `read` may ask for again."""
_KEPT_BYTES = 1024 * 1024


class RegistryRepository:
    """One repository of a registry; an `ImageHome`. Safe to use from several threads."""

    def __init__(self, http: HttpClient, login: RegistryLogin, registry: str, reference: Reference) -> None:
        self._http = http
        self._login = login
        self._registry = registry
        self._path = reference.path
        self._name = reference.repository
        self._manifests: dict[str, bytes] = {}
        self._blobs: set[str] = set()
        self._keeps_referrers: bool | None = None
        self._writing: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"RegistryRepository({self._name!r})"

    # --- reading -------------------------------------------------------------------------------------------------

    def resolve(self, tag_or_digest: str) -> Descriptor:
        what = f"{self._name}: manifest {tag_or_digest}"
        response = self._request("GET", f"manifests/{tag_or_digest}", limit=limits.MANIFEST_BYTES, accept=_ACCEPT)
        self._expect(response, what, 200)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            media_type = detect_media_type(response.body, what)
        _refuse_other_kind(response.body, media_type, what)
        digest = sha256(response.body)
        for wanted in (tag_or_digest, response.headers.get("docker-content-digest", "")):
            if is_digest(wanted) and wanted != digest:
                raise DigestMismatch(f"{what}: {wanted} was expected, but the bytes that came are {digest}")
        self._keep(digest, response.body)
        return Descriptor(media_type, digest, len(response.body))

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        what = f"{self._name}: {descriptor.digest}"
        if descriptor.size > limit:
            raise LimitExceeded(f"{what}: {descriptor.size} bytes, at most {limit} are read")
        if descriptor.media_type in (*MANIFEST_TYPES, *INDEX_TYPES):
            content = self._manifests.get(descriptor.digest)
            if content is not None:
                return content
            path, accept = f"manifests/{descriptor.digest}", _ACCEPT
        else:
            path, accept = f"blobs/{descriptor.digest}", "*/*"
        response = self._request("GET", path, limit=descriptor.size, accept=accept)
        self._expect(response, what, 200)
        if sha256(response.body) != descriptor.digest or len(response.body) != descriptor.size:
            seen = f"{len(response.body)} bytes came, with digest {sha256(response.body)}"
            raise DigestMismatch(f"{what}: {seen}; {descriptor.size} bytes were expected")
        if path.startswith("manifests/"):
            _refuse_other_kind(response.body, descriptor.media_type, what)
            self._keep(descriptor.digest, response.body)
        return response.body

    def has(self, digest: str) -> bool:
        response = self._request("HEAD", f"manifests/{digest}", limit=0, accept=_ACCEPT)
        if response.status == 404:
            return False
        self._expect(response, f"{self._name}: manifest {digest}", 200)
        return True

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        listed = self._referrers_api(digest)
        return self._fallback_index(digest) if listed is None else listed

    def _referrers_api(self, digest: str) -> tuple[Descriptor, ...] | None:
        """What the referrers API lists, page by page; None where there is no such API."""
        what = f"{self._name}: referrers of {digest}"
        url = f"{self._base}/referrers/{digest}"
        found: dict[str, Descriptor] = {}
        seen: set[str] = set()
        while url:
            if url in seen or len(seen) >= limits.REFERRERS_PAGES:
                raise LimitExceeded(f"{what}: more than {limits.REFERRERS_PAGES} pages, or one page twice")
            seen.add(url)
            response = self._request("GET", url, limit=limits.REFERRERS_PAGE_BYTES, accept=OCI_INDEX)
            kind = response.headers.get("content-type", "").partition(";")[0].strip()
            if len(seen) == 1 and (
                response.status in (400, 404, 405, 501) or (response.status == 200 and kind != OCI_INDEX)
            ):
                return None
            self._expect(response, what, 200)
            for descriptor in parse_index(response.body, OCI_INDEX, what).manifests:
                found[descriptor.digest] = descriptor
            if len(found) > limits.REFERRERS:
                raise LimitExceeded(f"{what}: more than {limits.REFERRERS} of them")
            url = _next_page(response, what)
        return tuple(found.values())

    def _fallback_index(self, digest: str) -> tuple[Descriptor, ...]:
        tag = tag_of(digest)
        try:
            descriptor = self.resolve(tag)
        except NotFound:
            return ()
        content = self.read(descriptor, limit=limits.MANIFEST_BYTES)
        manifests = parse_index(content, descriptor.media_type, f"{self._name}: {tag}").manifests
        return tuple({item.digest: item for item in manifests}.values())

    # --- writing -------------------------------------------------------------------------------------------------

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        what = f"{self._name}: blob {descriptor.digest}"
        if descriptor.digest in self._blobs or (
            len(content) > _SMALL_BYTES and self._has_blob(descriptor.digest, what)
        ):
            return descriptor
        done = self._patiently(lambda: self._upload(content, descriptor.digest, what), what)
        self._expect(done, f"{what}: upload", 201)
        self._blobs.add(descriptor.digest)
        return descriptor

    def _upload(self, content: bytes, digest: str, what: str) -> Response:
        start = self._begin_upload(content if len(content) <= _SMALL_BYTES else b"", digest)
        if start.status != 202:
            return start
        location = urljoin(start.url, start.headers.get("location", ""))
        if not start.headers.get("location"):
            raise UnexpectedResponse(f"{what}: the registry named no place to upload to")
        separator = "&" if urlsplit(location).query else "?"
        return self._request(
            "PUT",
            f"{location}{separator}digest={digest}",
            limit=limits.ERROR_BODY_BYTES,
            body=content,
            content_type="application/octet-stream",
            actions=_PUSH,
        )

    def _patiently(self, upload: Callable[[], Response], what: str) -> Response:
        """The answer to an upload, which is repeated where the registry refused it for a fault of its own."""
        for attempt in range(1, limits.UPLOAD_ATTEMPTS):
            response = upload()
            if not is_passing(response):
                return response
            wait(growing_pause(attempt), what)
        return upload()

    def _has_blob(self, digest: str, what: str) -> bool:
        head = self._request("HEAD", f"blobs/{digest}", limit=0, actions=_PUSH)
        if head.status == 404:
            return False
        self._expect(head, what, 200)
        return True

    def _begin_upload(self, content: bytes, digest: str) -> Response:
        """A small blob goes along with the first request; registries that do not take it so answer 202 and wait."""
        return self._request(
            "POST",
            f"blobs/uploads/?digest={digest}" if content else "blobs/uploads/",
            limit=limits.ERROR_BODY_BYTES,
            body=content,
            content_type="application/octet-stream" if content else "",
            actions=_PUSH,
        )

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        self._put_manifest(content, media_type, tag)
        return Descriptor.of(content, media_type)

    def move_tag(self, tag: str, content: bytes, media_type: str) -> None:
        """Stores a manifest under a tag in one attempt: whoever repeats it merges what others wrote meanwhile first.

        Raises:
            TransportError: it was not stored, or nobody knows. `retryable` says whether another attempt can help.
        """
        self._stored(self._put(content, media_type, tag, attempts=1), content, tag)

    def _put_manifest(self, content: bytes, media_type: str, tag: str) -> Response:
        what = f"{self._name}: manifest {tag or sha256(content)}"
        return self._stored(self._patiently(lambda: self._put(content, media_type, tag), what), content, tag)

    def _put(self, content: bytes, media_type: str, tag: str, attempts: int = limits.HTTP_ATTEMPTS) -> Response:
        return self._request(
            "PUT",
            f"manifests/{tag or sha256(content)}",
            limit=limits.ERROR_BODY_BYTES,
            body=content,
            content_type=media_type,
            actions=_PUSH,
            attempts=attempts,
        )

    def _stored(self, response: Response, content: bytes, tag: str) -> Response:
        digest = sha256(content)
        what = f"{self._name}: manifest {tag or digest}"
        if response.status != 201 and not is_passing(response):
            self._blobs.clear()  # the registry may have dropped what we stored before
        self._expect(response, what, 201)
        stored = response.headers.get("docker-content-digest", digest)
        if stored != digest:
            raise DigestMismatch(f"{what}: the registry stored {quote(stored)} instead of {digest}")
        return response

    def add_referrer(self, content: bytes, subject: Descriptor) -> Callable[[], None]:
        response = self._put_manifest(content, OCI_MANIFEST, "")
        # Not every registry with the API says so in OCI-Subject: without it, the API itself is asked.
        if response.headers.get("oci-subject") == subject.digest or self.lists_referrers(subject.digest):
            return _nothing_to_settle
        entry = _referrer_entry(content)
        return self.change_tag(tag_of(subject.digest), lambda now: _with_entry(now, entry))

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        change = TagChange(self, tag, merge, uploads)
        with self.writing(tag):
            change.apply()

        def settle() -> None:
            with self.writing(tag):
                change.settle()

        return settle

    def lists_referrers(self, digest: str) -> bool:
        """Whether there is a referrers API; asked once, and only when the repository is known to exist."""
        if self._keeps_referrers is None:
            self._keeps_referrers = self._referrers_api(digest) is not None
        return self._keeps_referrers

    def writing(self, tag: str) -> threading.Lock:
        """Held while a tag is changed: writers in this process take turns."""
        with self._lock:
            return self._writing.setdefault(tag, threading.Lock())

    # --- requests ------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, *, actions: str) -> Response:
        """The registry's answer to a request without a body, whatever it is; logged in for these actions."""
        return self._request(method, path, limit=limits.ERROR_BODY_BYTES, actions=actions)

    @property
    def login_source(self) -> str:
        """Where this registry's credentials come from; nothing secret."""
        return self._login.source(self._registry)

    @property
    def _base(self) -> str:
        return f"{self._registry}/v2/{self._path}"

    def _request(
        self,
        method: str,
        path: str,
        *,
        limit: int,
        accept: str = "",
        body: bytes | None = None,
        content_type: str = "",
        actions: str = _PULL,
        attempts: int = limits.HTTP_ATTEMPTS,
    ) -> Response:
        """One request, logged in if the registry asks for it. `path` is below the repository, or a whole URL."""
        whole = "://" in path
        url = path if whole else f"{self._base}/{path}"
        ours = not whole or origin(url) == origin(self._registry)
        headers = {
            **({"accept": accept} if accept else {}),
            **({"content-type": content_type} if content_type else {}),
        }
        used = self._login.header(self._registry, self._path, actions) if ours else ""

        def send(authorization: str) -> Response:
            sent = {**headers, **({"authorization": authorization} if authorization else {})}
            return self._send(method, url, limit, sent, body, attempts)

        response = send(used)
        # A challenge counts only from the registry itself, not from where it redirected us to.
        if response.status != 401 or not ours or origin(response.url) != origin(self._registry):
            return response
        challenge = response.headers.get("www-authenticate", "")
        header = self._login.answer(challenge, self._registry, self._path, actions, used)
        return send(header)

    def _send(
        self, method: str, url: str, limit: int, headers: Mapping[str, str], body: bytes | None, attempts: int
    ) -> Response:
        most = max(limit, limits.ERROR_BODY_BYTES)
        response = self._http.request(method, url, limit=most, headers=headers, body=body, attempts=attempts)
        if response.status < 300 and len(response.body) > limit:
            raise LimitExceeded(f"{method} {redact(url)}: {len(response.body)} bytes, at most {limit} were expected")
        return response

    def _expect(self, response: Response, what: str, status: int) -> None:
        if response.status != status:
            raise failure(response, what, status)

    def _keep(self, digest: str, content: bytes) -> None:
        if len(self._manifests) >= _KEPT_MANIFESTS:
            self._manifests.pop(next(iter(self._manifests)), None)
        if len(content) <= _KEPT_BYTES:
            self._manifests[digest] = content


def _refuse_other_kind(content: bytes, media_type: str, what: str) -> None:
    """Refuses bytes that are not what their type says, or that could be read as the other kind (CVE-2021-41190)."""
    document = parse_object(content, what)
    other = ("config", "layers", "fsLayers") if media_type in INDEX_TYPES else ("manifests", "fsLayers")
    if document.get("mediaType", media_type) != media_type or any(name in document for name in other):
        raise MalformedError(f"{what}: came as {media_type}, but reads as another kind of document")


def _next_page(response: Response, what: str) -> str:
    match = _NEXT_PAGE.search(response.headers.get("link", ""))
    if not match:
        return ""
    url: str = urljoin(response.url, match[1])
    if origin(url) != origin(response.url):
        raise UnexpectedResponse(f"{what}: the next page is on another server, {quote(redact(url))}")
    return url


def _referrer_entry(content: bytes) -> Descriptor:
    manifest = parse_manifest(content, OCI_MANIFEST, "referrer")
    descriptor = Descriptor.of(content, OCI_MANIFEST)
    artifact_type = manifest.artifact_type or manifest.config.media_type
    return Descriptor(OCI_MANIFEST, descriptor.digest, descriptor.size, manifest.annotations, artifact_type)


def _with_entry(now: Tagged | None, entry: Descriptor) -> Tagged | None:
    """The fallback index with one more entry, every other member kept as it stands."""
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if now is not None:
        if now.media_type not in INDEX_TYPES:
            raise MalformedError(f"referrers tag: is a {now.media_type}; refusing to replace it by an index")
        parse_index(now.content, now.media_type, "referrers tag")
        document = parse_object(now.content, "referrers tag")
    manifests = document["manifests"]
    assert isinstance(manifests, list)
    if any(other.get("digest") == entry.digest for other in manifests):
        return None
    if len(manifests) >= limits.REFERRERS:
        raise LimitExceeded(f"referrers tag: holds {len(manifests)} entries; no more than {limits.REFERRERS} are read")
    document["manifests"] = sorted([*manifests, entry.to_json()], key=lambda item: str(item.get("digest")))
    return Tagged(go_json(document), now.media_type if now else OCI_INDEX)


def _nothing_to_settle() -> None:
    """The registry keeps referrers by itself: nothing that was written can be lost."""
