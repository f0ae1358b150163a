"""Keys, certificates, and the valid signed or attested images that are changed: each made once for a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from imagesig import attest, copy, key_from_pem, layout, sign
from imagesig.crypto.algorithms import KeyType
from imagesig.format_names import DSSE
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from tests.chains import CODE_SIGNING, SIGNS, SUBJECT, Issuer, intermediate, key_usage, leaf, pem, root
from tests.interop.notation import now
from tests.makers import private_key
from tests.mutations.stores import Place, Store, as_directory, as_repository, of_layout

IDENTITY = "registry.example/team/app:1.0"
HOLDER = "release@acme.example"
TAG = "1.0"


@dataclass(frozen=True)
class Base:
    """A valid signed image in one kind of home. `other` is signed by the same key, `evil` by nobody.

    `home` is `registry`, `fallback` (a registry without the referrers API), `layout`, `oci-archive`, `docker-archive`
    or `dir`; `shape` is `image` or `index`.
    """

    home: str
    form: str
    shape: str
    store: Store
    other: Store
    evil: Store

    @property
    def name(self) -> str:
        return f"{self.home}/{self.form}/{self.shape}"

    @property
    def twin(self) -> Base:
        """The other signed image."""
        return replace(self, store=self.other)


@dataclass
class Material:
    """Everything that is made in a folder for one run."""

    folder: Path
    forms: Mapping[str, tuple[str, ...]]
    bases: list[Base] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = now()
        start, end = self.at - timedelta(hours=1), self.at + timedelta(days=1)
        self.valid = {"start": start, "end": end}
        self.root = root(**self.valid)
        self.middle = intermediate(self.root, **self.valid)
        self.signer = self.leaf(self.middle)
        self.stranger = leaf(intermediate(root(number=950, **self.valid), number=951, **self.valid), **self.valid)
        for form, homes in self.forms.items():
            for shape in ("image", "index"):
                self._make(form, shape, homes)

    def leaf(self, issuer: Issuer | None, name: str = HOLDER, *more: object, **options: object) -> Issuer:
        names = x509.SubjectAlternativeName([x509.RFC822Name(name)])
        options = {"key": private_key(), **self.valid, **options}
        return leaf(issuer, f"{SUBJECT},CN=leaf", (names, False), *more, **options)  # type: ignore[arg-type]

    @property
    def public_pem(self) -> str:
        return private_key().public_key.pem

    def sign_der(self, message: bytes) -> bytes:
        loaded = private_key().loaded
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded.sign(message, ec.ECDSA(hashes.SHA256()))

    @cached_property
    def odd_certificates(self) -> Mapping[str, bytes]:
        """Certificates of the signer's key that are odd in one way, by that."""
        early, late = self.at - timedelta(days=3), self.at + timedelta(days=3)
        any_purpose, server = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.SERVER_AUTH
        unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\0")
        authority = (x509.BasicConstraints(ca=True, path_length=None), True)
        made = {
            "expired": self.leaf(self.middle, start=early, end=self.at - timedelta(days=1)),
            "of-the-future": self.leaf(self.middle, start=self.at + timedelta(days=1), end=late),
            "longer-than-its-authority": self.leaf(self.middle, start=early, end=late),
            "without-purposes": self.leaf(self.middle, purposes=None),
            "for-servers": self.leaf(self.middle, purposes=[server]),
            "for-servers-too": self.leaf(self.middle, purposes=[CODE_SIGNING, server]),
            "for-any-purpose": self.leaf(self.middle, purposes=[any_purpose]),
            "without-key-usage": self.leaf(self.middle, usage=None),
            "for-agreement": self.leaf(self.middle, usage=(key_usage("key_agreement"), True)),
            "usage-not-critical": self.leaf(self.middle, usage=(SIGNS[0], False)),
            "an-authority": self.leaf(self.middle, constraints=authority),
            "without-constraints": self.leaf(self.middle, constraints=None),
            "of-another-holder": self.leaf(self.middle, "somebody@else.example"),
            "of-a-holder-in-capitals": self.leaf(self.middle, HOLDER.upper()),
            "of-no-holder": leaf(self.middle, f"{SUBJECT},CN=leaf", key=private_key(), **self.valid),
            "of-another-subject": leaf(self.middle, "C=US,ST=WA,O=else,CN=leaf", key=private_key(), **self.valid),
            "unknown-extension": self.leaf(self.middle, HOLDER, (unknown, False)),
            "unknown-critical-extension": self.leaf(self.middle, HOLDER, (unknown, True)),
            "issued-by-the-root": self.leaf(self.root),
            "issued-by-an-unknown": self.leaf(root(number=952, **self.valid)),
            "issued-by-a-namesake": self.leaf(intermediate(root(number=953, **self.valid), number=954, **self.valid)),
            "self-signed": self.leaf(None),
            "of-another-key": self.leaf(self.middle, key=private_key(number=7)),
            "of-an-rsa-key": self.leaf(self.middle, key=private_key(KeyType.RSA_2048)),
            "the-intermediate": self.middle,
            "the-root": self.root,
            "by-sha512": self.leaf(self.middle, hash_=hashes.SHA512()),
        }
        return {name: issuer.certificate.der for name, issuer in made.items()}

    @property
    def stranger_pem(self) -> str:
        return pem(self.stranger.chain)

    def _make(self, form: str, shape: str, homes: tuple[str, ...]) -> None:
        homes = tuple(home for home in homes if shape in SHAPES[home])
        if not homes:
            return
        stores = [self._layout(form, shape, what) for what in ("image", "other", "evil")]
        for home in homes:
            self.bases.append(Base(home, form, shape, *(self._in_home(home, folder) for folder in stores)))

    def _layout(self, form: str, shape: str, what: str) -> Path:
        folder = self.folder / f"{form}-{shape}-{what}"
        build = Layout.create(folder)
        files = {"bin/app": what.encode()}
        if shape == "index":
            build_index(build, files, TAG)
        else:
            build_image(build, files, PLATFORMS[0], TAG)
        key = private_key().loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if form in ATTESTED and what != "evil":
            opened = key_from_pem(key)
            predicate = {**PREDICATE, "app": what}
            attest(layout(folder, TAG), opened, predicate_type=TYPE, predicate=predicate, formats=[ATTESTED[form]])
        elif what != "evil":
            opened = key_from_pem(key + pem(self.signer.chain).encode())
            formats = ("cosign", "bundle") if form == "both" else (form,)
            sign(layout(folder, TAG), opened, formats=formats, identity=IDENTITY)
        return folder

    def _in_home(self, home: str, folder: Path) -> Store:
        if home == "dir":
            target = folder.with_name(f"{folder.name}-dir")
            copy(f"oci:{folder}:{TAG}", f"dir:{target}")
            return as_directory(target)
        store = of_layout(folder)
        if home in ("registry", "fallback"):
            return as_repository(store, referrers_api=home == "registry")
        if home == "docker-archive":
            _describe_for_docker(store)
        return store


