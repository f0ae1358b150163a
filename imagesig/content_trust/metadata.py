"""Metadata files of trust data, parsed once: root, targets (and delegations), snapshot and timestamp.

Spec: the dialect of TUF that notary 0.7 writes. Parsed values are not verified: `role` checks signatures.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Self

from msgspec import Struct

from imagesig import limits
from imagesig.content_trust.canonical import canonical_json
from imagesig.content_trust.key import TrustKey, parse_key
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Role, check_delegation_name
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape, as_bytes, as_object, as_text, members_of
from imagesig.errors import LimitExceeded, MalformedError, UnsupportedAlgorithm
from imagesig.oci.reference import is_tag
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_SIGNATURE = Shape.of("keyid method sig")
_FILE = Shape.of("length", hashes=Shape.of("sha256 sha512"))
_ROLE = Shape.of("keyids threshold name paths")
_SIGNED = Shape.of(
    "_type expires version consistent_snapshot keys roles targets meta", delegations=Shape.of("keys", roles=_ROLE)
)
_DOCUMENT = Shape.of("", signed=_SIGNED, signatures=_SIGNATURE)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_MOST_NUMBER = 2**53
_SHOWN = 10
"""Reasons for tags of one file that are not used."""
_GO_ESCAPES = tuple((character.encode(), f"\\u{ord(character):04x}".encode()) for character in "&<>\u2028\u2029")
"""They occur in strings alone."""
_BYTES = {ROOT: limits.TRUST_ROOT_BYTES, TIMESTAMP: limits.TRUST_TIMESTAMP_BYTES}


def most_bytes(role: str) -> int:
    """The largest file of a role that is read."""
    return _BYTES.get(role, limits.TRUST_TARGETS_BYTES)


class RoleSignature(RedactedStruct, frozen=True):
    """One signature of a file, not verified."""

    hidden = ("value",)

    key_id: str
    method: str
    value: bytes


class Document(RedactedStruct, frozen=True):
    """One file: its bytes, and what its signatures are over. `role` is the role that it was read for."""

    hidden = ("content", "message")

    role: str
    content: bytes
    message: bytes
    signed: Mapping[str, object]
    signatures: tuple[RoleSignature, ...]
    version: int
    expires: datetime


class FileHash(Struct, frozen=True):
    """The length and the SHA-256 that another file gives: of metadata, or of an image's manifest."""

    length: int
    sha256: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        return cls(len(content), hashlib.sha256(content).digest())

    @property
    def digest(self) -> str:
        """`sha256:` and hex, as registries name content."""
        return f"sha256:{self.sha256.hex()}"


class Root(Struct, frozen=True):
    """The keys of the four top-level roles."""

    document: Document
    roles: Mapping[str, Role]


class Targets(Struct, frozen=True):
    """Tags with the manifests that they name, and the roles that these are delegated to, in their order.

    `skipped` says which keys and tags are not used, and why.
    """

    document: Document
    tags: Mapping[str, FileHash]
    delegations: tuple[Role, ...]
    skipped: tuple[str, ...] = ()


class Listing(Struct, frozen=True):
    """A snapshot or a timestamp: the files that belong together, by role."""

    document: Document
    files: Mapping[str, FileHash]


def parse_document(role: str, content: bytes) -> Document:
    """The file of a role. Raises `MalformedError` for another file, and `LimitExceeded` for a larger one."""
    what = f"{role}.json"
    if len(content) > most_bytes(role):
        raise LimitExceeded(f"{what}: {len(content)} bytes, at most {most_bytes(role)} are read")
    document = parse_object(content, what, _DOCUMENT, nodes=limits.TRUST_NODES)
    signed = as_object(document.get("signed"), f"{what}: signed")
    kind = (TARGETS if role.startswith(TARGETS) else role).capitalize()
    if signed.get("_type") != kind:
        raise MalformedError(f"{what}: _type {quote(signed.get('_type'))}, {kind} is needed")
    if (first := min(signed)) != "_type":  # sorts before every member that notary knows, so a blob is recognized by it
        raise MalformedError(f"{what}: signed: the member {quote(first)} is none of trust data")
    listed = _items(document.get("signatures"), f"{what}: signatures", limits.TRUST_SIGNATURES)
    return Document(
        role,
        content,
        canonical_json(signed),
        signed,
        tuple(_signature(item, what) for item in listed),
        _number(signed.get("version"), f"{what}: version", least=1),
        _time(signed.get("expires"), f"{what}: expires"),
    )


def serialized(signed: Mapping[str, object], signatures: Iterable[tuple[str, str, str]]) -> bytes:
    """A metadata file byte for byte as notary writes it; `signatures` are key id, method and base64.

    The server hashes its own rendering of a file: one other byte makes the repository unusable. The signatures are over
    the canonical JSON; the file has the same with the escapes of Go's `json.Marshal`.

    Raises:
        MalformedError: a control character, which Go cannot write.
    """
    written = canonical_json(signed)
    if any(byte < 0x20 for byte in written):
        raise MalformedError("trust data: a name with a control character, which notary cannot write")
    for character, escape in _GO_ESCAPES:
        written = written.replace(character, escape)
    listed = [f'{{"keyid":"{key}","method":"{method}","sig":"{value}"}}' for key, method, value in signatures]
    return b'{"signed":' + written + f',"signatures":[{",".join(listed)}]}}'.encode("ascii")


def parse_root(content: bytes) -> Root:
    """The keys in a root file. Raises as `parse_document` does."""
    document = parse_document(ROOT, content)
    keys, _ = _keys(document.signed.get("keys"), "root.json: keys")
    found = as_object(document.signed.get("roles"), "root.json: roles")
    needed = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
    if set(found) != set(needed):
        raise MalformedError(f"root.json: roles {quote(sorted(found))}, exactly {', '.join(needed)} are needed")
    return Root(document, {name: _role(name, found[name], keys, f"root.json: role {name}") for name in needed})


