"""Descriptors: what, how large, and under which digest."""

from __future__ import annotations

import re

from msgspec import Struct

from imagesig.errors import MalformedError
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.digest import parse_digest, sha256
from imagesig.oci.platform import Platform
from imagesig.text import quote

__all__ = ["Descriptor", "Platform", "parse_annotations", "parse_descriptor", "parse_media_type"]

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+;= -]{0,126}")


class Descriptor(Struct, frozen=True):
    """Spec: OCI image-spec, descriptor. `size` is in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Annotations = NO_ANNOTATIONS
    artifact_type: str = ""
    platform: Platform | None = None

    @classmethod
    def of(cls, content: bytes, media_type: str, annotations: Annotations = NO_ANNOTATIONS) -> Descriptor:
        """The descriptor of these bytes."""
        return cls(media_type, sha256(content), len(content), annotations)

    def to_json(self) -> dict[str, object]:
        """The members in the order in which go-containerregistry writes them."""
        members: dict[str, object] = {"mediaType": self.media_type, "size": self.size, "digest": self.digest}
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        if self.platform:
            members["platform"] = self.platform.to_json()
        if self.artifact_type:
            members["artifactType"] = self.artifact_type
        return members


def parse_descriptor(value: object, what: str) -> Descriptor:
    """A descriptor from parsed JSON; members we do not use are ignored, as the specification asks.

    Raises:
        MalformedError: a member that is missing, of the wrong type or outside its grammar.
    """
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: {quote(value)}, a descriptor object is needed")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise MalformedError(f"{what}: size {quote(size)}, a number of bytes is needed")
    urls = value.get("urls")
    if urls is not None and not (isinstance(urls, list) and all(isinstance(url, str) for url in urls)):
        raise MalformedError(f"{what}: urls {quote(urls)}, a list of strings is needed")
    return Descriptor(
        media_type=parse_media_type(value.get("mediaType"), what),
        digest=parse_digest(value.get("digest"), what),
        size=size,
        annotations=parse_annotations(value.get("annotations"), what),
        artifact_type=_text(value.get("artifactType"), what, "artifactType"),
        platform=_parse_platform(value.get("platform"), what),
    )


def parse_media_type(value: object, what: str) -> str:
    """Raises `MalformedError` if this is no media type (RFC 6838 section 4.2, parameters allowed)."""
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise MalformedError(f"{what}: mediaType {quote(value)}, a media type is needed")
    return value


def parse_annotations(value: object, what: str) -> Annotations:
    """Raises `MalformedError` unless this is an object of strings, or missing."""
    if value is None:
        return NO_ANNOTATIONS
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise MalformedError(f"{what}: annotations {quote(value)}, an object of strings is needed")
    return Annotations(value)


def _parse_platform(value: object, what: str) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: platform {quote(value)}, an object is needed")
    return Platform(
        _text(value.get("os"), what, "platform.os"),
        _text(value.get("architecture"), what, "platform.architecture"),
        _text(value.get("variant"), what, "platform.variant"),
        _text(value.get("os.version"), what, "platform.os.version"),
    )


def _text(value: object, what: str, member: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedError(f"{what}: {member} {quote(value)}, a string is needed")
    return value
