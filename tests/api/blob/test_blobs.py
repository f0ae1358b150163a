"""`sign_blob` and `verify_blob`: what is accepted, what is refused, and what is kept in memory."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest

import imagesig
from imagesig import attest_blob, limits, sign_blob, verify_blob
from imagesig.cli.main import cli
from imagesig.crypto.algorithms import ECDSA_SHA384, Algorithm, KeyType
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.encoding import cbor
from imagesig.errors import (
    AllowedUnverified,
    FormatViolation,
    InvalidArgument,
    LimitExceeded,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
    SubjectMismatch,
    UnsupportedAlgorithm,
    VerificationError,
)
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.in_toto.statement import IN_TOTO, SIGN_PREDICATE
from imagesig.keys.wrapped import WrappedKey
from imagesig.policy import Policy
from imagesig.testing import MemoryProvider
from tests.attestations import TYPE, attested_image, envelope, put, statement
from tests.attestations import content as bundle_content
from tests.commands import run_here

CONTENT = b"a release\n"


def key(key_type: KeyType = KeyType.ECDSA_P256) -> imagesig.SigningKey:
    return MemoryProvider(key_type).open()


STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x:y","predicate":{}}'
OTHER_MESSAGES = {
    "DSSE": pre_authentication_encoding(IN_TOTO, STATEMENT),
    "DSSE of another type": pre_authentication_encoding("text/plain", b""),
    "COSE": cbor.dump(["Signature1", b"", b"", b"{}"]),
    "JWS": base64.urlsafe_b64encode(b' {"alg":"ES256"}').rstrip(b"=") + b".e30",
    "simple signing": b' {"optional":null,"critic\\u0061l":{"type":"cosign container image signature"}}\n',
    "simple signing in another case": b'{"CRITICAL":{"type":"cosign container image signature"}}',
    "simple signing that is no UTF-8": b'{"critical":{},"optional":{"a":"\xff"}}',
    "simple signing with a half of a pair": b'{"critical":{},"optional":{"a":"\\ud800"}}',
    "simple signing that is deep": b'{"critical":{},"optional":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "trust data": b'{"A":1,"_type":"Targets","delegations":{}}',
}
FILES = {
    "statement": STATEMENT,
    "bundle": json.dumps({"dsseEnvelope": {}}).encode(),
    "report": b'{"severity":{"critical":3}}',
    "text": b"DSSE v1 of file.txt",
    "name": b"file.txt",
    "short": b"a.b",
    "large": b'{"critical":{},"x":"' + b"x" * limits.BUNDLE_BYTES + b'"}',
}


class OnlyMessages(WrappedKey):
    """A key of a provider that signs no digests."""

    def signs_digests(self, algorithm: Algorithm) -> bool:
        return False


@pytest.mark.parametrize("name", OTHER_MESSAGES)
@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.ED25519], ids=lambda item: item.value)
def test_what_signatures_of_images_sign_is_not_signed_as_a_blob(name: str, key_type: KeyType) -> None:
    for blob in (OTHER_MESSAGES[name], io.BytesIO(OTHER_MESSAGES[name])):
        with pytest.raises(InvalidArgument, match="its signature would be"):
            sign_blob(blob, key(key_type))


def test_a_file_that_is_signed_makes_no_signature_of_an_image() -> None:
    signing = key()
    with attested_image() as stage:
        for kind in (TYPE, SIGN_PREDICATE):
            payload = statement(stage.digest, predicateType=kind)
            with contextlib.suppress(InvalidArgument):
                made = sign_blob(pre_authentication_encoding(IN_TOTO, payload), signing)
                forged = envelope(payload, signatures=[{"sig": made.base64}])
                put(stage.image, "bundle", bundle_content("bundle", forged))
        with pytest.raises(VerificationError):
            imagesig.verify(stage.image, signing.info.public_key)
        with pytest.raises(VerificationError):
            imagesig.verify_attestation(stage.image, signing.info.public_key, predicate_type=TYPE)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_alike_is_signed(name: str) -> None:
    signing = key()
    signed = sign_blob(FILES[name], signing)
    assert verify_blob(FILES[name], signing.info.public_key, bundle=signed.bundle)


@pytest.mark.parametrize("key_type", KeyType, ids=lambda item: item.value)
@pytest.mark.parametrize("wrap", [lambda item: item, OnlyMessages], ids=["digests", "messages"])
def test_every_type_of_key_signs_a_blob(key_type: KeyType, wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    (tmp_path / "app.tar").write_bytes(CONTENT)
    signing = wrap(key(key_type))
    public = signing.info.public_key

    for blob in (CONTENT, str(tmp_path / "app.tar"), tmp_path / "app.tar", io.BytesIO(CONTENT)):
        signed = sign_blob(blob, signing)
        assert signed.digest == imagesig.verify_blob(CONTENT, public, signature=signed.base64).digest
        assert verify_blob(CONTENT, public, signature=signed.signature).size == len(CONTENT)
        proof = verify_blob(CONTENT, public, bundle=signed.bundle)
        assert [item.fingerprint for item in proof.signatures] == [public.fingerprint]
        for other in (b"", CONTENT[:-1], CONTENT + b"x"):
            with pytest.raises(NoSignatureAccepted):
                verify_blob(other, public, signature=signed.signature)
            with pytest.raises(NoSignatureAccepted) as caught:
                verify_blob(other, public, bundle=signed.bundle)
            assert isinstance(caught.value.rejections[0].error, SubjectMismatch)


def test_a_signature_by_another_key_is_refused() -> None:
    signed = sign_blob(CONTENT, key())
    for given in ({"signature": signed.base64}, {"bundle": signed.bundle}):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(CONTENT, key().info.public_key, **given)  # type: ignore[arg-type]


def test_what_the_bundle_says_about_its_key_adds_no_trust() -> None:
    ours, theirs = key(), key()
    document = json.loads(sign_blob(CONTENT, theirs).bundle)
    hint = base64.b64encode(ours.info.public_key.spki_sha256).decode()
    document["verificationMaterial"]["publicKey"] = {"hint": hint}
    with pytest.raises(NoSignatureAccepted):
        verify_blob(CONTENT, ours.info.public_key, bundle=json.dumps(document).encode())
    document["verificationMaterial"]["publicKey"] = {"hint": hint, "rawBytes": base64.b64encode(b"key").decode()}
    with pytest.raises(NoSignatureAccepted):
        verify_blob(CONTENT, theirs.info.public_key, bundle=json.dumps(document).encode())


def message(**members: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["messageSignature"] |= members

    return change


def digest(**members: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["messageSignature"]["messageDigest"] |= members

    return change


def top(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(members)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another digest": digest(digest=base64.b64encode(bytes(32)).decode()),
    "another hash": digest(algorithm="SHA2_384"),
    "an unknown hash": digest(algorithm="SHA1"),
    "a hash that is no text": digest(algorithm=["SHA2_256"]),
    "a digest in hex": digest(digest="58" * 32),
    "a member in another case": digest(Digest="AAAA"),
    "an unknown member": message(signatures="AAAA"),
    "no signature": lambda document: document["messageSignature"].pop("signature"),
    "a signature that is no text": message(signature=7),
    "a signature in the other alphabet": message(signature="_-8="),
    "no message": top(messageSignature=None),
    "a list of messages": top(messageSignature=[]),
    "an envelope too": top(dsseEnvelope={"payload": ""}),
    "another version": top(mediaType="application/vnd.dev.sigstore.bundle.v0.9+json"),
    "no material": lambda document: document.pop("verificationMaterial"),
    "another member": top(verificationmaterial={}),
    "no key and no certificate": top(verificationMaterial={}),
    "an empty chain": top(verificationMaterial={"x509CertificateChain": {"certificates": []}}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_bundle_is_refused(name: str) -> None:
    signing = key()
    document = json.loads(sign_blob(CONTENT, signing).bundle)
    verify_blob(CONTENT, signing.info.public_key, bundle=json.dumps(document).encode())
    CHANGES[name](document)

    with pytest.raises(NoSignatureAccepted):
        verify_blob(CONTENT, signing.info.public_key, bundle=json.dumps(document).encode())


@pytest.mark.parametrize("bundle", [b"", b"{", b"[]", b'{"a":1,"a":2}', b"\x1f\x8b\x08", b"[" * 100_000], ids=str)
def test_what_is_no_bundle_is_refused(bundle: bytes) -> None:
    with pytest.raises(NoSignatureAccepted):
        verify_blob(CONTENT, key().info.public_key, bundle=bundle)


def test_a_hash_that_the_bundle_does_not_name_does_not_count() -> None:
    """The digest in the bundle says which hash was signed: another one would be a second reading."""
    signing = key(KeyType.ECDSA_P384)
    signature = signing.sign(CONTENT, ECDSA_SHA384)
    document = json.loads(sign_blob(CONTENT, signing).bundle)
    document["messageSignature"]["signature"] = base64.b64encode(signature).decode()

    assert verify_blob(CONTENT, signing.info.public_key, signature=signature)
    with pytest.raises(NoSignatureAccepted):
        verify_blob(CONTENT, signing.info.public_key, bundle=json.dumps(document).encode())


def test_the_signature_of_a_manifest_as_a_file_is_no_signature_of_the_image(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    descriptor = build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    manifest = (tmp_path / "blobs" / "sha256" / descriptor.digest.removeprefix("sha256:")).read_bytes()
    signing = key()
    signed = sign_blob(manifest, signing)
    assert signed.digest == descriptor.digest
    store_bundle(layout, descriptor, signed.bundle)

    with pytest.raises((NoSignatures, NoSignatureAccepted)):
        imagesig.verify(f"oci:{tmp_path}:1", signing.info.public_key)


def store_bundle(layout: Layout, subject: Any, bundle: bytes) -> None:
    from imagesig.format_names import BUNDLE
    from imagesig.signature import Part, StoredSignature
    from imagesig.stores import STORES, Storage

    STORES[Storage.REFERRER].attach(layout, subject, StoredSignature("", (Part(BUNDLE, bundle),), BUNDLE))()


# --- sizes --------------------------------------------------------------------------------------------------------


class Zeros:
    """A stream of so many zeros."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int, /) -> bytes:
        piece = bytes(min(size, self.left))
        self.left -= len(piece)
        return piece


