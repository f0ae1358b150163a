"""Blobs with cosign 3.1.3 and 2.5, and openssl: both directions, from every key home."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from imagesig import attest_blob, sign_blob, verify_blob
from imagesig.crypto.algorithms import ECDSA_SHA384, KeyType
from imagesig.errors import NoSignatureAccepted
from tests.interop.homes import Homes
from tests.interop.tools import Run, Tools
from tests.peers import RUN_SECONDS, binary

pytestmark = pytest.mark.interop

OFFLINE = ("--insecure-ignore-tlog=true", "--private-infrastructure")
CELLS = [
    ("file", KeyType.ECDSA_P384),
    ("file", KeyType.ECDSA_P521),
    ("file", KeyType.ED25519),
    ("PKCS#11", KeyType.ECDSA_P256),
    ("PKCS#11", KeyType.RSA_2048),
    ("Vault", KeyType.ECDSA_P256),
    ("Vault", KeyType.ED25519),
    ("Vault", KeyType.RSA_3072),
    ("KMS", KeyType.ECDSA_P384),
    ("KMS", KeyType.RSA_4096),
]


def verified_by_cosign(tools: Tools, version: str, key: Path, file: Path, *how: str) -> Run:
    return tools.run(version, "verify-blob", "--key", str(key), *OFFLINE, *how, str(file))


@pytest.fixture
def file(tools: Tools) -> Path:
    path = tools.home / f"{uuid.uuid4().hex}.tar"
    path.write_bytes(uuid.uuid4().bytes * 1000)
    return path


@pytest.mark.parametrize(("home", "key_type"), CELLS, ids=lambda item: getattr(item, "value", item))
def test_cosign_verifies_our_blobs_and_we_verify_theirs(
    homes: Homes, tools: Tools, file: Path, home: str, key_type: KeyType
) -> None:
    shared = homes.make(home, key_type)
    signed = sign_blob(file, shared.key)
    bundle, signature = file.with_suffix(".bundle"), file.with_suffix(".sig")
    bundle.write_bytes(signed.bundle)
    signature.write_text(signed.base64)

    own_hash = signed.algorithm == ECDSA_SHA384  # KMS signs with SHA-384 only: cosign 3 must be told, cosign 2 cannot
    told = ("--signature-digest-algorithm=sha384",) if own_hash else ()
    verified_by_cosign(tools, "cosign3", shared.pem, file, *told, "--bundle", str(bundle)).must_succeed()
    verified_by_cosign(tools, "cosign3", shared.pem, file, *told, "--signature", str(signature)).must_succeed()
    assert verified_by_cosign(tools, "cosign2", shared.pem, file, "--signature", str(signature)).ok is not own_hash

    theirs, bare = file.with_suffix(".theirs"), file.with_suffix(".bare")
    offline = ("--use-signing-config=false", "--tlog-upload=false", "--yes")
    sign = ("sign-blob", "--key", shared.peer_uri, *offline)
    tools.run("cosign3", *sign, "--bundle", str(theirs), str(file)).must_succeed()
    tools.run("cosign3", *sign, "--new-bundle-format=false", "--output-signature", str(bare), str(file)).must_succeed()
    if (home, key_type) == ("Vault", KeyType.ED25519):  # cosign has Vault sign the digest: it refuses that itself
        assert not verified_by_cosign(tools, "cosign3", shared.pem, file, "--signature", str(bare)).ok
        return
    assert verify_blob(file, shared.pem, bundle=theirs).digest == signed.digest
    assert verify_blob(file, shared.pem, signature=bare.read_text()).digest == signed.digest

    file.write_bytes(b"changed")
    for given in ({"bundle": theirs}, {"bundle": bundle}, {"signature": bare.read_text()}):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(file, shared.pem, **given)  # type: ignore[arg-type]
    assert not verified_by_cosign(tools, "cosign3", shared.pem, file, "--bundle", str(bundle)).ok


def test_we_verify_what_cosign_2_signs(homes: Homes, tools: Tools, file: Path) -> None:
    shared, bare = homes.make("file", KeyType.ECDSA_P256), file.with_suffix(".bare")
    options = ("--key", shared.peer_uri, "--tlog-upload=false", "--yes", "--output-signature", str(bare))
    tools.run("cosign2", "sign-blob", *options, str(file)).must_succeed()

    assert verify_blob(file, shared.pem, signature=bare.read_bytes())


def test_cosign_2_verifies_our_bundle(homes: Homes, tools: Tools, file: Path) -> None:
    """It wants a trusted root for a new bundle, even for a key and offline."""
    shared = homes.make("file", KeyType.ECDSA_P256)
    bundle, root = file.with_suffix(".bundle"), file.with_suffix(".root")
    bundle.write_bytes(sign_blob(file, shared.key).bundle)
    root.write_text('{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
    how = ("--new-bundle-format", "--trusted-root", str(root), "--bundle", str(bundle))

    verified_by_cosign(tools, "cosign2", shared.pem, file, *how).must_succeed()


def test_openssl_verifies_our_signature(homes: Homes, tools: Tools, file: Path) -> None:
    import subprocess

    for key_type in (KeyType.ECDSA_P384, KeyType.RSA_2048):
        shared = homes.make("file", key_type)
        raw = file.with_suffix(".raw")
        raw.write_bytes(sign_blob(file, shared.key).signature)
        command = [str(binary("openssl")), "dgst", "-sha256", "-verify", str(shared.pem), "-signature", str(raw)]
        assert subprocess.run([*command, str(file)], check=False, timeout=RUN_SECONDS).returncode == 0


@pytest.mark.parametrize(
    ("home", "key_type"), [("file", KeyType.ECDSA_P384), ("Vault", KeyType.RSA_2048), ("KMS", KeyType.ECDSA_P256)]
)
def test_statements_about_blobs_go_both_ways(
    homes: Homes, tools: Tools, file: Path, home: str, key_type: KeyType
) -> None:
    shared, predicate = homes.make(home, key_type), file.with_suffix(".json")
    predicate.write_text('{"statements": [], "@context": "https://openvex.dev/ns/v0.2.0"}')
    ours, theirs = file.with_suffix(".ours"), file.with_suffix(".theirs")
    made = attest_blob(file, shared.key, predicate_type="openvex", predicate=predicate.read_bytes())
    ours.write_bytes(made.bundle)
    verify = ("verify-blob-attestation", "--key", str(shared.pem), *OFFLINE, "--type", "openvex", "--bundle")

    tools.run("cosign3", *verify, str(ours), str(file)).must_succeed()
    attest = ("attest-blob", "--key", shared.peer_uri, "--use-signing-config=false", "--tlog-upload=false", "--yes")
    options = ("--predicate", str(predicate), "--type", "openvex", "--bundle", str(theirs))
    tools.run("cosign3", *attest, *options, str(file)).must_succeed()
    for bundle in (ours, theirs):
        (statement,) = verify_blob(file, shared.pem, bundle=bundle, predicate_type="openvex").statements
        assert statement.predicate_type == "https://openvex.dev/ns"

    file.write_bytes(b"changed")
    assert not tools.run("cosign3", *verify, str(ours), str(file)).ok
    for bundle in (ours, theirs):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(file, shared.pem, bundle=bundle, predicate_type="openvex")
