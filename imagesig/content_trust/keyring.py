"""`TrustKeys`: the private keys that sign trust data, from any provider and from docker's folder."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from imagesig.arguments import checks_arguments
from imagesig.content_trust.key import TrustKey, canonical_id
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Role
from imagesig.content_trust.signing_key import ProviderKey, signing_key
from imagesig.crypto.certificate import parse_certificates
from imagesig.errors import KeyNotFound
from imagesig.keys.certify import self_signed_certificate
from imagesig.keys.provider import SigningKey

if TYPE_CHECKING:
    from imagesig.content_trust.metadata import RoleSignature
    from imagesig.crypto.public_key import PublicKey

_ROOT_DAYS = 3650
_NAME_CHARACTERS = 64
"""The longest common name (RFC 5280, ub-common-name)."""


class KeyFolder(Protocol):
    """A folder of private keys, such as docker's: `imagesig.content_trust.PrivateKeyFolder`."""

    def roles(self) -> Mapping[str, str]:
        """The role of each key by its canonical id."""
        ...

    def repositories(self) -> Mapping[str, str]:
        """The repository of each key that is for one only, by its canonical id."""
        ...

    def find(self, key_id: str) -> ProviderKey | None:
        """The key with this canonical id; None if the folder does not have it."""
        ...

    def generate(self, role: str, repository: str = "") -> ProviderKey:
        """A new key, stored in the folder."""
        ...


class TrustKeys:
    """The private keys that may sign: open keys of any provider, and those of a folder.

    Each key signs for the roles whose metadata list its public half; a key that the folder has for a top-level role
    signs for this role alone, and if it is of one repository, only there. `root` and `targets` become the keys of a new
    repository; without them its root key is the one of the folder, and its targets key is made there.
    """

    @checks_arguments
    def __init__(
        self,
        *keys: SigningKey,
        root: SigningKey | None = None,
        targets: SigningKey | None = None,
        folder: KeyFolder | None = None,
    ) -> None:
        self._given = {ROOT: root, TARGETS: targets}
        self._keys = tuple(key for key in (root, targets, *keys) if key is not None)
        self._folder = folder
        self._found: dict[str, ProviderKey] = {}
        self._by_id: Mapping[str, tuple[SigningKey, PublicKey]] | None = None
        self._listed: Mapping[str, str] | None = None
        self._of_one: Mapping[str, str] | None = None
        self._repository = ""

    def within(self, repository: str) -> TrustKeys:
        """The same keys for this repository only."""
        keys = copy(self)
        keys._repository = repository
        return keys

    def able(self, role: Role) -> bool:
        """Whether enough keys of the role are available. No key is opened."""
        return len({key.canonical_id for key in role.keys if self._has(role, key.canonical_id)}) >= role.threshold

    def sign(self, role: Role, message: bytes) -> list[RoleSignature]:
        """The signatures by every available key of the role.

        Raises:
            KeyNotFound: fewer keys are available than the role needs.
            KeyProviderError: a key cannot be opened, or does not sign.
        """
        may = (key for key in role.keys if self._may(role, key.canonical_id))
        found = {key.canonical_id: (key, opened) for key in may if (opened := self._find(key.canonical_id))}
        if len(found) < role.threshold:
            needed = ", ".join(key.canonical_id for key in role.keys) or "a key"
            raise KeyNotFound(
                f"{role.name}: {len(found)} of its keys are here, {role.threshold} needed: {needed}",
                hint="give the key's URI, or put its file into docker's folder trust/private",
            )
        return [opened.named(key).sign(message) for key, opened in found.values()]

    def root_ids(self) -> tuple[str, ...]:
        """The canonical ids of the root keys that are here."""
        listed = self._roles()
        root = self._given[ROOT]
        return (*(map(canonical_id, root.public_keys) if root else ()), *(key for key in listed if listed[key] == ROOT))

    def for_new(self, role: str, repository: str, now: datetime) -> TrustKey:
        """The key of `root` or `targets` for a new repository. Raises as `made`."""
        given = self._given.get(role)
        if given is None and role == ROOT and (ids := self.root_ids()):
            opened = self._find(ids[0])
            assert opened is not None
            return _certified(opened, repository, now)
        return self.made(role, repository, now, given)

    def made(self, role: str, repository: str, now: datetime, given: SigningKey | None = None) -> TrustKey:
        """The given key, or a new one in the folder, for a role of a repository. A root key gets a certificate.

        Raises:
            KeyNotFound: no key is given, and there is no folder.
            KeyProviderError: the key cannot be used or made.
        """
        if given is not None:
            opened = signing_key(given)
        elif self._folder is not None:
            opened = self._folder.generate(role, "" if role == ROOT else repository)
        else:
            raise KeyNotFound(f"{repository}: no {role} key is given", hint="give the key of the role")
        self._found[opened.key.canonical_id] = opened
        return _certified(opened, repository, now) if role == ROOT else opened.key

    def _has(self, role: Role, key_id: str) -> bool:
        here = key_id in self._found or key_id in self._ids() or key_id in self._roles()
        return here and self._may(role, key_id)

    def _may(self, role: Role, key_id: str) -> bool:
        """Whether the role may use a key. The administrator of another repository, or a signer, chose to list it.

        Files name neither their repository nor their role: what the key of a repository signs for others is its own
        next file.
        """
        if key_id in self._ids():
            return True
        kind = self._roles().get(key_id, "")
        if kind not in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP):
            return True
        if self._of_one is None:
            self._of_one = self._folder.repositories() if self._folder is not None else {}
        return kind == role.name and self._of_one.get(key_id, "") in ("", self._repository)

    def _ids(self) -> Mapping[str, tuple[SigningKey, PublicKey]]:
        """The given keys, in every version that signs, by canonical id."""
        if self._by_id is None:
            self._by_id = {canonical_id(item): (key, item) for key in self._keys for item in key.public_keys}
        return self._by_id

    def _roles(self) -> Mapping[str, str]:
        """The keys of the folder with their roles, listed once."""
        if self._listed is None:
            self._listed = self._folder.roles() if self._folder is not None else {}
        return self._listed

    def _find(self, key_id: str) -> ProviderKey | None:
        if key_id not in self._found:
            if key_id in self._ids():
                key, public_key = self._ids()[key_id]
                self._found[key_id] = signing_key(key.pinned_to(public_key))
            elif self._folder is not None and (found := self._folder.find(key_id)):
                self._found[key_id] = found
        return self._found.get(key_id)


def _certified(opened: ProviderKey, repository: str, now: datetime) -> TrustKey:
    """The root key with a certificate for the repository: its own one, or a self-signed one as docker makes it."""
    chain = opened.provider_key.info.chain
    if chain:
        return TrustKey.of(opened.key.public_key, chain)
    # A longer name is written as a prefix, which notary and docker accept.
    name = repository if len(repository) <= _NAME_CHARACTERS else f"{repository[: _NAME_CHARACTERS - 1]}*"
    pem = self_signed_certificate(opened.provider_key, f"CN={name}", days=_ROOT_DAYS, now=now)
    return TrustKey.of(opened.key.public_key, parse_certificates(pem.encode("ascii"), "root certificate"))