def test_a_large_blob_is_never_in_memory() -> None:
    signing = key()
    tracemalloc.start()
    try:
        signed = sign_blob(Zeros(64 * 1024 * 1024), signing)
        verify_blob(Zeros(64 * 1024 * 1024), signing.info.public_key, bundle=signed.bundle)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("signing", [key(KeyType.ED25519), OnlyMessages(key())], ids=["Ed25519", "messages only"])
def test_a_blob_too_large_for_a_key_that_signs_messages_is_refused(
    signing: imagesig.SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BLOB_MESSAGE_BYTES", 3_000_000)
    assert sign_blob(Zeros(3_000_000), signing)
    with pytest.raises(LimitExceeded, match=r"3000000 bytes.*whole message") as caught:
        sign_blob(Zeros(3_000_001), signing)
    assert "ECDSA" in caught.value.hint


def test_a_blob_too_large_for_one_key_is_still_verified_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLOB_MESSAGE_BYTES", 3_000_000)
    signing, other = key(), key(KeyType.ED25519)
    policy = Policy.any_of(other.info.public_key, signing.info.public_key)
    signed = sign_blob(Zeros(4_000_000), signing)
    assert verify_blob(Zeros(4_000_000), policy, bundle=signed.bundle)
    with pytest.raises(NoSignatureAccepted):
        verify_blob(Zeros(4_000_000), other.info.public_key, signature=b"x" * 64)


def test_an_empty_blob_is_a_blob() -> None:
    for key_type in (KeyType.ECDSA_P256, KeyType.ED25519):
        signing = key(key_type)
        signed = sign_blob(b"", signing)
        assert verify_blob(b"", signing.info.public_key, bundle=signed.bundle).size == 0
        with pytest.raises(NoSignatureAccepted):
            verify_blob(b"\0", signing.info.public_key, bundle=signed.bundle)


# --- arguments ----------------------------------------------------------------------------------------------------


def test_a_blob_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for blob, words in (
        (tmp_path / "missing", "no such file"),
        (tmp_path, "a folder"),
        (tmp_path / "pipe", "a pipe"),
        ("a\0b", "not the name of a file"),
        (io.StringIO("text"), "bytes are needed"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            sign_blob(blob, key())  # type: ignore[arg-type]


class Broken:
    def read(self, size: int, /) -> bytes:
        raise OSError(5, "s3cret")


def test_a_stream_that_fails_is_an_error_of_ours() -> None:
    with pytest.raises(InvalidArgument, match="OSError") as caught:
        sign_blob(Broken(), key())
    assert "s3cret" not in str(caught.value)


def test_one_signature_is_needed() -> None:
    public = key().info.public_key
    for given in ({}, {"signature": b"x", "bundle": b"{}"}, {"bundle": b"{}", "chain": b"x"}):
        with pytest.raises(InvalidArgument, match=r"signature|bundle"):
            verify_blob(CONTENT, public, **given)  # type: ignore[arg-type]


def test_a_signature_in_text_must_be_base64() -> None:
    with pytest.raises(NoSignatureAccepted) as caught:
        verify_blob(CONTENT, key().info.public_key, signature="not base64!")
    assert isinstance(caught.value.rejections[0].error, FormatViolation)


def test_the_default_rule_of_a_policy_applies() -> None:
    signed = sign_blob(CONTENT, key())
    with pytest.raises(RefusedByPolicy):
        verify_blob(CONTENT, Policy(), bundle=signed.bundle)
    accept = Policy.load(_policy('default = "insecureAcceptAnything"'))
    with pytest.raises(AllowedUnverified):
        verify_blob(CONTENT, accept, bundle=signed.bundle)


def _policy(text: str) -> Any:
    import tempfile

    path = Path(tempfile.mkdtemp()) / "policy.toml"
    path.write_text(f"version = 1\n{text}\n")
    return path


@pytest.mark.parametrize("size", [0, 20, 31, 64])
@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.RSA_2048])
def test_a_digest_of_another_size_is_not_signed_and_an_empty_one_is_no_empty_message(kind: KeyType, size: int) -> None:
    with pytest.raises(InvalidArgument, match=f"digest: {size} bytes"):
        key(kind).sign_digest(bytes(size))
    with pytest.raises(InvalidArgument):
        key(KeyType.ED25519).sign_digest(b"")


def test_a_digest_is_not_signed_by_a_key_that_signs_messages() -> None:
    with pytest.raises(UnsupportedAlgorithm, match="needs the message"):
        key(KeyType.ED25519).sign_digest(bytes(32))


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert run_here("key", "generate", "release.key").exit_code == 0
    (tmp_path / "app.tar").write_bytes(CONTENT)
    return tmp_path


def test_the_command_signs_and_verifies(place: Path) -> None:
    bare = run_here("sign-blob", "--key", "release.key", "app.tar")
    assert bare.exit_code == 0
    (place / "app.sig").write_text(bare.stdout)
    done = run_here(
        "sign-blob", "--key", "release.key", "--bundle", "app.bundle", "--output-signature", "b.sig", "app.tar"
    )
    assert (done.exit_code, done.stdout) == (0, "")
    for option, file in (("--signature", "app.sig"), ("--signature", "b.sig"), ("--bundle", "app.bundle")):
        verified = run_here("verify-blob", "--key", "release.pub", option, file, "app.tar")
        assert verified.exit_code == 0, verified.stderr
        assert verified.stdout.startswith("sha256:")
    (place / "app.tar").write_bytes(b"changed")
    refused = run_here("verify-blob", "--key", "release.pub", "--bundle", "app.bundle", "app.tar")
    assert refused.exit_code == 12
    assert "sha256:" not in refused.stdout


def test_the_command_refuses_options_that_do_not_fit(place: Path) -> None:
    for options in (
        ("--key", "release.pub"),
        ("--key", "release.pub", "--signature", "app.tar", "--bundle", "app.tar"),
        ("--key", "release.pub", "--policy", "app.tar", "--bundle", "app.tar"),
    ):
        assert run_here("verify-blob", *options, "app.tar").exit_code == 2


def test_the_command_cannot_write_into_a_missing_folder(place: Path) -> None:
    done = run_here("sign-blob", "--key", "release.key", "--bundle", "no/such/app.bundle", "app.tar")
    assert done.exit_code == 2
    assert "--bundle 'no/such/app.bundle': cannot be written" in done.stderr


def test_a_signature_is_in_the_audit_log(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "imagesig.audit"):
        signed = sign_blob("app.tar", "release.key")
    (record,) = caplog.records
    assert (record.image, record.digest, record.format) == ("app.tar", signed.digest, "blob")  # type: ignore[attr-defined]


def test_standard_input_is_a_blob(place: Path) -> None:
    done = click.testing.CliRunner().invoke(cli, ["sign-blob", "--key", "release.key", "-"], input=CONTENT)
    (place / "app.sig").write_text(done.stdout)
    assert run_here("verify-blob", "--key", "release.pub", "--signature", "app.sig", "app.tar").exit_code == 0


# --- attestations -------------------------------------------------------------------------------------------------

REVIEW = "https://example.org/review/v1"


@pytest.mark.parametrize(
    "key_type", [KeyType.ECDSA_P256, KeyType.ED25519, KeyType.RSA_2048], ids=lambda item: item.value
)
def test_a_statement_about_a_blob_is_signed_and_verified(key_type: KeyType, tmp_path: Path) -> None:
    (tmp_path / "app.tar").write_bytes(CONTENT)
    signing, predicate = key(key_type), b'{"reviewed": true, "number": 12345678901234567890.50}'
    made = attest_blob(tmp_path / "app.tar", signing, predicate_type=REVIEW, predicate=predicate)

    proof = verify_blob(CONTENT, signing.info.public_key, bundle=made.bundle, predicate_type=REVIEW)

    (statement,) = proof.statements
    assert (statement.predicate, statement.predicate_type, statement.subjects) == (predicate, REVIEW, (made.digest,))
    payload = base64.b64decode(json.loads(made.bundle)["dsseEnvelope"]["payload"])
    assert json.loads(payload)["subject"] == [{"name": "app.tar", "digest": {"sha256": made.digest[7:]}}]
    assert verify_blob(
        CONTENT,
        signing.info.public_key,
        bundle=made.bundle,
        predicate_type=REVIEW,
        conditions=[{"pointer": "/reviewed", "equals": True}],
    )


def test_what_is_attested_is_compared(tmp_path: Path) -> None:
    signing, other = key(), key()
    made = attest_blob(CONTENT, signing, predicate_type=REVIEW, predicate={"reviewed": True})
    public = signing.info.public_key
    asked: dict[str, Any] = {"bundle": made.bundle, "predicate_type": REVIEW}
    assert verify_blob(CONTENT, public, **asked)

    for blob, who, more in (
        (b"", public, {}),
        (CONTENT + b"x", public, {}),
        (CONTENT, other.info.public_key, {}),
        (CONTENT, public, {"predicate_type": "https://example.org/review/v2"}),
        (CONTENT, public, {"predicate_type": "custom"}),
        (CONTENT, public, {"conditions": [{"pointer": "/reviewed", "equals": False}]}),
        (CONTENT, public, {"predicate_type": ""}),
    ):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(blob, who, **{**asked, **more})


def test_a_signature_of_a_blob_is_no_attestation_of_it() -> None:
    signing = key()
    signed = sign_blob(CONTENT, signing)
    for given in ({"bundle": signed.bundle}, {"signature": signed.base64}):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(CONTENT, signing.info.public_key, predicate_type="custom", **given)  # type: ignore[arg-type]


def test_the_error_says_which_of_the_two_was_given() -> None:
    signing = key()
    public = signing.info.public_key
    signed, attested = sign_blob(CONTENT, signing), attest_blob(CONTENT, signing, predicate_type="custom", predicate={})
    for given in ({"bundle": signed.bundle}, {"signature": signed.base64}):
        with pytest.raises(NoSignatureAccepted, match="a signature was given, an attestation is needed") as caught:
            verify_blob(CONTENT, public, predicate_type="custom", **given)  # type: ignore[arg-type]
        assert "attest-blob" in caught.value.rejections[0].error.hint
    with pytest.raises(NoSignatureAccepted, match="has an attestation, a signature is needed") as caught:
        verify_blob(CONTENT, public, bundle=attested.bundle)
    assert "--type" in caught.value.rejections[0].error.hint


def test_the_signature_of_an_image_is_no_attestation_of_its_manifest(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    descriptor = build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    manifest = (tmp_path / "blobs" / "sha256" / descriptor.digest.removeprefix("sha256:")).read_bytes()
    signing = key()
    imagesig.sign(f"oci:{tmp_path}:1", signing, formats="bundle")
    (found,) = imagesig.download(f"oci:{tmp_path}:1", "signature")

    for predicate_type in ("custom", ""):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(manifest, signing.info.public_key, bundle=found.content, predicate_type=predicate_type)
    with pytest.raises(InvalidArgument, match="signature of an image"):
        verify_blob(
            manifest,
            signing.info.public_key,
            bundle=found.content,
            predicate_type="https://sigstore.dev/cosign/sign/v1",
        )


def test_a_whole_statement_must_be_about_the_blob() -> None:
    signing = key()
    own = attest_blob(CONTENT, signing, predicate_type=REVIEW, predicate={"a": 1})
    statement = base64.b64decode(json.loads(own.bundle)["dsseEnvelope"]["payload"])

    again = attest_blob(CONTENT, signing, statement=statement)
    assert base64.b64decode(json.loads(again.bundle)["dsseEnvelope"]["payload"]) == statement
    with pytest.raises(InvalidArgument, match="its subjects are sha256:"):
        attest_blob(b"another", signing, statement=statement)


def test_the_commands_attest_and_verify(place: Path) -> None:
    (place / "review.json").write_text('{"reviewed": true}')
    attest = ("attest-blob", "--key", "release.key", "--type", REVIEW, "--predicate", "review.json")
    done = run_here(*attest, "--bundle", "app.review", "app.tar")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    verify = ("verify-blob", "--key", "release.pub", "--bundle", "app.review")
    verified = run_here(*verify, "--type", REVIEW, "--condition", "/reviewed equals true", "app.tar")
    assert verified.exit_code == 0, verified.stderr
    assert REVIEW in verified.stdout
    assert run_here(*verify, "--type", REVIEW, "--condition", "/reviewed equals false", "app.tar").exit_code == 12
    assert run_here(*verify, "--type", "custom", "app.tar").exit_code == 12
    assert run_here(*verify, "app.tar").exit_code == 12
    assert run_here(*attest[:-1], "-", "--bundle", "x", "-").exit_code == 2
    assert run_here(*attest, "--statement", "review.json", "--bundle", "x", "app.tar").exit_code == 2
