"""A registry in memory on loopback, with the faults that a test asks for. It refuses what the protocol forbids.

Spec: OCI distribution-spec 1.1. Use it to test what a program does when a registry misbehaves; for what registries do,
test with real ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from typing import Self
from urllib.parse import parse_qs

from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.testing.loopback_server import Answer, LoopbackServer, Request

_INDEX = "application/vnd.oci.image.index.v1+json"
_PATH = regex(
    r"/v2/(?P<name>[a-z0-9/._-]+)/(?P<kind>manifests|blobs|referrers|blobs/uploads|tags)/(?P<reference>[^/]*)"
)


Fault = Callable[[Request], Answer | None]
"""What to answer instead of the registry's own answer; None leaves it to the registry."""


class InMemoryRegistry:
    """Serves while it is entered. `requests` logs what came; each of `faults` is asked before the registry itself.

    `referrers_api`, `oci_subject`: whether there is a referrers API, and whether a PUT is answered with OCI-Subject.
    `deletes`, `mounts`: whether manifests are deleted, and blobs mounted from another repository.
    `lists_types`: whether the referrers API gives the artifact types.
    `basic`: the user name and password that are wanted; `bearer`: the same, at a token server under `/token`.
    """

    @checks_arguments
    def __init__(
        self,
        *,
        referrers_api: bool = True,
        oci_subject: bool = True,
        deletes: bool = True,
        mounts: bool = True,
        lists_types: bool = False,
        basic: tuple[str, str] | None = None,
        bearer: tuple[str, str] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self._referrers_api, self._oci_subject = referrers_api, oci_subject
        self._deletes, self._mounts, self._lists_types = deletes, mounts, lists_types
        self._basic, self._bearer = basic, bearer
        self._blobs: dict[tuple[str, str], bytes] = {}
        self._manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._lock = threading.Lock()
        self._server: LoopbackServer | None = None

    def __enter__(self) -> Self:
        self._server = LoopbackServer(self._answer)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stop()

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`. Raises `InvalidArgument` before the registry is entered."""
        if self._server is None:
            raise InvalidArgument("InMemoryRegistry: not started", hint="use it in a with block")
        return self._server.host

    def asked(self, method: str = "", containing: str = "") -> int:
        """How many requests of this method had this text in their path."""
        return sum(1 for item in self.requests if method in ("", item.method) and containing in item.path)

    @checks_arguments
    def add_image(self, name: str = "app:1", *, platforms: Sequence[str] = ()) -> str:
        """Stores a small image, or an index with one for each platform, without a request. Gives its reference."""
        from imagesig.testing.images import StoredImages, repository_and_tag

        repository, tag = repository_and_tag(name)
        StoredImages(
            lambda content: self.put_blob(repository, content),
            lambda content, media_type, tag: self.put_manifest(repository, content, media_type, tag),
        ).add(repository, tag, platforms)
        return f"{self.host}/{name}"

    def manifest(self, name: str, reference: str) -> tuple[bytes, str]:
        """The bytes and the media type of a stored manifest. Raises `KeyError` if nothing is stored."""
        return self._manifests[name, reference]

    def has_manifest(self, name: str, reference: str) -> bool:
        """Whether a manifest is stored under this tag or digest."""
        return (name, reference) in self._manifests

    @checks_arguments
    def put_manifest(self, name: str, content: bytes, media_type: str, tag: str = "") -> str:
        """Stores any bytes as a manifest, without checks, under their digest and a tag. Gives the digest."""
        digest = _digest(content)
        with self._lock:
            self._manifests |= {(name, reference): (content, media_type) for reference in (digest, tag or digest)}
        return digest

    def blob(self, name: str, digest: str) -> bytes:
        """The bytes of a stored blob. Raises `KeyError` if nothing is stored."""
        return self._blobs[name, digest]

    @checks_arguments
    def put_blob(self, name: str, content: bytes) -> str:
        """Stores a blob without checks and gives its digest."""
        digest = _digest(content)
        with self._lock:
            self._blobs[name, digest] = content
        return digest

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
        for fault in list(self.faults):
            if (answer := fault(request)) is not None:
                return answer
        return self.own_answer(request)

    def own_answer(self, request: Request) -> Answer:
        """What the registry itself answers, for a fault that changes some of it."""
        with self._lock:
            return self._log_in(request) or self._route(request)

    # --- logins --------------------------------------------------------------------------------------------------

    def _log_in(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        if self._basic and given != _basic(self._basic):
            return Answer(401, _error("UNAUTHORIZED"), {"www-authenticate": 'Basic realm="test"'})
        if self._bearer is None:
            return None
        if request.path == "/token":
            return self._token(request, given)
        name = (
            request.path.removeprefix("/v2/")
            .partition("/manifests")[0]
            .partition("/blobs")[0]
            .partition("/referrers")[0]
            .partition("/tags")[0]
        )
        wanted = [f"repository:{name}:{_actions(request)}"]
        if other := request.query.get("from", [""])[0]:
            wanted.append(f"repository:{other}:pull")
        if _granted(given).issuperset(_permissions(wanted)):
            return None
        scope = " ".join(wanted)
        challenge = f'Bearer realm="http://{self.host}/token",service="test",scope="{scope}"'
        return Answer(401, _error("UNAUTHORIZED"), {"www-authenticate": challenge})

    def _token(self, request: Request, given: str) -> Answer:
        assert self._bearer is not None
        form = parse_qs(request.body.decode()) if request.method == "POST" else request.query
        by_refresh = form.get("refresh_token") == [self._bearer[1]]
        if not by_refresh and given != _basic(self._bearer):
            return Answer(401, _error("UNAUTHORIZED"))
        token = _encoded(" ".join(form["scope"]))
        return Answer(200, json.dumps({"token": token, "expires_in": 300}).encode())

    # --- content -------------------------------------------------------------------------------------------------

    def _route(self, request: Request) -> Answer:
        match = _PATH.fullmatch(request.path)
        if match is None:
            return Answer(404, _error("NAME_INVALID"))
        name, kind, reference = match["name"], match["kind"], match["reference"]
        if kind == "blobs/uploads":
            return self._upload(request, name)
        if kind == "tags":
            return self._tags(name, reference, request)
        if kind == "referrers":
            return self._referrers(name, reference) if self._referrers_api else Answer(404, b"404 page not found")
        if kind == "blobs":
            blob = self._blobs.get((name, reference))
            return Answer(404, _error("BLOB_UNKNOWN")) if blob is None else _content(blob, "application/octet-stream")
        if request.method == "DELETE":
            return self._delete_manifest(name, reference)
        if request.method == "PUT":
            return self._put_manifest(request, name, reference)
        stored = self._manifests.get((name, reference))
        return Answer(404, _error("MANIFEST_UNKNOWN")) if stored is None else _content(*stored)

    def _upload(self, request: Request, name: str) -> Answer:
        digest = request.query.get("digest", [""])[0]
        mounted = (request.query.get("from", [""])[0], request.query.get("mount", [""])[0])
        if self._mounts and mounted in self._blobs:
            self._blobs[name, mounted[1]] = self._blobs[mounted]
            return Answer(201, headers={"location": f"/v2/{name}/blobs/{mounted[1]}"})
        if request.method == "POST" and not request.body:
            return Answer(202, headers={"location": f"/v2/{name}/blobs/uploads/session"})
        if digest != _digest(request.body, digest.partition(":")[0]):
            return Answer(400, _error("DIGEST_INVALID"))
        self._blobs[name, digest] = request.body
        return Answer(201, headers={"location": f"/v2/{name}/blobs/{digest}"})

    def _put_manifest(self, request: Request, name: str, reference: str) -> Answer:
        digest, document = _digest(request.body), json.loads(request.body)
        if reference.startswith("sha256:") and reference != digest:
            return Answer(400, _error("DIGEST_INVALID"))
        for layer in [document.get("config"), *(document.get("layers") or [])]:
            if layer and (name, layer["digest"]) not in self._blobs:
                return Answer(404, _error("MANIFEST_BLOB_UNKNOWN"))
        stored = (request.body, request.headers.get("content-type", ""))
        self._manifests[name, digest] = self._manifests[name, reference] = stored
        subject = _subject_of(request.body)
        tells = subject and self._referrers_api and self._oci_subject
        return Answer(201, headers={"docker-content-digest": digest} | ({"oci-subject": subject} if tells else {}))

    def _delete_manifest(self, name: str, reference: str) -> Answer:
        if not self._deletes:
            return Answer(405, _error("UNSUPPORTED"))
        gone = self._manifests.pop((name, reference), None)
        if gone is None:
            return Answer(404, _error("MANIFEST_UNKNOWN"))
        for at in [at for at, stored in self._manifests.items() if at[0] == name and stored == gone]:
            del self._manifests[at]
        return Answer(202)

    def _tags(self, name: str, reference: str, request: Request) -> Answer:
        found = sorted(tag for where, tag in self._manifests if where == name and ":" not in tag)
        if reference != "list" or not found:
            return Answer(404, _error("NAME_UNKNOWN"))
        count, last = int(request.query.get("n", ["100"])[0]), request.query.get("last", [""])[0]
        left = [tag for tag in found if tag > last]
        page, more = left[:count], len(left) > count
        link = {"link": f'</v2/{name}/tags/list?n={count}&last={page[-1]}>; rel="next"'} if more else {}
        return Answer(200, json.dumps({"name": name, "tags": page}).encode(), link)

    def _referrers(self, name: str, digest: str) -> Answer:
        found = []
        for (where, reference), (content, media_type) in self._manifests.items():
            if where == name and reference.startswith("sha256:") and _subject_of(content) == digest:
                entry = {"mediaType": media_type, "digest": reference, "size": len(content)}
                found.append(entry | (_type_of(content) if self._lists_types else {}))
        document = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": found}
        return _content(json.dumps(document).encode(), _INDEX)


def _subject_of(content: bytes) -> str:
    """The digest of a manifest's subject; empty if it has no subject, or is not a manifest."""
    try:
        return str(json.loads(content)["subject"]["digest"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _type_of(content: bytes) -> dict[str, str]:
    """The artifact type of a manifest, as a member of its entry: its own, or that of its config."""
    document = json.loads(content)
    return {"artifactType": document.get("artifactType") or document.get("config", {}).get("mediaType", "")}


def _actions(request: Request) -> str:
    if request.method == "DELETE":
        return "pull,push,delete"
    return "pull" if request.method in ("GET", "HEAD") and "uploads" not in request.path else "pull,push"


def _permissions(scopes: list[str]) -> set[tuple[str, str]]:
    """Pairs of repository and action."""
    return {(scope.split(":")[1], action) for scope in scopes for action in scope.split(":")[2].split(",")}


def _granted(authorization: str) -> set[tuple[str, str]]:
    scheme, _, token = authorization.partition(" ")
    return _permissions(base64.urlsafe_b64decode(token).decode().split()) if scheme == "Bearer" else set()


def _content(body: bytes, media_type: str) -> Answer:
    return Answer(200, body, {"content-type": media_type, "docker-content-digest": _digest(body)})


def _digest(content: bytes, algorithm: str = "sha256") -> str:
    if algorithm not in ("sha256", "sha384", "sha512"):
        return ""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def _error(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()
