"""Makers of archives: from layouts, in Docker's two forms, and tars that nobody should read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def tar_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A plain tar of these files, in this order, under these very names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def header(name: str, kind: bytes = b"0", size: int = 0, link: str = "") -> bytes:
    """One header of a tar, of whatever type."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member.tobuf(tarfile.GNU_FORMAT)


def files_of(directory: Path) -> list[tuple[str, bytes]]:
    """The files of a layout directory."""
    found = [path for path in directory.rglob("*") if path.is_file()]
    return [(str(path.relative_to(directory)), path.read_bytes()) for path in sorted(found)]


def archive_of(directory: Path, path: Path) -> Path:
    """The layout in a tar, as skopeo writes it."""
    path.write_bytes(tar_of(files_of(directory)))
    return path


def docker_save_today(directory: Path, path: Path, reference: str) -> Path:
    """The layout as `docker save` of Docker 25 and later writes it: manifest.json beside it, the whole name in it."""
    files = dict(files_of(directory))
    index = json.loads(files["index.json"])
    for entry in index["manifests"]:
        entry["annotations"] = {
            "io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
        }
    files["index.json"] = json.dumps(index).encode()
    manifest = json.loads(files["blobs/sha256/" + index["manifests"][0]["digest"].removeprefix("sha256:")])
    blob = {item["digest"]: "blobs/sha256/" + item["digest"].removeprefix("sha256:") for item in manifest["layers"]}
    config = "blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")
    entry = {"Config": config, "RepoTags": [reference], "Layers": list(blob.values())}
    files["manifest.json"] = json.dumps([entry]).encode()
    path.write_bytes(tar_of(files.items()))
    return path


def docker_save_25_0_0(directory: Path, path: Path, reference: str) -> Path:
    """As `docker_save_today`, with the manifest that Docker 25.0.0 wrote: it names no layers (moby#47065)."""
    files = dict(files_of(directory))
    index = json.loads(files["index.json"])
    manifest = json.loads(files["blobs/sha256/" + index["manifests"][0]["digest"].removeprefix("sha256:")])
    content = json.dumps(manifest | {"layers": []}).encode()
    digest = hashlib.sha256(content).hexdigest()
    for layer in manifest["layers"]:  # there as plain tars, by their own digests
        name = "blobs/sha256/" + layer["digest"].removeprefix("sha256:")
        plain = gzip.decompress(files.pop(name))
        files["blobs/sha256/" + hashlib.sha256(plain).hexdigest()] = plain
    layers = json.loads(files["blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:")])["rootfs"][
        "diff_ids"
    ]
    entry = {
        "Config": "blobs/sha256/" + manifest["config"]["digest"].removeprefix("sha256:"),
        "RepoTags": [reference],
        "Layers": ["blobs/sha256/" + layer.removeprefix("sha256:") for layer in layers],
    }
    described = {"mediaType": manifest["mediaType"], "digest": f"sha256:{digest}", "size": len(content)}
    files |= {
        f"blobs/sha256/{digest}": content,
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [described]}).encode(),
        "manifest.json": json.dumps([entry]).encode(),
    }
    path.write_bytes(tar_of(files.items()))
    return path


def docker_save_before(
    path: Path,
    images: Mapping[str, Iterable[bytes]],
    *,
    change: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
) -> Path:
    """What `docker save` wrote before Docker 25: these layers for each reference. `change` replaces files."""
    files: dict[str, bytes] = {}
    entries = []
    for reference, layers in images.items():
        digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
        files |= {f"{digest}/layer.tar": layer for digest, layer in zip(digests, layers, strict=True)}
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            }
        ).encode()
        name = hashlib.sha256(config).hexdigest() + ".json"
        files[name] = config
        paths = [f"{digest}/layer.tar" for digest in digests]
        entries.append({"Config": name, "RepoTags": [reference], "Layers": paths})
    files["manifest.json"] = json.dumps(entries).encode()
    files["repositories"] = b"{}"
    files |= dict(change or {})
    content = tar_of((name, files[name]) for name in files if name not in (links or {}))
    at = content.rstrip(b"\0")
    end = len(at) + -len(at) % 512
    extra = b"".join(header(name, b"2", link=to) for name, to in (links or {}).items())
    path.write_bytes(content[:end] + extra + bytes(1024))
    return path
