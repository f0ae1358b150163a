"""A trust server in this process that stores what is published, with keys of its own and the rules of notary's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from typing import Any

from imagesig.content_trust.canonical import canonical_json
from imagesig.content_trust.metadata import parse_document, parse_root, serialized
from imagesig.testing.loopback_server import Answer, LoopbackServer, Request
from tests.content_trust.repository import NOW, Key, ed, hashes_of

Files = dict[str, bytes]


def refusal(status: int, code: str, detail: object = None) -> Answer:
    body = {"errors": [{"code": code, "message": "", "detail": detail}]}
    return Answer(status, json.dumps(body).encode())


class WritableNotary:
    """Repositories by name: their present files by role, and every file by the name that it is asked for.

    `before` is called with each update before it is stored, and may answer it; `stored` changes what is stored.
    With `scopes` a token is needed for each, and its scopes are added there.
    """

    def __init__(self) -> None:
        self.current: dict[str, Files] = {}
        self.named: dict[str, Files] = {}
        self.keys: dict[tuple[str, str], Key] = {}
        self.updates: list[Files] = []
        self.before: Callable[[str, Files], Answer | None] = lambda _name, _files: None
        self.stored: Callable[[str, bytes], bytes] = lambda _role, content: content
        self.scopes: list[str] | None = None
        self._server = LoopbackServer(self._answer)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://{self._server.host}"

    def stop(self) -> None:
        self._server.stop()

    def key(self, name: str, role: str, *, new: bool = False) -> Key:
        if new or (name, role) not in self.keys:
            self.keys[name, role] = ed()
        return self.keys[name, role]

    def versions(self, name: str) -> dict[str, int]:
        return {role: parse_document(role, content).version for role, content in self.current[name].items()}

    def store(self, name: str, files: Files) -> None:
        """Stores files without a check, and signs the snapshot and the timestamp."""
        present = self.current.setdefault(name, {})
        present |= files
        if "snapshot" not in files:
            roles = {role: content for role, content in present.items() if role not in ("snapshot", "timestamp")}
            self._own(name, "snapshot", {role: hashes_of(content) for role, content in roles.items()})
        self._own(name, "timestamp", {"snapshot": hashes_of(present["snapshot"])})
        named = self.named.setdefault(name, {})
        for role, content in present.items():
            kept = self.stored(role, content)
            named[f"{role}.json"] = named[f"{role}.{hashlib.sha256(kept).hexdigest()}.json"] = kept
            named[f"{parse_document(role, content).version}.{role}.json"] = kept

    def _own(self, name: str, role: str, meta: dict[str, Any]) -> None:
        present = self.current[name]
        version = parse_document(role, present[role]).version + 1 if role in present else 1
        expires = (NOW + timedelta(days=14)).strftime("%Y-%m-%dT%H:%M:%SZ")
        signed = {"_type": role.capitalize(), "expires": expires, "meta": meta, "version": version}
        present[role] = serialized(signed, [self.key(name, role).sign(canonical_json(signed))])

    def _answer(self, request: Request) -> Answer:
        if self.scopes is not None:
            if request.path == "/token":
                self.scopes += request.query["scope"]
                return Answer(200, json.dumps({"token": " ".join(request.query["scope"]).encode().hex()}).encode())
            actions = "*" if request.path.endswith(".key") and request.method == "POST" else "pull"
            if actions == "pull" and (request.method == "POST" or request.path.endswith(".key")):
                actions = "push,pull"
            scope = f"repository:{request.path.removeprefix('/v2/').partition('/_trust/')[0]}:{actions}"
            granted = bytes.fromhex(request.headers.get("authorization", "").removeprefix("Bearer ")).decode()
            if not set(actions.split(",")) <= set(granted.rpartition(":")[2].split(",")):
                challenge = f'Bearer realm="{self.url}/token",service="notary",scope="{scope}"'
                return Answer(401, b"{}", {"www-authenticate": challenge})
        name, _, file = request.path.removeprefix("/v2/").partition("/_trust/tuf/")
        if file.endswith(".key"):
            key = self.key(name, file.removesuffix(".key"), new=request.method == "POST")
            return Answer(200, json.dumps(key.written).encode())
        if request.method == "POST":
            return self._updated(name, _parts(request))
        content = self.named.get(name, {}).get(file)
        return refusal(404, "METADATA_NOT_FOUND") if content is None else Answer(200, content)

    def _updated(self, name: str, files: Files) -> Answer:
        self.updates.append(files)
        if (answer := self.before(name, files)) is not None:
            return answer
        present = self.current.get(name, {})
        for role, content in files.items():
            version = parse_document(role, content).version
            if role in present and version <= parse_document(role, present[role]).version:
                return refusal(400, "VERSION")
        if not present and not {"root", "targets"} <= set(files):
            return refusal(400, "INVALID_UPDATE", {"Name": "ErrBadRoot", "Error": {"Msg": "no root"}})
        if "root" in files:
            parse_root(files["root"])
        self.store(name, files)
        return Answer(200)


def _parts(request: Request) -> Files:
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body)
    found: Files = {}
    for part in message.get_payload():  # type: ignore[union-attr]
        name, content = part.get_filename(), part.get_payload(decode=True)  # type: ignore[union-attr]
        assert part.get_param("name", header="content-disposition") == "files"  # type: ignore[union-attr]
        found[name] = content
    return found


@contextmanager
def writable_notary() -> Iterator[WritableNotary]:
    server = WritableNotary()
    try:
        yield server
    finally:
        server.stop()
