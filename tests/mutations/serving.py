"""Where the judges find a changed image: a registry on loopback that gives whatever is stored, folders, archives."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.mutations.changes import Mutation
from tests.mutations.stores import Store, digest_of, listing
from tests.mutations.tars import members_of, tar_of

_PATH = re.compile(r"/v2/m/(?P<number>\w+)/(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+)")


class Shelf:
    """A registry with one repository, `m/NUMBER`, for each image that is on it. It checks nothing."""

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}
        self._server = InMemoryRegistry()
        self._server.faults.append(self._answer)

    def __enter__(self) -> Shelf:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(None, None, None)

    def reference(self, number: str) -> str:
        return f"{self._server.host}/m/{number}"

    def put(self, number: str, store: Store) -> None:
        self._stores[number] = store

    def take(self, number: str) -> None:
        self._stores.pop(number, None)

    def _answer(self, request: Request) -> Answer:
        if request.path == "/v2/":
            return Answer(200, b"{}", {"content-type": "application/json"})
        match = _PATH.fullmatch(request.path)
        store = self._stores.get(match["number"]) if match else None
        if match is None or store is None:
            return _gone()
        kind, reference = match["kind"], match["reference"]
        if kind == "referrers":
            if not store.listings and any(re.fullmatch(r"sha256-[0-9a-f]{64}", tag) for tag in store.tags):
                return Answer(404, b"404 page not found")
            return _content(store.listings.get(reference, listing([])), "application/vnd.oci.image.index.v1+json")
        digest = store.tags.get(reference, reference)
        content = store.blobs.get(digest)
        if content is None or (kind == "manifests" and digest not in store.types):
            return _gone()
        if kind == "blobs":
            return _content(content, "application/octet-stream")
        return _content(content, store.types[digest], store.headers.get(digest))


def _content(body: bytes, media_type: str, more: dict[str, str] | None = None) -> Answer:
    headers = {"content-type": media_type, "docker-content-digest": digest_of(body), **(more or {})}
    return Answer(200, body, {name: value for name, value in headers.items() if value})


def _gone() -> Answer:
    return Answer(404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "not here"}]}).encode())


def write(mutation: Mutation, folder: Path) -> Path:
    """The image in the home of its base, below the folder."""
    store, home = mutation.store, mutation.base.home
    files = members_of(store.files, store.blobs)
    if home in ("oci-archive", "docker-archive"):
        folder.mkdir(parents=True)
        path = folder / "image.tar"
        path.write_bytes(tar_of(files, mutation.tar))
        return path
    if home == "dir":
        files = {name.rpartition("/")[2]: content for name, content in files.items()}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def keep(mutation: Mutation, folder: Path) -> None:
    """Everything of the image, for whoever looks at it."""
    shutil.rmtree(folder, ignore_errors=True)
    store = mutation.store
    if mutation.base.home not in ("registry", "fallback"):
        write(mutation, folder)
        return
    write_layout = {f"listings/{digest[7:]}": content for digest, content in store.listings.items()}
    for name, content in {**members_of({}, store.blobs), **write_layout}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    notes = {"tags": store.tags, "types": store.types, "headers": store.headers}
    (folder / "tags.json").write_text(json.dumps(notes, indent=1))