def parse_targets(role: str, content: bytes) -> Targets:
    """The tags and delegations in a targets file. Raises as `parse_document` does."""
    document = parse_document(role, content)
    what = f"{role}.json"
    tags: dict[str, FileHash] = {}
    skipped: list[str] = []
    for tag, value in as_object(document.signed.get("targets", {}), f"{what}: targets").items():
        try:
            if not is_tag(tag):
                raise MalformedError(f"{what}: {quote(tag)} is not a tag")
            tags[tag] = _file_hash(value, f"{what}: tag {tag}")
        except MalformedError as error:
            skipped.append(str(error))
    delegations = as_object(document.signed.get("delegations", {"keys": {}, "roles": []}), f"{what}: delegations")
    keys, unusable = _keys(delegations.get("keys", {}), f"{what}: delegations")
    listed = _items(delegations.get("roles", []), f"{what}: delegations", limits.TRUST_DELEGATIONS)
    roles = tuple(_delegation(role, item, keys, f"{what}: delegation") for item in listed)
    if len({item.name for item in roles}) != len(roles):
        raise MalformedError(f"{what}: a role is delegated twice")
    if (more := len(skipped) - _SHOWN) > 0:
        skipped[_SHOWN:] = [f"{what}: {more} more tags are not used"]
    return Targets(document, tags, roles, (*skipped, *unusable))


def parse_listing(role: str, content: bytes, needed: Collection[str]) -> Listing:
    """The files in a snapshot or timestamp. Raises as `parse_document` does, and if a needed role is missing."""
    document = parse_document(role, content)
    what = f"{role}.json"
    found = as_object(document.signed.get("meta"), f"{what}: meta")
    # As many as the file's limit allows: every signer can add files, which must not stop the others.
    files = {name: _file_hash(value, f"{what}: {quote(name)}") for name, value in found.items()}
    for name in needed:
        if name not in files:
            raise MalformedError(f"{what}: the file of {name} is missing")
    return Listing(document, files)


def _keys(value: object, what: str) -> tuple[dict[str, TrustKey], list[str]]:
    """The keys by id, and why others are not used."""
    members = as_object(value, what)
    if len(members) > limits.TRUST_KEYS:
        raise LimitExceeded(f"{what}: {len(members)} keys, at most {limits.TRUST_KEYS} are read")
    keys, skipped = {}, []
    for identifier, item in members.items():
        try:
            keys[identifier] = parse_key(identifier, item, f"{what}: key {quote(identifier)}")
        except UnsupportedAlgorithm as error:
            skipped.append(f"{what}: key {quote(identifier)} is not used: {error}")
    return keys, skipped


def _role(name: str, value: object, keys: Mapping[str, TrustKey], what: str) -> Role:
    members = members_of(value, _ROLE, what)
    identifiers = [as_text(item, f"{what}: keyids") for item in _items(members.get("keyids"), what, limits.TRUST_KEYS)]
    if len(set(identifiers)) != len(identifiers):
        raise MalformedError(f"{what}: a key id is listed twice")
    threshold = _number(members.get("threshold"), f"{what}: threshold", least=1)
    paths = tuple(str(item) for item in _texts(members.get("paths") or [], f"{what}: paths"))
    return Role(name, tuple(keys[item] for item in identifiers if item in keys), threshold, paths)


def _delegation(parent: str, value: object, keys: Mapping[str, TrustKey], what: str) -> Role:
    name = check_delegation_name(as_text(as_object(value, what).get("name"), f"{what}: name"), parent)
    return _role(name, value, keys, f"{what} {name}")


def _file_hash(value: object, what: str) -> FileHash:
    members = members_of(value, _FILE, what)
    hashes = as_object(members.get("hashes"), f"{what}: hashes")
    sha256 = as_bytes(hashes.get("sha256"), f"{what}: sha256")
    if len(sha256) != hashlib.sha256().digest_size:
        raise MalformedError(f"{what}: a SHA-256 of {len(sha256)} bytes, 32 are needed")
    return FileHash(_number(members.get("length"), f"{what}: length", least=0), sha256)


def _signature(value: object, what: str) -> RoleSignature:
    members = members_of(value, _SIGNATURE, f"{what}: signature")
    texts = [as_text(members.get(name), f"{what}: signature: {name}") for name in ("keyid", "method")]
    return RoleSignature(texts[0], texts[1], as_bytes(members.get("sig"), f"{what}: sig"))


def _items(value: object, what: str, most: int) -> list[object]:
    if not isinstance(value, list):
        raise MalformedError(f"{what}: {quote(value)}, a list is needed")
    if len(value) > most:
        raise LimitExceeded(f"{what}: {len(value)} items, at most {most} are read")
    return value


def _texts(value: object, what: str) -> list[object]:
    found = _items(value, what, limits.TRUST_PATHS)
    if not all(isinstance(item, str) for item in found):
        raise MalformedError(f"{what}: {quote(value)}, texts are needed")
    return found


def _number(value: object, what: str, *, least: int) -> int:
    # 1.0 and 1e0 are other types to notary, which refuses them.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST_NUMBER:
        raise MalformedError(f"{what}: {quote(value)}, a whole number of {least} or more is needed")
    return value


def _time(value: object, what: str) -> datetime:
    """RFC 3339; nanoseconds are cut to microseconds."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    try:
        if match:
            return datetime.fromisoformat(match[1] + (match[2] or "")[:7] + match[3].replace("Z", "+00:00"))
    except ValueError:
        pass
    raise MalformedError(f"{what}: {quote(value)}, a time as in RFC 3339 is needed")
