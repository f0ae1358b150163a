"""The name in a signature: how it is read, and when it fits another name."""

from __future__ import annotations

from imagesig.errors import IdentityMismatch, InvalidArgument
from imagesig.oci.reference import Reference, parse_reference
from imagesig.text import quote


def required_name(signed: str | None, needed: object) -> str:
    """The name in the signature. Raises `IdentityMismatch` if its format has no names; `needed` is for the message."""
    if signed is None:
        raise IdentityMismatch(f"this format names no repository, the policy needs {needed}")
    return signed


def parse_signed(signed: str) -> Reference:
    """The name as a reference. Raises `IdentityMismatch` if it is not one."""
    try:
        return parse_reference(signed)
    except InvalidArgument:
        raise IdentityMismatch(f"signed as {quote(signed)}, an image reference is needed") from None


def signed_for(digest: str, signed: str) -> Reference:
    """The name as a reference. Raises `IdentityMismatch` if it is not one, or has a digest and it is not this one."""
    reference = parse_signed(signed)
    if reference.digest and reference.digest != digest:
        raise IdentityMismatch(f"signed as {quote(signed)}, but the image is {digest}")
    return reference


def starts_with(image: Reference, prefix: str) -> bool:
    """Whether `prefix` is the image's repository, or a host or namespace above it."""
    return image.repository == prefix or image.repository.startswith(prefix + "/")


def is_name_only(reference: Reference) -> bool:
    """Whether it has neither tag nor digest."""
    return not reference.tag and not reference.digest


def remapped(name: Reference, prefix: str, signed_prefix: str) -> Reference:
    """The name with `signed_prefix` in the place of `prefix`; the same name if it does not start with `prefix`.

    Raises:
        IdentityMismatch: the result is not a full image name.
    """
    if not starts_with(name, prefix):
        return name
    text = str(name).replace(prefix, signed_prefix, 1)
    try:
        found = parse_reference(text)
    except InvalidArgument:
        found = None
    if found is None or str(found) != text:
        raise IdentityMismatch(f"remapIdentity makes {quote(text)} of {name}, a full image name is needed")
    return found
