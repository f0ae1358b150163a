"""Digests: `sha256:` and 64 lower-case hex digits. Blobs are also copied by SHA-384 and SHA-512."""

from __future__ import annotations

import hashlib

from imagesig.errors import MalformedError
from imagesig.patterns import regex
from imagesig.text import quote

_SHA256 = regex(r"sha256:[0-9a-f]{64}")
_ADDRESS = regex(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_TAG_OF_DIGEST = regex(r"sha256-[0-9a-f]{64}(?:\.[a-z]+)?")


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


def is_address(text: object) -> bool:
    """Whether content can be copied by this digest: it has one of the algorithms that Go's tools recompute.

    Signatures and their subjects have SHA-256 digests only: see `parse_digest`.
    """
    return isinstance(text, str) and _ADDRESS.fullmatch(text) is not None


def hasher(address: str) -> hashlib._Hash:
    """A new hash with the algorithm of this digest, which is checked: `is_address`.

    Raises:
        MalformedError: it is not one.
    """
    if not is_address(address):
        raise MalformedError(f"digest {quote(address)}: sha256, sha384 or sha512 with lower-case hex digits is needed")
    hashed: hashlib._Hash = getattr(hashlib, address.partition(":")[0])()
    return hashed


def address_of(hashed: hashlib._Hash, like: str) -> str:
    """The digest in a hash that `hasher` gave for the digest `like`."""
    return f"{like.partition(':')[0]}:{hashed.hexdigest()}"


def digest_like(address: str, data: bytes) -> str:
    """The digest of these bytes, by the algorithm of another digest. Raises as `hasher` does."""
    hashed = hasher(address)
    hashed.update(data)
    return address_of(hashed, address)


def sha256(data: bytes) -> str:
    """The digest of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tag_of(digest: str, suffix: str = "") -> str:
    """The tag for content that belongs to a digest: `sha256-<hex>` lists referrers, with `.sig` cosign signatures."""
    return digest.replace(":", "-") + suffix


def is_tag_of_digest(tag: str) -> bool:
    """Whether a tag has the form of `tag_of`: it names a list of referrers or signatures, not an image."""
    return _TAG_OF_DIGEST.fullmatch(tag) is not None
