"""`InMemoryRegistry.add_image`: a small real image in a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imagesig.errors import InvalidArgument
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.platform import parse_platform
from imagesig.oci.reference import parse_reference
from imagesig.text import quote


class StoredImages:
    """The part of an image's home that building an image needs."""

    def __init__(self, put_blob: Callable[[bytes], str], put_manifest: Callable[[bytes, str, str], str]) -> None:
        self._put_blob, self._put_manifest = put_blob, put_manifest

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        self._put_blob(content)
        return Descriptor.of(content, media_type)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        self._put_manifest(content, media_type, tag)
        return Descriptor.of(content, media_type)

    def add(self, name: str, tag: str, platforms: Sequence[str]) -> str:
        """The digest of an image with one small file, or of an index if there are platforms."""
        files = {"app/name": f"{name}:{tag}\n".encode()}
        if not platforms:
            return build_image(self, files, PLATFORMS[0], tag).digest  # type: ignore[arg-type]
        platforms = (platforms,) if isinstance(platforms, str) else platforms
        return build_index(self, files, tag, [parse_platform(text) for text in platforms]).digest  # type: ignore[arg-type]


def repository_and_tag(name: str) -> tuple[str, str]:
    """`app:1` as `app` and `1`."""
    repository, colon, tag = name.rpartition(":")
    if not colon or not repository or not tag or "/" in tag:
        raise InvalidArgument(f"add_image: {quote(name)}, a name such as app:1 is needed")
    parse_reference(f"registry.invalid/{name}")
    return repository, tag
