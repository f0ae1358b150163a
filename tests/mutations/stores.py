"""What lies somewhere for one image, as plain bytes: manifests and blobs by digest, tags, listings, other files."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from tests.mutations.trees import Members, dump, load, sites

INDEX = "application/vnd.oci.image.index.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"


class Fix(Enum):
    """What is made fit again after a document changed."""

    NOTHING = "nothing"
    """The changed bytes lie under the old digest."""
    PARENTS = "parents"
    """They lie under their own digest, and what lists them, up to the tag, says so."""
    EVERYTHING = "everything"
    """So do those that refer to them: subjects, tags of signatures, listings."""


class Place(NamedTuple):
    """Where a document lies: `blob` and its digest, `file` and its name, `listing` and the digest of its subject."""

    kind: str
    key: str


@dataclass
class Store:
    """`types` are the media types of manifests, as a registry sends them; `headers` are more of them by digest."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    listings: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> Store:
        return deepcopy(self)

    def read(self, place: Place) -> bytes:
        return {"blob": self.blobs, "file": self.files, "listing": self.listings}[place.kind][place.key]

    def put(self, place: Place, content: bytes, fix: Fix) -> Place:
        """Puts a document in the place of another one; gives where it lies now."""
        if place.kind == "file":
            self.files[place.key] = content
        elif place.kind == "listing":
            self.listings[place.key] = content
        elif fix is Fix.NOTHING:
            self.blobs[place.key] = content
        else:
            self._rename(place.key, content, everything=fix is Fix.EVERYTHING)
            if self.listings:
                self.relist()
            return Place("blob", digest_of(content))
        return place

    def _rename(self, old: str, content: bytes, *, everything: bool) -> None:
        new = digest_of(content)
        if new == old:
            return
        self.blobs[new] = content
        if old in self.types:
            self.types[new] = self.types[old]
        prefix, renamed = f"sha256-{old[7:]}", f"sha256-{new[7:]}"
        for tag, digest in list(self.tags.items()):
            if digest == old:
                self.tags[tag] = new
            if everything and tag.startswith(prefix):
                self.tags[tag.replace(prefix, renamed)] = self.tags.pop(tag)
        for digest in list(self.types):
            if digest in (old, new) or digest not in self.blobs:  # not there any more: it changed along with another
                continue
            made = patched(self.blobs[digest], old, content, subjects=everything)
            if made != self.blobs[digest]:
                self._rename(digest, made, everything=everything)
                self.blobs.pop(digest, None)
                self.types.pop(digest, None)
        for name, before in self.files.items():
            made = patched(before, old, content, subjects=everything)
            self.files[name] = made.replace(prefix.encode(), renamed.encode()) if everything else made
        self.blobs.pop(old, None)
        self.types.pop(old, None)

    def relist(self) -> None:
        """Makes the listings as a registry does: from what lies there."""
        found: dict[str, list[dict[str, object]]] = {digest: [] for digest in self.listings}
        for digest, media_type in self.types.items():
            try:
                document = json.loads(self.blobs[digest])
                subject = document["subject"]["digest"]
                kind = document.get("artifactType") or document["config"]["mediaType"]
                entry = {
                    "mediaType": media_type,
                    "size": len(self.blobs[digest]),
                    "digest": digest,
                    "artifactType": kind,
                }
                notes = document.get("annotations") or {}
                found.setdefault(subject, []).append({**entry, **({"annotations": notes} if notes else {})})
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
        self.listings = {subject: listing(entries) for subject, entries in found.items()}


def listing(entries: list[dict[str, object]]) -> bytes:
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def patched(document: bytes, old: str, content: bytes, *, subjects: bool) -> bytes:
    """The document with every descriptor of `old` made one of `content`; that of a subject only if asked to."""
    if old.encode() not in document and old[7:].encode() not in document:
        return document
    try:
        tree = load(document)
    except (ValueError, RecursionError):
        return document
    new = digest_of(content)
    nodes = [("", tree), *((site.path, site.value) for site in sites(tree))]
    for path, node in nodes:
        if not isinstance(node, Members) or (path == "/subject" and not subjects):
            continue
        if any(key == "digest" and value == old for key, value in node):
            for member in node:
                if member[0] == "digest":
                    member[1] = new
                elif member[0] == "size":
                    member[1] = len(content)
    for site in sites(tree):
        if isinstance(site.value, str) and site.value == f"blobs/sha256/{old[7:]}":
            site.holder[site.at] = f"blobs/sha256/{new[7:]}"
    return dump(tree)


def of_layout(folder: Path) -> Store:
    """A layout's files."""
    store = Store()
    for path in (folder / "blobs" / "sha256").iterdir():
        store.blobs[f"sha256:{path.name}"] = path.read_bytes()
    for name in ("index.json", "oci-layout"):
        store.files[name] = (folder / name).read_bytes()
    for entry in json.loads(store.files["index.json"])["manifests"]:
        store.types[entry["digest"]] = entry["mediaType"]
        for child in json.loads(store.blobs[entry["digest"]]).get("manifests", []):
            store.types[child["digest"]] = child["mediaType"]
    return store


def as_repository(layout: Store, *, referrers_api: bool) -> Store:
    """The same in a registry: tags by the names in the index, and listings; or, without the API, a fallback index."""
    store = layout.copy()
    for entry in json.loads(store.files["index.json"])["manifests"]:
        if name := entry.get("annotations", {}).get(REF_NAME):
            store.tags[name] = entry["digest"]
    store.files = {}
    store.relist()
    if not referrers_api:
        for subject, content in store.listings.items():
            store.blobs[digest_of(content)] = content
            store.types[digest_of(content)] = INDEX
            store.tags[subject.replace(":", "-")] = digest_of(content)
        store.listings = {}
    return store


def as_directory(folder: Path) -> Store:
    """A `dir:` directory: blobs lie under their bare hex there."""
    store = Store()
    for path in folder.iterdir():
        if len(path.name) == 64:
            store.blobs[f"sha256:{path.name}"] = path.read_bytes()
        else:
            store.files[path.name] = path.read_bytes()
    return store


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
