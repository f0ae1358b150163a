"""Descriptors: media type, digest and size of content."""

from __future__ import annotations

import base64
import binascii

from msgspec import Struct

from imagesig.encoding.shape import members_of
from imagesig.errors import MalformedError
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.digest import parse_digest, sha256
from imagesig.oci.platform import Platform
from imagesig.oci.shapes import DESCRIPTOR, PLATFORM
from imagesig.patterns import regex
from imagesig.text import quote

__all__ = ["Descriptor", "Platform", "parse_annotations", "parse_descriptor", "parse_media_type"]

_MEDIA_TYPE = regex(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+;= -]{0,126}")


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
        """The members, in the order of go-containerregistry."""
        members: dict[str, object] = {"mediaType": self.media_type, "size": self.size, "digest": self.digest}
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        if self.platform:
            members["platform"] = self.platform.to_json()
        if self.artifact_type:
            members["artifactType"] = self.artifact_type
        return members


def parse_descriptor(value: object, what: str) -> Descriptor:
    """A descriptor from parsed JSON. Unknown members are ignored, as the specification says.

    Raises:
        MalformedError: a member is missing, has a wrong type or value, or differs from a known one only in case.
    """
    members = members_of(value, DESCRIPTOR, what)
    size = members.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise MalformedError(f"{what}: size {quote(size)}, a number of bytes is needed")
    _check_texts(members.get("urls"), what, "urls")
    _check_data(members.get("data"), what)
    return Descriptor(
        media_type=parse_media_type(members.get("mediaType"), what),
        digest=parse_digest(members.get("digest"), what),
        size=size,
        annotations=parse_annotations(members.get("annotations"), what),
        artifact_type=parse_text(members.get("artifactType"), what, "artifactType"),
        platform=parse_listed_platform(members.get("platform"), what),
    )


def parse_media_type(value: object, what: str) -> str:
    """The value, if it is a media type (RFC 6838 section 4.2, with parameters). Raises `MalformedError` otherwise."""
    if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
        raise MalformedError(f"{what}: mediaType {quote(value)}, a media type is needed")
    return value


def parse_annotations(value: object, what: str) -> Annotations:
    """The annotations; empty if there are none. Raises `MalformedError` unless the value is an object of strings."""
    if value is None:
        return NO_ANNOTATIONS
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise MalformedError(f"{what}: annotations {quote(value)}, an object of strings is needed")
    return Annotations(value)


def parse_listed_platform(value: object, what: str) -> Platform | None:
    """The platform of a child; None if there is none. Raises `MalformedError` if a member has a wrong type."""
    if value is None:
        return None
    members = members_of(value, PLATFORM, f"{what}: platform")
    _check_texts(members.get("os.features"), what, "platform.os.features")
    _check_texts(members.get("features"), what, "platform.features")
    return Platform(
        parse_text(members.get("os"), what, "platform.os"),
        parse_text(members.get("architecture"), what, "platform.architecture"),
        parse_text(members.get("variant"), what, "platform.variant"),
        parse_text(members.get("os.version"), what, "platform.os.version"),
    )


def _check_texts(value: object, what: str, member: str) -> None:
    if value is not None and not (isinstance(value, list) and all(isinstance(text, str) for text in value)):
        raise MalformedError(f"{what}: {member} {quote(value)}, a list of strings is needed")


def _check_data(value: object, what: str) -> None:
    """Checks embedded content. imagesig does not use it, but other readers refuse a value that is not base64."""
    if value is None:
        return
    try:
        if isinstance(value, str):
            base64.b64decode(value, validate=True)
            return
    except (binascii.Error, ValueError):
        pass
    raise MalformedError(f"{what}: data {quote(value)}, base64 text is needed")


def parse_text(value: object, what: str, member: str) -> str:
    """The text; empty if it is missing or null. Raises `MalformedError` for any other value."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedError(f"{what}: {member} {quote(value)}, a string is needed")
    return value
