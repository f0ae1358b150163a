"""Which manifests of an image a signature can be for: the image itself and, of an index, its children."""

from __future__ import annotations

from msgspec import Struct

from imagesig import limits
from imagesig.encoding.json import parse_object
from imagesig.errors import ImageNotFound, InvalidArgument, LimitExceeded, NotFound
from imagesig.images.image import Image
from imagesig.oci.descriptor import Descriptor, Platform
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, parse_index, parse_manifest
from imagesig.oci.shapes import CONFIG
from imagesig.text import quote

_DEPTH = 3
"""Indexes within indexes."""


class Target(Struct, frozen=True):
    """One manifest to sign. `platform` is for people: empty for the image itself, `linux/arm64` for a child."""

    descriptor: Descriptor
    platform: str = ""


def targets_of(image: Image, *, recursive: bool) -> tuple[Target, ...]:
    """The image itself first, then, if it is an index and `recursive`, every child once.

    Raises:
        ImageNotFound: there is no such image.
        MalformedError: what is there is no image.
        LimitExceeded: more children than `limits.INDEX_CHILDREN`, or indexes nested too deeply.
    """
    try:
        root = image.home.resolve(image.target)
        content = image.home.read(root, limit=limits.MANIFEST_BYTES)
    except NotFound as error:
        raise ImageNotFound(f"{image}: there is no such image", hint="check the reference") from error
    if root.media_type not in INDEX_TYPES:
        parse_manifest(content, root.media_type, str(image))
        return (Target(root),)
    found = {root.digest: Target(root)}
    _add_children(image, root, content, found if recursive else {}, _DEPTH)
    return tuple(found.values())


def _add_children(image: Image, index: Descriptor, content: bytes, found: dict[str, Target], depth: int) -> None:
    if depth == 0:
        raise LimitExceeded(f"{image}: indexes nested more than {_DEPTH} deep")
    for child in parse_index(content, index.media_type, f"{image}: index {index.digest}").manifests:
        if child.media_type not in (*MANIFEST_TYPES, *INDEX_TYPES) or child.digest in found:
            continue
        found[child.digest] = Target(child, str(child.platform or "unknown platform"))
        if len(found) > limits.INDEX_CHILDREN:
            raise LimitExceeded(f"{image}: more than {limits.INDEX_CHILDREN} manifests below one index")
        if child.media_type in INDEX_TYPES:
            nested = image.home.read(child, limit=limits.MANIFEST_BYTES)
            _add_children(image, child, nested, found, depth - 1)


def child_for_platform(image: Image, root: Descriptor, text: str) -> Descriptor:
    """The one manifest of the image for a platform written `os/architecture[/variant]`.

    Raises:
        InvalidArgument: no platform, or one that several children have.
        ImageNotFound: no child has it.
    """
    wanted = _parse_platform(text)
    content = image.home.read(root, limit=limits.MANIFEST_BYTES)
    if root.media_type not in INDEX_TYPES:
        manifest = parse_manifest(content, root.media_type, str(image))
        config = parse_object(image.home.read(manifest.config, limit=limits.CONFIG_BYTES), f"{image}: config", CONFIG)
        members = (config.get("os"), config.get("architecture"), config.get("variant", ""))
        actual = Platform(*(member if isinstance(member, str) else "" for member in members))
        if not _fits(actual, wanted):
            raise ImageNotFound(f"{image}: is for {actual}, not for {wanted}")
        return root
    children = parse_index(content, root.media_type, f"{image}: index {root.digest}").manifests
    fitting = {child.digest: child for child in children if child.platform and _fits(child.platform, wanted)}
    if not fitting:
        there = ", ".join(str(child.platform) for child in children if child.platform) or "none"
        raise ImageNotFound(f"{image}: has no platform {wanted} (it has: {there})")
    if len(fitting) > 1:
        seen = ", ".join(str(child.platform) for child in fitting.values())
        raise InvalidArgument(f"platform {quote(text)}: {len(fitting)} manifests fit ({seen}); give the variant too")
    return next(iter(fitting.values()))


def _parse_platform(text: str) -> Platform:
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidArgument(f"platform {quote(text)}: os/architecture or os/architecture/variant is needed")
    return Platform(*parts)


def _fits(platform: Platform, wanted: Platform) -> bool:
    return (platform.os, platform.architecture) == (wanted.os, wanted.architecture) and wanted.variant in (
        "",
        platform.variant,
    )
