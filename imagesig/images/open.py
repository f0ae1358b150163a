"""From what a person types as an image to an `Image`."""

from __future__ import annotations

from typing import Any

from imagesig.errors import InvalidArgument, quote
from imagesig.images.image import Image
from imagesig.oci.digest import is_digest

LAYOUT_PREFIX = "oci:"


def open_image(text: str, **transport: Any) -> Image:
    """`oci:DIRECTORY[:TAG|@DIGEST]`, or a reference to a registry.

    `transport` is passed to `registry()`.

    Raises:
        InvalidArgument: neither of the two.
        ImageNotFound: the layout holds no image.
    """
    if text.startswith(LAYOUT_PREFIX):
        from imagesig.images.layout import layout

        directory, target = _split_layout(text.removeprefix(LAYOUT_PREFIX))
        return layout(directory, target, **{k: v for k, v in transport.items() if k == "timeout"})
    from imagesig.images.registry import registry

    return registry(text, **transport)


def _split_layout(text: str) -> tuple[str, str]:
    directory, at, digest = text.rpartition("@")
    if at and directory:
        if not is_digest(digest):
            raise InvalidArgument(f"image {quote(LAYOUT_PREFIX + text)}: the part after @ is no sha256 digest")
        return directory, digest
    directory, colon, tag = text.rpartition(":")
    if colon and directory and "/" not in tag:
        return directory, tag
    if not text:
        raise InvalidArgument("image 'oci:': the directory is missing", hint="write oci:DIRECTORY[:TAG|@DIGEST]")
    return text, ""
