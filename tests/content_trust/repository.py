"""A trust repository for tests: its files are made anew after each change, signed by its keys."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagesig.content_trust.canonical import canonical_json
from imagesig.content_trust.key import canonical_id, family_of, key_id, public_text
from imagesig.content_trust.metadata import serialized
from imagesig.content_trust.update import TrustData, update
from imagesig.content_trust.update_request import UpdateRequest
from imagesig.crypto.public_key import PublicKey

NOW = datetime.now(UTC).replace(microsecond=0)
"""The real time: the command reads the clock."""
GUN = "registry.example/app"
DIGEST = "sha256:" + "ab" * 32
Json = dict[str, Any]


@dataclass
class Key:
    """A private key, written bare or, for root keys, as a certificate."""

    private: Any
    certificates: bytes = b""

    @property
    def public(self) -> PublicKey:
        return PublicKey.from_cryptography(self.private.public_key())

    @property
    def written(self) -> Json:
        family = family_of(self.public)
        if self.certificates:
            text = base64.b64encode(self.certificates).decode()
            return {"keytype": f"{family}-x509", "keyval": {"private": None, "public": text}}
        return {"keytype": family, "keyval": {"private": None, "public": public_text(self.public)}}

    @property
    def id(self) -> str:
        return key_id(self.written["keytype"], self.written["keyval"]["public"])

    @property
    def canonical_id(self) -> str:
        return canonical_id(self.public)

    def sign(self, message: bytes) -> tuple[str, str, str]:
        """Key id, method and signature, as in metadata."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
            size = (self.private.curve.key_size + 7) // 8
            method, value = "ecdsa", r.to_bytes(size) + s.to_bytes(size)
        elif isinstance(self.private, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            method, value = "rsapss", self.private.sign(message, pss, hashes.SHA256())
        else:
            method, value = "eddsa", self.private.sign(message)
        return self.id, method, base64.b64encode(value).decode()


def p256() -> Key:
    return Key(ec.generate_private_key(ec.SECP256R1()))


def ed() -> Key:
    return Key(ed25519.Ed25519PrivateKey.generate())


def certified(
    name: str = GUN,
    *,
    key: Key | None = None,
    issuer: tuple[x509.Name, Any] | None = None,
    start: datetime = NOW - timedelta(days=30),
    end: datetime = NOW + timedelta(days=3650),
    algorithm: hashes.HashAlgorithm | None = None,
) -> Key:
    """A key with a certificate as docker makes it: self-signed, unless there is an issuer."""
    key = key or p256()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issued_by, signing = issuer or (subject, key.private)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by)
        .public_key(key.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, False, True, False, False, False, False, False, False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(signing, algorithm or hashes.SHA256())
    )
    return Key(key.private, made.public_bytes(Encoding.PEM))


def tag(digest: str = DIGEST, length: int = 418) -> Json:
    return {"hashes": {"sha256": base64.b64encode(bytes.fromhex(digest[7:])).decode()}, "length": length}


@dataclass
class Delegation:
    keys: list[Key]
    tags: Mapping[str, Any]
    paths: list[str] = field(default_factory=lambda: [""])
    threshold: int = 1
    expires: datetime = NOW + timedelta(days=900)
    version: int = 1
    signed_by: list[Key] | None = None


Change = Callable[[Json], None]
"""Changes what is signed, before it is signed."""


