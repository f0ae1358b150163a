"""Digests: `sha256:` and 64 lower-case hex digits. No other form is accepted."""

from __future__ import annotations

import hashlib
import re

from imagesig.errors import MalformedError
from imagesig.text import quote

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_TAG_OF_DIGEST = re.compile(r"sha256-[0-9a-f]{64}(?:\.[a-z]+)?")


def parse_digest(text: object, what: str) -> str:
    """The text, if it is a SHA-256 digest.

    Other algorithms are refused: a digest that is not recomputed proves nothing, and one of free form can be a path
    (CVE-2024-3727).

    Raises:
        MalformedError: it is not.
    Spec: OCI image-spec, descriptor, "Digests".
    """
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise MalformedError(f"{what}: digest {quote(text)}, sha256: and 64 lower-case hex digits are needed")
    return text


def is_digest(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def sha256(data: bytes) -> str:
    """The digest of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tag_of(digest: str, suffix: str = "") -> str:
    """The tag for content that belongs to a digest: `sha256-<hex>` lists referrers, with `.sig` cosign signatures."""
    return digest.replace(":", "-") + suffix


def is_tag_of_digest(tag: str) -> bool:
    """Whether a tag has the form of `tag_of`: it names a list of referrers or signatures, not an image."""
    return _TAG_OF_DIGEST.fullmatch(tag) is not None