TYPE = "slsaprovenance1"
PREDICATE = {
    "buildDefinition": {"buildType": "https://b.example/t", "externalParameters": {"n": 12345678901234567890, "b": []}},
    "runDetails": {"builder": {"id": "https://b.example/b"}, "metadata": {"startedOn": "2026-11-01T00:00:00Z"}},
}
ATTESTED = {"attestation": "cosign", "attestation-bundle": "bundle"}
"""The forms of attestations, and the names of their formats."""
ATTESTATIONS: dict[str, tuple[str, ...]] = {
    "attestation": ("registry",),
    "attestation-bundle": ("registry", "fallback"),
}
FORMS: dict[str, tuple[str, ...]] = {
    "cosign": ("registry", "layout", "oci-archive", "docker-archive", "dir"),
    "bundle": ("registry", "fallback", "layout"),
    "both": ("registry",),
    "cosign-x509": ("registry",),
    "bundle-x509": ("registry",),
    "notation-jws": ("registry", "fallback", "layout"),
    "notation-cose": ("registry", "layout"),
}
SHAPES: dict[str, tuple[str, ...]] = {
    "registry": ("image", "index"),
    "fallback": ("image",),
    "layout": ("image", "index"),
    "oci-archive": ("image", "index"),
    "docker-archive": ("image",),
    "dir": ("image",),
}


def _describe_for_docker(store: Store) -> None:
    """Adds Docker's own description, as `docker save` does since 25."""
    index = json.loads(store.files["index.json"])
    manifest = json.loads(store.blobs[index["manifests"][0]["digest"]])
    config, layers = manifest["config"]["digest"], [item["digest"] for item in manifest["layers"]]
    entry = {"Config": _path(config), "RepoTags": [IDENTITY], "Layers": [_path(item) for item in layers]}
    store.files["manifest.json"] = json.dumps([entry], separators=(",", ":")).encode()


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest[7:]}"


def roles(base: Base) -> dict[str, Place]:
    """Where each document of the image lies, by what it is."""
    store = base.store
    found = {name: Place("file", name) for name in store.files}
    if base.home == "dir":
        manifest = json.loads(store.files["manifest.json"])
        return {**found, "config": _blob(manifest["config"]), "layer": _blob(manifest["layers"][0])}
    if store.files:
        entries = json.loads(store.files["index.json"])["manifests"]
        top = entries[0]["digest"]
        signed = [entry["digest"] for entry in entries[1:]]
    else:
        top = store.tags[TAG]
        signed = [digest for digest in store.types if "manifests" not in json.loads(store.blobs[digest])]
    document = json.loads(store.blobs[top])
    if "manifests" in document:
        found["index"] = Place("blob", top)
        child = document["manifests"][0]["digest"]
    else:
        child = top
    found["manifest"] = Place("blob", child)
    manifest = json.loads(store.blobs[child])
    found |= {"config": _blob(manifest["config"]), "layer": _blob(manifest["layers"][0])}
    found |= _of_signatures(store, signed, top)
    for digest in (top, child):
        if digest in store.listings:
            found["listing" if digest == top else "child-listing"] = Place("listing", digest)
        fallback = store.tags.get(digest.replace(":", "-"))
        if fallback:
            found["fallback-index"] = Place("blob", fallback)
    return found


def _of_signatures(store: Store, manifests: list[str], top: str) -> dict[str, Place]:
    """Signature manifests of the image itself, and what they hold."""
    found: dict[str, Place] = {}
    for digest in manifests:
        document = json.loads(store.blobs[digest])
        layer = (document.get("layers") or [{}])[0]
        if "simplesigning" in layer.get("mediaType", "") and top.encode() in store.blobs[layer["digest"]]:
            found |= {"classic-manifest": Place("blob", digest), "payload": _blob(layer)}
            found["classic-config"] = _blob(document["config"])
        if layer.get("mediaType") == DSSE and store.tags.get(f"sha256-{top[7:]}.att") == digest:
            found |= {"classic-manifest": Place("blob", digest), "envelope": _blob(layer)}
        if document.get("subject", {}).get("digest") == top:
            found |= {"referrer": Place("blob", digest), "envelope": _blob(layer)}
    return found


def _blob(descriptor: Mapping[str, object]) -> Place:
    return Place("blob", str(descriptor["digest"]))
