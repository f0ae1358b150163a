"""A file that somebody hands over to be signed: its signature is never that of an image, a statement or trust data."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

import imagesig
from imagesig import sign_blob, verify_blob
from imagesig.content_trust.canonical import canonical_json
from imagesig.content_trust.metadata import parse_targets, serialized
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.formats.other_messages import HEAD_BYTES, MessageScan
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.in_toto.statement import IN_TOTO
from imagesig.testing import MemoryProvider
from imagesig.trust import TrustedKey
from tests.api.blob.test_blobs import key
from tests.attacks.policy_place import furnish
from tests.attestations import statement
from tests.commands import run_here
from tests.makers import payload

DIGEST = "sha256:" + "0" * 64


def _encoded(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def _escaped(content: bytes, name: bytes) -> bytes:
    return content.replace(name, b"\\u%04x" % name[0] + name[1:])


def _trust(kind: str, **more: object) -> bytes:
    return canonical_json(
        {"_type": kind, "expires": "2030-01-01T00:00:00Z", "version": 2, "targets": {}, "delegations": {}, **more}
    )


SIMPLE = json.dumps(payload(image={"docker-manifest-digest": DIGEST})).encode()
JWS = {"alg": "ES256", "cty": "application/vnd.cncf.notary.payload.v1+json"}
ESCAPED_JWS = b'{"\\u0061lg":"ES256","io.cncf.notary.signingScheme":"x"}'
OTHERS: dict[str, bytes] = {
    "a payload of cosign": SIMPLE,
    "with blanks before it": b" \n\t" + SIMPLE,
    "with another case": SIMPLE.replace(b"critical", b"CRITICAL").replace(b"docker-manifest", b"Docker-Manifest"),
    "with a long s and a Kelvin sign": SIMPLE.replace(b"docker-manifest", "doc\u212aer-manife\u017ft".encode()),
    "with escapes": _escaped(_escaped(SIMPLE, b"critical"), b"docker-manifest-digest"),
    "with optional members first": b'{"optional": {"x": "%b"}, ' % (b"y" * 100_000) + SIMPLE.lstrip()[1:],
    "with critical twice": SIMPLE.rstrip()[:-1] + b',"critical":{}}',
    "with critical again as null": SIMPLE.rstrip()[:-1] + b',"critical":null}',
    "a statement in DSSE": pre_authentication_encoding(IN_TOTO, statement(DIGEST, {})),
    "another type in DSSE": pre_authentication_encoding("text/plain", b"x"),
    "a JWS": _encoded(JWS) + b"." + _encoded({"a": 1}),
    "a JWS with an escape": base64.urlsafe_b64encode(ESCAPED_JWS).rstrip(b"=") + b".e30",
    "a JWS with line breaks": b"\n"
    + _encoded(JWS)[:10]
    + b"\r\n"
    + _encoded(JWS)[10:]
    + b"."
    + _encoded({"a": 1})
    + b"\n",
    "a COSE structure": b"\x84\x6aSignature1\x43\xa1\x01\x26\x40\x42{}",
    "trust data": _trust("Targets"),
    "a root of trust": _trust("Root", roles={}, keys={}),
    "trust data with a member before": _trust("Targets", AAA=1),
    "trust data with a member after": _trust("Snapshot", signatures=[], signed={}),
}
PAD = b'{"pad": "%b", ' % (b"y" * HEAD_BYTES)
LONG: dict[str, bytes] = {
    "a payload of cosign": PAD + SIMPLE.lstrip()[1:],
    "a payload after blanks": b" " * HEAD_BYTES + SIMPLE,
    "a payload with a long s and a Kelvin sign": PAD + OTHERS["with a long s and a Kelvin sign"].lstrip()[1:],
    "a payload with escapes": PAD + OTHERS["with escapes"].lstrip()[1:],
    "a payload with more escapes": PAD + _escaped(_escaped(SIMPLE, b"manifest"), b"st-digest").lstrip()[1:],
    "a payload with escapes of other letters": PAD
    + SIMPLE.replace(b"docker-manifest", b"doc\\u212Aer-manife\\u017ft").lstrip()[1:],
    "a statement in DSSE": pre_authentication_encoding(IN_TOTO, statement(DIGEST, "y" * HEAD_BYTES)),
    "a JWS with a long header": _encoded({"pad": "y" * HEAD_BYTES, **JWS}) + b".e30",
    "a JWS with a long payload": _encoded(JWS) + b"." + b"A" * HEAD_BYTES,
    "a JWS with line breaks": _encoded(JWS) + b"\n." + b"A" * HEAD_BYTES + b"\r\n",
    "trust data": _trust("Targets", AAA="y" * HEAD_BYTES),
}
"""Longer than what imagesig reads as a message. cosign, notation and notary read more."""
LONG_FILES: dict[str, bytes] = {
    "an SBOM": PAD + b'"critical": {"image": {"docker-manifest": 1}}}',
    "base64": b"A" * HEAD_BYTES + b"=\n",
    "base64url without a dot": b"A-_\n" * HEAD_BYTES,
    "text with a dot": b"a b.\n" * HEAD_BYTES,
    "a metadata file": b'{"signed":%b,"signatures":[]}' % _trust("Targets", x="y" * HEAD_BYTES),
    "bytes": bytes(range(256)) * HEAD_BYTES,
}
FILES: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "a statement": statement(DIGEST, {}),
    "a report": b'{"critical": 3, "high": 5}',
    "a manifest": b'{"schemaVersion":2,"config":{},"layers":[]}',
    "a metadata file": b'{"signed":%b,"signatures":[]}' % _trust("Targets"),
    "a newer metadata file": b'{"signatures":[],"signed":{"_type":"root","expires":"x","version":1}}',
    "a domain": b"example.org",
    "a token": _encoded({"alg": "none"}) + b"." + _encoded({}) + b".AAAA",
    "about DSSE": b"The DSSEv1 encoding",
    "bytes": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("blob", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.ED25519], ids=lambda item: item.value)
def test_a_blob_that_would_be_another_signature_is_not_signed(blob: bytes, key_type: KeyType) -> None:
    with pytest.raises(InvalidArgument, match="its signature would be"):
        sign_blob(blob, key(key_type))


@pytest.mark.parametrize("blob", LONG.values(), ids=LONG)
def test_a_long_blob_that_would_be_another_signature_is_not_signed(blob: bytes) -> None:
    with pytest.raises(InvalidArgument, match="its signature would be"):
        sign_blob(blob, MemoryProvider().open())


@pytest.mark.parametrize("blob", [LONG["a payload with escapes"], LONG["trust data"]], ids=["payload", "trust data"])
def test_a_name_in_two_pieces_is_found(blob: bytes) -> None:
    for size in range(1, 400, 7):
        scan = MessageScan()
        for piece in (blob[:-size], blob[-size:]):
            scan.add(piece)
        assert scan.kind


@pytest.mark.parametrize("blob", (FILES | LONG_FILES).values(), ids=FILES | LONG_FILES)
def test_other_files_are_signed(blob: bytes) -> None:
    signer = MemoryProvider().open()
    assert verify_blob(blob, signer.info.public_key, bundle=sign_blob(blob, signer).bundle).size == len(blob)


def test_trust_data_with_an_unknown_member_before_the_type_are_refused() -> None:
    """The type is how `sign_blob` recognizes trust data."""
    signed = json.loads(_trust("Targets")) | {"A" * HEAD_BYTES: 1}
    with pytest.raises(InvalidArgument, match="Docker Content Trust"):
        sign_blob(canonical_json(signed), MemoryProvider().open())
    with pytest.raises(MalformedError, match="is none of trust data"):
        parse_targets("targets", serialized(signed, [("ab", "ecdsa", "AA==")]))


def test_nobody_gets_an_image_signature_by_handing_over_a_file(tmp_path: Path) -> None:
    build_image(Layout.create(tmp_path / "evil"), {"a": b"evil"}, PLATFORMS[0], "1.0")
    image, signer = f"oci:{tmp_path}/evil:1.0", MemoryProvider().open()
    made = imagesig.generate_payload(image, identity="registry.example/app:1.0").payload

    def handed_over() -> bool:
        signature = sign_blob(made, signer).signature
        imagesig.attach(image, signature, key=TrustedKey("key", (signer.info.public_key,)), payload=made)
        return imagesig.verify(image, signer.info.public_key).verified

    with pytest.raises(InvalidArgument, match="the payload of an image signature"):
        handed_over()


def test_the_command_says_what_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(tmp_path, "a")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(SIMPLE)
    done = run_here("sign-blob", "--key", "a.key", "--bundle", "out", "file")
    assert done.exit_code == 2
    assert "blob 'file': is the payload of an image signature; its signature would be one of an image" in done.stderr
    assert not (tmp_path / "out").exists()