@dataclass
class TrustRepository:
    """`change` has changes by role. `signed_by` replaces the signers of a role; `raw` replaces whole files."""

    name: str = GUN
    root: list[Key] = field(default_factory=lambda: [certified()])
    targets: Key = field(default_factory=p256)
    snapshot: Key = field(default_factory=ed)
    timestamp: Key = field(default_factory=ed)
    tags: dict[str, Any] = field(default_factory=lambda: {"1.0": tag()})
    delegations: dict[str, Delegation] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    expires: dict[str, datetime] = field(default_factory=dict)
    threshold: int = 1
    change: dict[str, Change] = field(default_factory=dict)
    signed_by: dict[str, list[Key]] = field(default_factory=dict)
    old_roots: dict[int, bytes] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    _made: dict[object, bytes] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """The files of the server by name, each also under its hash."""
        root = self._file("root", self._root(), self.root)
        roles = {name: self._delegated(name, item) for name, item in self.delegations.items()}
        targets = self._file("targets", self._targets(), [self.targets])
        listed = {"root": root, "targets": targets, **roles}
        meta = {name: hashes_of(content) for name, content in listed.items()}
        snapshot = self._file("snapshot", {"_type": "Snapshot", "meta": meta}, [self.snapshot])
        timestamp = self._file(
            "timestamp", {"_type": "Timestamp", "meta": {"snapshot": hashes_of(snapshot)}}, [self.timestamp]
        )
        every = listed | {"snapshot": snapshot, "timestamp": timestamp}
        found = {f"{name}.json": content for name, content in every.items()}
        found |= {f"{name}.{hashlib.sha256(content).hexdigest()}.json": content for name, content in every.items()}
        found |= {f"{number}.root.json": content for number, content in self.old_roots.items()}
        return found | self.raw

    def rotate_root(self, key: Key, *, signed_by: list[Key] | None = None) -> None:
        """A new root key, signed by the old one and by the new one unless said otherwise."""
        number = self.versions.get("root", 1)
        self.old_roots[number] = self.files()["root.json"]
        self.signed_by["root"] = [*self.root, key] if signed_by is None else signed_by
        self.root, self.versions["root"] = [key], number + 1

    def _root(self) -> Json:
        by_role = {"root": self.root, "targets": [self.targets], "snapshot": [self.snapshot]}
        by_role["timestamp"] = [self.timestamp]
        keys = {key.id: key.written for listed in by_role.values() for key in listed}
        roles = {name: {"keyids": [key.id for key in listed], "threshold": 1} for name, listed in by_role.items()}
        roles["root"]["threshold"] = self.threshold
        return {"_type": "Root", "consistent_snapshot": False, "keys": keys, "roles": roles}

    def _targets(self) -> Json:
        top = {name: item for name, item in self.delegations.items() if name.count("/") == 1}
        return {"_type": "Targets", "delegations": _delegations(top), "targets": self.tags}

    def _delegated(self, name: str, item: Delegation) -> bytes:
        below = {other: value for other, value in self.delegations.items() if other.rpartition("/")[0] == name}
        signed = {"_type": "Targets", "delegations": _delegations(below), "targets": dict(item.tags)}
        self.versions[name], self.expires[name] = item.version, item.expires
        return self._file(name, signed, item.keys if item.signed_by is None else item.signed_by)

    def _file(self, role: str, signed: Json, keys: Iterable[Key]) -> bytes:
        expires = self.expires.get(role, NOW + timedelta(days=900))
        signed |= {"expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), "version": self.versions.get(role, 1)}
        if role in self.change:
            self.change[role](signed)
        message = canonical_json(signed)
        signers = self.signed_by.get(role, list(keys))
        made = (message, *(key.id for key in signers))
        if made not in self._made:  # another signature would be another file
            self._made[made] = serialized(signed, [key.sign(message) for key in signers])
        return self._made[made]


def _delegations(items: Mapping[str, Delegation]) -> Json:
    return {
        "keys": {key.id: key.written for item in items.values() for key in item.keys},
        "roles": [
            {
                "keyids": [key.id for key in item.keys],
                "name": name,
                **({"paths": item.paths} if item.paths else {}),
                "threshold": item.threshold,
            }
            for name, item in items.items()
        ],
    }


def hashes_of(content: bytes) -> Json:
    hashed = {name: base64.b64encode(hashlib.new(name, content).digest()).decode() for name in ("sha256", "sha512")}
    return {"hashes": hashed, "length": len(content)}


def fetched(files: Mapping[str, bytes], request: UpdateRequest) -> TrustData | None:
    """The answer of `update` with these files on the server."""
    steps = update(request)
    try:
        need = next(steps)
        while True:
            need = steps.send(files.get(need.name))
    except StopIteration as done:
        answer: TrustData | None = done.value
        return answer
