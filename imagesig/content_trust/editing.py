"""`Edition`: the next files of a trust repository, edited from verified ones. Nothing is signed or sent here.

Every file is written anew with the members that notary knows and no others: the server hashes its own rendering of a
file, and another byte makes the repository unusable. Spec: the dialect of TUF that notary 0.7 writes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from imagesig.content_trust.key import TrustKey, written_key
from imagesig.content_trust.metadata import Document, FileHash, parse_root, parse_targets, serialized
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, Role, check_delegation_name
from imagesig.content_trust.update import TrustData
from imagesig.encoding.shape import as_bytes, as_object
from imagesig.errors import Expired, MalformedError

Json = dict[str, Any]

_DAYS = {ROOT: 3650, TARGETS: 1095, SNAPSHOT: 1095}
"""How long files are valid, as notary has it; delegated roles as long as `targets`."""
NEAR_EXPIRY = timedelta(days=183)
"""A file that expires within this time is signed again, as notary does for the root."""
_FILE = ("custom", "hashes", "length")
_KEY = ("keytype", "keyval")
_KEYVAL = ("private", "public")
_DELEGATED = ("keyids", "name", "paths", "threshold")


class Unsigned(Struct, frozen=True):
    """A file to sign: its role, its `signed` part, and the roles that must each have signed it."""

    role: str
    signed: Mapping[str, object]
    signers: tuple[Role, ...]


class Edition:
    """The next version of the files that change. `view` has the verified present ones; None for a new repository.

    `changed` are the roles whose files are signed again. Raises `MalformedError` for a present file with content that
    imagesig cannot write again.
    """

    def __init__(self, root: Json, view: TrustData | None) -> None:
        self.view = view
        self.changed: set[str] = set()
        self._root = root
        self._targets: dict[str, Json] = {}

    @classmethod
    def of(cls, view: TrustData) -> Edition:
        """No change yet."""
        return cls(_root(view.root.document.signed), view)

    @classmethod
    def new(cls, keys: Mapping[str, TrustKey]) -> Edition:
        """A new repository, without tags. `keys` has one key for each of the four top-level roles."""
        edition = cls({"_type": "Root", "consistent_snapshot": False, "keys": {}, "roles": {}}, None)
        edition._targets[TARGETS] = _no_targets()
        for role, key in keys.items():
            edition.entrust(role, key)
        return edition

    def put(self, role: str, tag: str, manifest: FileHash) -> None:
        """Adds the tag with this manifest to the role."""
        entry = {"hashes": {"sha256": _base64(manifest.sha256)}, "length": manifest.length}
        self._edited(role)["targets"][tag] = entry

    def drop(self, role: str, tag: str) -> None:
        """Removes the tag from the role."""
        self._edited(role)["targets"].pop(tag, None)

    def entrust(self, role: str, key: TrustKey) -> None:
        """Makes this key the only key of the top-level role."""
        self._root["roles"][role] = {"keyids": [key.id], "threshold": 1}
        self._root["keys"][key.id] = written_key(key.public_key, key.certificates)
        used = {item for entry in self._root["roles"].values() for item in entry["keyids"]}
        self._root["keys"] = {item: self._root["keys"][item] for item in sorted(used)}
        self.changed |= {ROOT, TARGETS} if role == TARGETS else {ROOT}

    def delegate(self, name: str, keys: Sequence[TrustKey]) -> None:
        """Adds the role to the delegations of `targets`, for every tag, and these keys to the role."""
        check_delegation_name(name, TARGETS)
        delegations = self._edited(TARGETS)["delegations"]
        entry = _entry(delegations, name)
        if entry is None:
            entry = {"keyids": [], "name": name, "paths": [""], "threshold": 1}
            delegations["roles"].append(entry)
        for key in keys:
            delegations["keys"].setdefault(key.id, written_key(key.public_key))
            if key.id not in entry["keyids"]:
                entry["keyids"].append(key.id)

    def withdraw(self, name: str, keys: Iterable[str]) -> None:
        """Removes the keys with these ids from the delegated role."""
        delegations = self._edited(TARGETS)["delegations"]
        if entry := _entry(delegations, name):
            entry["keyids"] = [item for item in entry["keyids"] if item not in set(keys)]
        _without_unused(delegations)

    def undelegate(self, name: str) -> None:
        """Removes the role from the delegations of `targets`."""
        delegations = self._edited(TARGETS)["delegations"]
        delegations["roles"] = [entry for entry in delegations["roles"] if entry["name"] != name]
        _without_unused(delegations)
        self.changed.discard(name)

    def sign_again(self, role: str) -> None:
        """Signs the file of the role again, unchanged."""
        if role == ROOT:
            self.changed.add(ROOT)
        else:
            self._edited(role)

    def delegations(self) -> dict[str, Role]:
        """The roles that `targets` delegates to, by name, as edited."""
        # Without the tags, of which there may be thousands.
        alone = self._read(TARGETS) | {"targets": {}, "expires": "2000-01-01T00:00:00Z", "version": 1}
        content = serialized(alone, ())
        return {role.name: role for role in parse_targets(TARGETS, content).delegations}

    def key_ids(self, name: str) -> dict[str, str]:
        """The ids of the keys of a delegated role, each with its canonical id; itself for a key that is not used."""
        known = {key.id: key.canonical_id for key in self.delegations()[name].keys}
        entry = _entry(self._read(TARGETS)["delegations"], name)
        return {item: known.get(item, item) for item in (entry["keyids"] if entry else ())}

    def role(self, name: str) -> Role:
        """Who signs the file of a role, as edited: a top-level role, or one that `targets` delegates to.

        Nobody signs further ones. Files do not name their role, and a signer chooses the keys and the content below his
        role: with a key of another role, it would be that role's next file.
        """
        if not name.startswith(f"{TARGETS}/"):
            content = serialized(self._root | {"expires": "2000-01-01T00:00:00Z", "version": 1}, ())
            return parse_root(content).roles[name]
        return self.delegations().get(name) or Role(name, (), 1)

    def present(self, role: str) -> Document | None:
        """The verified present file of a role; None if there is none."""
        if self.view is None:
            return None
        if role == ROOT:
            return self.view.root.document
        if role == SNAPSHOT:
            return self.view.snapshot.document
        signed = self.view.targets if role == TARGETS else self.view.delegated.get(role)
        return None if signed is None else signed.targets.document

    def renew(self, now: datetime, able: Callable[[Role], bool]) -> Iterator[str]:
        """Signs files again that expire soon, if `able` is true for their role: its keys are available.

        Yields warnings about the other files, and about root certificates that expire soon. Raises `Expired` for a file
        without which no client accepts the repository.
        """
        for key in self.role(ROOT).keys:
            if key.certificates and key.certificates[0].not_after <= now + NEAR_EXPIRY:
                until = f"{key.certificates[0].not_after:%Y-%m-%d}"
                yield f"the root certificate ends on {until}: before that, run: imagesig trust rotate REPO root"
        for name in (ROOT, TARGETS, *(self.view.delegated if self.view else ())):
            present = self.present(name)
            if present is None or name in self.changed or present.expires > now + NEAR_EXPIRY:
                continue
            if name not in (ROOT, TARGETS, *self.delegations()):
                continue  # `targets` does not, or no longer, delegate to it
            if able(self.role(name)):
                self.sign_again(name)
            elif present.expires > now:
                yield f"{name}.json expires on {present.expires:%Y-%m-%d}: its keys are not here to sign it again"
            elif name in (ROOT, TARGETS):
                raise Expired(
                    f"{name}.json version {present.version}: expired on {present.expires:%Y-%m-%d}, and its keys are "
                    "not here to sign it again",
                    hint=f"give the {name} key",
                )
            else:
                yield f"{name}.json expired on {present.expires:%Y-%m-%d}: its keys are not here to sign it again"

    def unsigned(self, now: datetime, floors: Mapping[str, int], skip: int = 0) -> Iterator[Unsigned]:
        """The changed files, to sign. `floors` has versions of roles without a present file, whose numbers are used up.

        `skip` more version numbers are left out: those of files that were published and cannot be used.
        """
        for name in sorted(self.changed):
            signed = self._root if name == ROOT else self._read(name)
            signers = [self.role(name)]
            if name == ROOT and self.view is not None:
                signers.append(self.view.root.roles[ROOT])
            yield Unsigned(name, {**signed, **self._dated(name, now, floors.get(name, 0), skip)}, tuple(signers))

    def snapshot(self, files: Mapping[str, bytes], now: datetime, skip: int = 0) -> Unsigned:
        """The snapshot with these new files, to sign."""
        present = self.present(SNAPSHOT)
        known = as_object(present.signed.get("meta"), "snapshot.json: meta") if present else {}
        meta = {name: _file(entry, f"snapshot.json: {name}") for name, entry in known.items()}
        meta |= {name: _hashed(content) for name, content in files.items()}
        signed = {"_type": "Snapshot", "meta": meta, **self._dated(SNAPSHOT, now, 0, skip)}
        return Unsigned(SNAPSHOT, signed, (self.role(SNAPSHOT),))

    def _dated(self, role: str, now: datetime, floor: int, skip: int) -> Json:
        present = self.present(role)
        expires = (now + timedelta(days=_DAYS.get(role, _DAYS[TARGETS]))).astimezone(UTC)
        version = (present.version if present else floor) + 1 + skip
        return {"expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), "version": version}

    def _edited(self, role: str) -> Json:
        self.changed.add(role)
        return self._read(role)

    def _read(self, role: str) -> Json:
        if role not in self._targets:
            present = self.present(role)
            self._targets[role] = _targets(present.signed, f"{role}.json") if present else _no_targets()
        return self._targets[role]


def _no_targets() -> Json:
    return {"_type": "Targets", "delegations": {"keys": {}, "roles": []}, "targets": {}}


def _root(signed: Mapping[str, object]) -> Json:
    keys = {name: _key(value, "root.json: key") for name, value in as_object(signed.get("keys"), "root.json").items()}
    roles = {
        name: _members(value, ("keyids", "threshold"), f"root.json: {name}")
        for name, value in as_object(signed.get("roles"), "root.json").items()
    }
    consistent = bool(signed.get("consistent_snapshot", False))
    return {"_type": "Root", "consistent_snapshot": consistent, "keys": keys, "roles": roles}


def _targets(signed: Mapping[str, object], what: str) -> Json:
    tags = as_object(signed.get("targets") or {}, f"{what}: targets")
    delegations = as_object(signed.get("delegations") or {}, f"{what}: delegations")
    keys = as_object(delegations.get("keys") or {}, f"{what}: delegations")
    roles = delegations.get("roles") or []
    assert isinstance(roles, list)  # it was parsed
    return {
        "_type": "Targets",
        "delegations": {
            "keys": {name: _key(value, f"{what}: key") for name, value in keys.items()},
            "roles": [_members(item, _DELEGATED, f"{what}: delegation") for item in roles],
        },
        "targets": {name: _file(value, f"{what}: tag {name}") for name, value in tags.items()},
    }


def _key(value: object, what: str) -> Json:
    return _members(value, _KEY, what) | {"keyval": _members(as_object(value, what).get("keyval"), _KEYVAL, what)}


def _file(value: object, what: str) -> Json:
    """A hashed file as it is written; base64 that is spelled in another way would have another hash."""
    members = _members(value, _FILE, what)
    hashes = as_object(members.get("hashes"), f"{what}: hashes")
    members["hashes"] = {name: _base64(as_bytes(item, f"{what}: {name}")) for name, item in hashes.items()}
    return members


def _members(value: object, known: Sequence[str], what: str) -> Json:
    """A copy with the known members. Empty paths and an absent `custom` are left out, as notary does."""
    given = as_object(value, what)
    found = {name: given[name] for name in known if name in given}
    if any(found.get(name) is None for name in known if name not in ("custom", "paths", "private")):
        raise MalformedError(f"{what}: one of {', '.join(known)} is missing")
    return {
        name: list(item) if isinstance(item, list) else item
        for name, item in found.items()
        if not (name in ("custom", "paths") and item in (None, []))
    }


def _entry(delegations: Json, name: str) -> Json | None:
    return next((entry for entry in delegations["roles"] if entry["name"] == name), None)


def _without_unused(delegations: Json) -> None:
    used = {item for entry in delegations["roles"] for item in entry["keyids"]}
    delegations["keys"] = {name: key for name, key in delegations["keys"].items() if name in used}


def _hashed(content: bytes) -> Json:
    hashes = {name: _base64(hashlib.new(name, content).digest()) for name in ("sha256", "sha512")}
    return {"hashes": hashes, "length": len(content)}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
