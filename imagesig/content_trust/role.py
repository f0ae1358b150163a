"""Roles: whose signatures a file needs, and which tags a delegated role may name."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig.content_trust.key import TrustKey
from imagesig.crypto.algorithms import Algorithm
from imagesig.errors import Expired, ImagesigError, MalformedError, SignatureInvalid, SignatureRejected
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.content_trust.metadata import Document

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
RELEASES = "targets/releases"
"""Tags in this role, or in `targets`, are released: docker pulls no others."""
_DELEGATION = re.compile(r"targets(?:/[-a-z0-9_]+)+", re.ASCII)
_NAME_CHARACTERS = 255


class Role(Struct, frozen=True):
    """Who signs one file. `keys` has the usable keys; `paths` are the prefixes of the tags of a delegated role."""

    name: str
    keys: tuple[TrustKey, ...]
    threshold: int
    paths: tuple[str, ...] = ()

    def may_name(self, tag: str) -> bool:
        return tag.startswith(self.paths)

    def narrowed(self, parent: Role) -> Role:
        """The role with the paths that its parent may delegate. `targets` may delegate every path."""
        if parent.name == TARGETS:
            return self
        return Role(self.name, self.keys, self.threshold, tuple(path for path in self.paths if parent.may_name(path)))


class RoleSigner(Struct, frozen=True):
    """A key that signed a file, and the algorithm."""

    key: TrustKey
    algorithm: Algorithm


def check_delegation_name(name: str, parent: str) -> str:
    """The name, if it is that of a role that `parent` may delegate to. Raises `MalformedError` if not."""
    if len(name) > _NAME_CHARACTERS or not _DELEGATION.fullmatch(name) or name.rpartition("/")[0] != parent:
        raise MalformedError(
            f"delegation {quote(name)}: {parent}/ and letters a to z, digits, - and _ are needed, "
            f"at most {_NAME_CHARACTERS} characters"
        )
    return name


def check_signatures(role: Role, document: Document) -> tuple[RoleSigner, ...]:
    """The distinct keys of the role that signed the file: as many as its threshold or more.

    Keys are distinct by canonical id: one key with two certificates is one signer.

    Raises:
        SignatureInvalid: fewer keys of the role signed it.
    """
    keys = {key.id: key for key in role.keys}
    signers: dict[str, RoleSigner] = {}
    first: ImagesigError | None = None
    for signature in document.signatures:
        key = keys.get(signature.key_id)
        if key is None or key.canonical_id in signers:
            continue
        try:
            algorithm = key.verify(signature.method, signature.value, document.message)
            signers[key.canonical_id] = RoleSigner(key, algorithm)
        except SignatureRejected as error:
            first = first or error
    if len(signers) < role.threshold:
        reason = f": {first}" if first else ""
        raise SignatureInvalid(
            f"{document.role}.json version {document.version}: {len(signers)} of the keys of the role "
            f"{role.name} signed it, {role.threshold} needed{reason}"
        )
    return tuple(signers.values())


def check_expiry(document: Document, now: datetime) -> None:
    """Raises `Expired` if the file is no longer valid."""
    if document.expires <= now:
        raise Expired(
            f"{document.role}.json version {document.version}: expired on {document.expires:%Y-%m-%d}",
            hint="ask its signer to publish it again",
        )
