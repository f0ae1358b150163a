"""Images as the field has them: manifests and indexes with entries that other tools ignore, in a layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST

Members = dict[str, object]

LAYER = b"layer"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(LAYER).hexdigest()]},
    }
).encode()
AMD64 = {"os": "linux", "architecture": "amd64"}
ARM64 = {"os": "linux", "architecture": "arm64"}
ABSENT = "sha256:" + "0" * 64
SHA512 = "sha512:" + hashlib.sha512(LAYER).hexdigest()


def store(folder: Path, content: bytes, algorithm: str = "sha256") -> str:
    """Stores a blob and gives its digest."""
    name = hashlib.new(algorithm, content).hexdigest()
    (folder / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
    (folder / "blobs" / algorithm / name).write_bytes(content)
    return f"{algorithm}:{name}"


def entry(folder: Path, content: bytes, media_type: object, algorithm: str = "sha256", **others: object) -> Members:
    """Stores a blob and gives its descriptor, with other members if they are given."""
    described = {"mediaType": media_type, "digest": store(folder, content, algorithm), "size": len(content)}
    return described | others


def layer(folder: Path, **others: object) -> Members:
    return entry(folder, LAYER, LAYER_TYPE) | others


def manifest(folder: Path, **others: object) -> Members:
    """An image manifest; a member that is given as an ellipsis is missing."""
    whole: Members = {"schemaVersion": 2, "mediaType": OCI_MANIFEST} | others
    if "config" not in others:
        whole["config"] = entry(folder, CONFIG, OCI_CONFIG)
    if "layers" not in others:
        whole["layers"] = [layer(folder)]
    return {name: value for name, value in whole.items() if value is not ...}


def child(folder: Path, **others: object) -> Members:
    """The entry of an image for linux/amd64 in an index."""
    return entry(folder, json.dumps(manifest(folder)).encode(), OCI_MANIFEST, platform=AMD64) | others


def index(*children: object) -> Members:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children)}


def write_layout(folder: Path, document: Members) -> str:
    """Stores the image with the tag 1.0 in a layout, and gives its digest."""
    listed = entry(folder, json.dumps(document).encode(), document["mediaType"])
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    named = listed | {"annotations": {"org.opencontainers.image.ref.name": "1.0"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return str(listed["digest"])


Made = Callable[[Path], Members]

MOVED_BY_SKOPEO: dict[str, Made] = {
    "plain": manifest,
    "layers-null": lambda f: manifest(f, layers=None),
    "layers-missing": lambda f: manifest(f, layers=...),
    "layers-1500": lambda f: manifest(f, layers=[layer(f)] * 1500),
    "layer-type-empty": lambda f: manifest(f, layers=[layer(f, mediaType="")]),
    "layer-type-null": lambda f: manifest(f, layers=[layer(f, mediaType=None)]),
    "layer-type-odd": lambda f: manifest(f, layers=[layer(f, mediaType="odd type")]),
    "layer-size-negative": lambda f: manifest(f, layers=[layer(f, size=-1)]),
    "layer-size-null": lambda f: manifest(f, layers=[layer(f, size=None)]),
    "layer-annotation-null": lambda f: manifest(f, layers=[layer(f, annotations={"a": None})]),
    "config-null": lambda f: manifest(f, config=None),
    "config-type-empty": lambda f: manifest(f, config=entry(f, CONFIG, "")),
    "artifact-type-empty": lambda f: manifest(f, artifactType=""),
    "annotation-null": lambda f: manifest(f, annotations={"a": None}),
    "index-child-size-negative": lambda f: index(child(f), child(f, size=-1)),
}
"""Images that skopeo 1.22 copies with `--all --preserve-digests`."""

MOVED_BY_US: dict[str, Made] = {
    "layer-sha384": lambda f: manifest(f, layers=[entry(f, LAYER, LAYER_TYPE, "sha384")]),
    "layer-sha512": lambda f: manifest(f, layers=[entry(f, LAYER, LAYER_TYPE, "sha512")]),
    "config-sha512": lambda f: manifest(f, config=entry(f, CONFIG, OCI_CONFIG, "sha512")),
    "index-child-type-empty": lambda f: index(child(f, mediaType="")),
    "index-child-type-null": lambda f: index(child(f, mediaType=None)),
    "index-child-unknown": lambda f: index(child(f), entry(f, b"hello", "application/vnd.example.thing")),
}
"""Images that skopeo refuses, or copies only with another digest."""

MOVED_IN_PART: dict[str, tuple[Made, str]] = {
    "layer-null": (lambda f: manifest(f, layers=[layer(f), None]), "layers 1"),
    "layer-digest-upper-case": (lambda f: manifest(f, layers=[layer(f), layer(f, digest=SHA512.upper())]), "layers 1"),
    "layer-digest-short": (lambda f: manifest(f, layers=[layer(f), layer(f, digest="sha512:00")]), "layers 1"),
    "layer-digest-a-path": (lambda f: manifest(f, layers=[layer(f, digest="sha256:../../../x")]), "layers 0"),
    "layer-digest-unknown": (lambda f: manifest(f, layers=[layer(f, digest="md5:" + "0" * 32)]), "layers 0"),
    "config-a-list": (lambda f: manifest(f, config=[1]), "config"),
    "child-missing": (
        lambda f: index(child(f), {"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 7, "platform": ARM64}),
        f"'linux/arm64' {ABSENT}: is missing",
    ),
    "child-missing-without-size": (
        lambda f: index(child(f), {"mediaType": OCI_MANIFEST, "digest": ABSENT, "platform": ARM64}),
        f"'linux/arm64' {ABSENT}: is missing",
    ),
    "child-unknown-and-missing": (
        lambda f: index(child(f), {"mediaType": "application/vnd.example.thing", "digest": ABSENT, "size": 7}),
        f"blob {ABSENT}",
    ),
    "child-digest-short": (lambda f: index(child(f), child(f, digest="sha256:00")), "manifests 1"),
    "child-null": (lambda f: index(None, child(f)), "manifests 0"),
    "child-no-manifest": (lambda f: index(child(f), entry(f, b"[]", OCI_INDEX)), "left out: platform"),
    "child-sha512": (
        lambda f: index(child(f), entry(f, b"{}", OCI_MANIFEST, "sha512", platform=ARM64)),
        "'linux/arm64' sha512:",
    ),
}
"""Images of which something cannot be copied, and what the warning says of it."""


def _named(other: Members, **changes: object) -> Members:
    """Another image of a layout; a member that is given as an ellipsis is missing."""
    whole = other | {"annotations": {"org.opencontainers.image.ref.name": "2.0"}} | changes
    return {name: value for name, value in whole.items() if value is not ...}


Listed = Callable[[Path, Members], object]

ODD_ENTRIES: dict[str, Listed] = {
    "sha512": lambda f, _: _named(entry(f, json.dumps(manifest(f)).encode(), OCI_MANIFEST, "sha512")),
    "digest-upper-case": lambda _, o: _named(o, digest="sha256:" + "A" * 64),
    "digest-short": lambda _, o: _named(o, digest="sha256:abc"),
    "digest-unknown": lambda _, o: _named(o, digest="md5:" + "0" * 32),
    "digest-a-path": lambda _, o: _named(o, digest="sha256:../../x"),
    "digest-missing": lambda _, o: _named(o, digest=...),
    "type-missing": lambda _, o: _named(o, mediaType=...),
    "type-empty": lambda _, o: _named(o, mediaType=""),
    "type-odd": lambda _, o: _named(o, mediaType="odd"),
    "size-missing": lambda _, o: _named(o, size=...),
    "size-null": lambda _, o: _named(o, size=None),
    "size-negative": lambda _, o: _named(o, size=-1),
    "annotation-null": lambda _, o: o | {"annotations": {"a": None}},
    "null": lambda _, o: None,
}
"""Entries of `index.json` that imagesig cannot read: skopeo reads the image beside them."""

WRONG_ENTRIES: dict[str, Listed] = {
    "text": lambda _, o: "entry",
    "size-text": lambda _, o: _named(o, size="12"),
    "size-fraction": lambda _, o: _named(o, size=1.5),
    "size-true": lambda _, o: _named(o, size=True),
    "size-2^63": lambda _, o: _named(o, size=2**63),
    "digest-number": lambda _, o: _named(o, digest=1),
    "type-list": lambda _, o: _named(o, mediaType=[]),
    "annotations-list": lambda _, o: _named(o, annotations=[]),
    "annotation-number": lambda _, o: _named(o, annotations={"a": 1}),
    "platform-text": lambda _, o: _named(o, platform="linux/amd64"),
    "data-no-base64": lambda _, o: _named(o, data="!!"),
}
"""Entries with which skopeo refuses the whole index."""
