"""The parsers that are fuzzed: each takes any bytes and returns, or raises an error of imagesig.

A target is a name and a function from bytes; its seeds lie in `corpus/NAME/`. What a target reads here is what an
artefact, a server, a file or a plugin may hold.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import yaml  # noqa: F401 - loaded before memory is measured

from imagesig.cli.workloads.file import parse_workloads
from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding import cbor
from imagesig.encoding.json import parse
from imagesig.errors import ImagesigError
from imagesig.formats import select_formats
from imagesig.images.archive.members import read_members
from imagesig.images.directory.signature_file import parse_signature_file
from imagesig.images.registry.challenges import parse_challenges
from imagesig.images.registry.link import next_page
from imagesig.keys.file.reading import read_private_key
from imagesig.keys.secrets import no_secrets
from imagesig.keys.uri import KeySettings, resolve_key
from imagesig.oci.annotations import Annotations
from imagesig.oci.listing import parse_listing
from imagesig.oci.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, parse_index, parse_manifest
from imagesig.oci.reference import parse_reference
from imagesig.oci.shapes import DOCUMENT
from imagesig.policy.files.containers import parse_containers_policy
from imagesig.policy.files.document import read_json, read_toml
from imagesig.policy.files.notation import parse_trust_policy
from imagesig.policy.files.parse import parse_policy
from imagesig.policy.scope import parse_scope
from imagesig.signature import Part, StoredSignature
from imagesig.trust import TimestampAuthorities
from imagesig.trust.crl import judge_crl, open_crl
from imagesig.trust.distinguished_name import parse_distinguished_name
from imagesig.trust.holder import Holder
from imagesig.trust.ocsp import judge_ocsp
from imagesig.trust.profile import check_code_signing_chain
from imagesig.trust.timestamp import examine_timestamp
from imagesig.url import join_url, parse_url, redact
from tests.fuzz.attestations import ATTESTATIONS
from tests.fuzz.judging import MATERIAL, NOW, authority, judged


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _payload(data: bytes) -> None:
    annotations = Annotations({"dev.cosignproject.cosign/signature": "c2ln"})
    stored = StoredSignature("here", (Part("application/vnd.dev.cosign.simplesigning.v1+json", data, annotations),))
    (chosen,) = select_formats(["cosign"])
    chosen.claim(chosen.parse(stored))


def _classic_annotations(data: bytes) -> None:
    signature, _, certificate = _text(data).partition("\0")
    annotations = Annotations(
        {
            "dev.cosignproject.cosign/signature": signature,
            "dev.sigstore.cosign/certificate": certificate,
            "dev.sigstore.cosign/chain": certificate,
        }
    )
    part = Part(
        "application/vnd.dev.cosign.simplesigning.v1+json", (MATERIAL / "payload.json").read_bytes(), annotations
    )
    judged("cosign", StoredSignature("here", (part,)))


def _bundle(data: bytes) -> None:
    media_type = "application/vnd.dev.sigstore.bundle.v0.3+json"
    judged("bundle", StoredSignature("here", (Part(media_type, data),), media_type))


def _notation(media_type: str) -> Callable[[bytes], None]:
    def judge(data: bytes) -> None:
        kind = "application/vnd.cncf.notary.signature"
        judged("notation", StoredSignature("here", (Part(media_type, data),), kind))

    return judge


def _statement(data: bytes) -> None:
    from imagesig.formats.bundle import parse_statement

    pre_authentication_encoding("application/vnd.in-toto+json", data)
    parse_statement(data)


def _certificate(data: bytes) -> None:
    certificate = Certificate.from_der(data)
    str((certificate, certificate.subject, certificate.issuer, certificate.not_before, certificate.not_after))
    for holder in ("C=US, O=Example", "ci@example.com", "build.example.com", "spiffe://example.com/ci"):
        try:
            Holder.of(holder).matches(certificate)
        except ImagesigError:
            continue
    with contextlib.suppress(ImagesigError):
        str(certificate.public_key)
    check_code_signing_chain((certificate,))


def _crl(data: bytes) -> None:
    issuer, signer = authority()[0], authority()[-1]
    opened = open_crl(data, issuer, NOW)
    judge_crl(signer, opened)


def _ocsp(data: bytes) -> None:
    judge_ocsp(data, authority()[-1], authority()[0], NOW)


def _timestamp(data: bytes) -> None:
    examine_timestamp(data, b"signature", TimestampAuthorities(authority()[:1]), NOW)


def _key_file(data: bytes) -> None:
    read_private_key(data, "key", no_secrets)


def _public_key(data: bytes) -> None:
    PublicKey.from_der(data) if data[:1] == b"0" else PublicKey.from_pem(data)


def _key_uri(data: bytes) -> None:
    provider, _ = resolve_key(_text(data), KeySettings({"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t"}))
    provider.close()


def _reference(data: bytes) -> None:
    parse_reference(_text(data))


def _policy(data: bytes) -> None:
    for reader in (read_toml, read_json):
        try:
            parse_policy(reader(data, "policy"))
        except ImagesigError:
            continue


def _containers_policy(data: bytes) -> None:
    parse_containers_policy(read_json(data, "policy.json"), formats=("cosign",))


class _Bytes:
    """A tar in memory."""

    def __init__(self, data: bytes) -> None:
        self._stream, self._size = io.BytesIO(data), len(data)

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def skip(self, size: int) -> bool:
        return self._stream.seek(size, io.SEEK_CUR) <= self._size

    def tell(self) -> int:
        return self._stream.tell()


def _url(data: bytes) -> None:
    text = _text(data)
    redact(text)
    for attempt in (lambda: parse_url(text), lambda: join_url("https://registry.example/v2/", text)):
        try:
            attempt()
        except ImagesigError:
            continue


def _holder(data: bytes) -> None:
    for reader in (Holder.of, lambda text: parse_distinguished_name(text, "name"), parse_scope):
        try:
            reader(_text(data))
        except ImagesigError:
            continue


TARGETS: dict[str, Callable[[bytes], Any]] = {
    "reference": _reference,
    "manifest": lambda data: parse_manifest(data, OCI_MANIFEST, "manifest"),
    "docker-manifest": lambda data: parse_manifest(data, DOCKER_MANIFEST, "manifest"),
    "index": lambda data: parse_index(data, OCI_INDEX, "index"),
    "json": lambda data: parse(data, "document", DOCUMENT),
    "listing": lambda data: parse_listing(data, None, "listing"),
    "link": lambda data: next_page(_text(data), "link"),
    "cbor": lambda data: cbor.parse(data, "document"),
    "tar": lambda data: read_members(_Bytes(data), "archive", links=True),
    "payload": _payload,
    "classic-annotations": _classic_annotations,
    "bundle": _bundle,
    "statement": _statement,
    "jws": _notation("application/jose+json"),
    "cose": _notation("application/cose"),
    "signature-file": lambda data: parse_signature_file(data, "signature-1"),
    "certificate": _certificate,
    "certificates": lambda data: parse_certificates(data, "file"),
    "crl": _crl,
    "ocsp": _ocsp,
    "timestamp": _timestamp,
    "key-file": _key_file,
    "public-key": _public_key,
    "key-uri": _key_uri,
    "policy": _policy,
    "containers-policy": _containers_policy,
    "notation-policy": lambda data: parse_trust_policy(data, "trustpolicy.json"),
    "workloads": lambda data: parse_workloads(data, "deploy.yaml"),
    "challenges": lambda data: parse_challenges(data.decode("latin-1")),
    "url": _url,
    "names": _holder,
    **ATTESTATIONS,
}
