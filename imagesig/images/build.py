"""Builds small real images, for the demo and for tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence

from imagesig.encoding.json import go_json
from imagesig.images.source import ImageTarget
from imagesig.oci.descriptor import Descriptor, Platform
from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Index, Manifest

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64", "v8"))


def build_image(target: ImageTarget, files: Mapping[str, bytes], platform: Platform, tag: str = "") -> Descriptor:
    """Stores an image of one platform whose only layer has the files (content by path), and tags it if `tag` is given.

    The same input gives the same digests.
    """
    plain = _tar(files)
    layer = target.put_blob(gzip.compress(plain, mtime=0), _LAYER)
    config = {
        "architecture": platform.architecture,
        "os": platform.os,
        **({"variant": platform.variant} if platform.variant else {}),
        "config": {"Cmd": ["/" + next(iter(files), "")]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "imagesig"}],
    }
    manifest = Manifest(target.put_blob(go_json(config), OCI_CONFIG), (layer,))
    stored = target.put_manifest(manifest.to_bytes(), OCI_MANIFEST, tag)
    return Descriptor(stored.media_type, stored.digest, stored.size, platform=platform)


def build_index(
    target: ImageTarget, files: Mapping[str, bytes], tag: str, platforms: Sequence[Platform] = PLATFORMS
) -> Descriptor:
    """Stores a multi-platform image, one child per platform, and tags its index."""
    children = [
        build_image(target, {**files, "etc/platform": f"{platform}\n".encode()}, platform) for platform in platforms
    ]
    return target.put_manifest(Index(tuple(children)).to_bytes(), OCI_INDEX, tag)


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.mode = 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
