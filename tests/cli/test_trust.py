"""Certificates on the command line: signing with them, and whom `verify` trusts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.chains import SUBJECT, Issuer, intermediate, leaf, pem, root

PASSPHRASE = "s3cret"


def imagesig(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagesig", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "IMAGESIG_PASSPHRASE": PASSPHRASE,
            **environ,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def signer() -> Issuer:
    """Valid now, for the command reads the clock."""
    start, end = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(days=1)
    middle = intermediate(root(start=start, end=end), start=start, end=end)
    return leaf(middle, f"{SUBJECT},CN=release", start=start, end=end)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, signer: Issuer) -> Path:
    """A key file with its certificates, the root, an image that it signed, and notation's configuration."""
    folder = tmp_path_factory.mktemp("trust")
    certificates = [item.x509 for item in signer.chain]
    content = pkcs12.serialize_key_and_certificates(
        None,
        signer.private_key.loaded,  # type: ignore[arg-type]
        certificates[0],
        certificates[1:],
        BestAvailableEncryption(PASSPHRASE.encode()),
    )
    (folder / "release.p12").write_bytes(content)
    (folder / "release.p12").chmod(0o600)
    (folder / "root.pem").write_text(pem(signer.chain[-1:]))
    (folder / "other.pem").write_text(pem(root(number=955).chain))
    build_image(Layout.create(folder / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    store = folder / "notation" / "truststore" / "x509" / "ca" / "acme"
    store.mkdir(parents=True)
    (store / "root.pem").write_text(pem(signer.chain[-1:]))
    statement = {
        "name": "hello",
        "registryScopes": ["local/hello"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:acme"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=imagesig"],
    }
    document = {"version": "1.0", "trustPolicies": [statement]}
    (folder / "notation" / "trustpolicy.json").write_text(json.dumps(document))
    done = imagesig(
        "sign",
        "--key",
        str(folder / "release.p12"),
        *("--format", "cosign", "--format", "notation-jws", "--expiry", "12h30m", "--identity", "example/app:1.0"),
        f"oci:{folder}/image:1.0",
    )
    assert done.returncode == 0, done.stderr
    return folder


def verify(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return imagesig("verify", *arguments, f"oci:{folder}/image:1.0", **environ)


def test_an_authority_is_trusted_for_the_holders_that_are_named(folder: Path) -> None:
    for holder in ((), ("--certificate-identity", "C=US,ST=WA,O=imagesig")):
        done = verify(folder, "--ca", str(folder / "root.pem"), *holder)
        assert done.returncode == 0, done.stderr
        assert "CN=release" in done.stdout
    done = verify(folder, "--ca", str(folder / "root.pem"), "--certificate-identity", "release@acme.example")
    assert done.returncode != 0
    assert "the policy accepts" in done.stderr


def test_another_authority_is_refused(folder: Path) -> None:
    done = verify(folder, "--ca", str(folder / "other.pem"))
    assert done.returncode != 0
    assert "none of the chain" in done.stderr


def test_the_json_has_the_certificates(folder: Path, signer: Issuer) -> None:
    done = verify(folder, "--ca", str(folder / "root.pem"), "--output", "json")
    (image,) = json.loads(done.stdout)["images"]
    (signature,) = image["signatures"]
    assert [item["fingerprint"] for item in signature["certificates"]] == [item.fingerprint for item in signer.chain]
    assert signature["certificates"][0]["subject"] == "CN=release,O=imagesig,ST=WA,C=US"


def test_a_trust_policy_is_read_with_the_store_beside_it(folder: Path) -> None:
    policy = ("--trust-policy", str(folder / "notation" / "trustpolicy.json"))
    assert "no policy of the trust policy" in verify(folder, *policy).stderr
    done = verify(folder, *policy, "--scope", "local/hello")
    assert done.returncode == 0, done.stderr
    assert verify(folder, *policy, "--scope", "local/other").returncode != 0
    elsewhere = ("--trust-store", str(folder / "elsewhere"))
    assert "trust store ca:acme" in verify(folder, *policy, "--scope", "local/hello", *elsewhere).stderr


def test_notations_own_folder_is_used_on_request(folder: Path, tmp_path: Path) -> None:
    scope = ("--scope", "local/hello")
    done = verify(folder, "--notation", *scope, NOTATION_CONFIG=str(folder / "notation"))
    assert done.returncode == 0, done.stderr
    assert "neither trustpolicy.oci.json" in verify(folder, "--notation", *scope, NOTATION_CONFIG=str(tmp_path)).stderr


def test_a_policy_elsewhere_uses_notations_own_store(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "policy.json"
    copy.write_text((folder / "notation" / "trustpolicy.json").read_text())
    options = ("--trust-policy", str(copy), "--scope", "local/hello")
    assert verify(folder, *options, NOTATION_CONFIG=str(folder / "notation")).returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--certificate-identity", "a@b.example"), "--certificate-identity needs --ca"),
        (("--trust-store", "x"), "need --trust-policy"),
        (("--trust-policy", "x", "--key", "y"), "cannot be combined with"),
        (("--ca", "/nonexistent.pem"), "cannot be read"),
        (("--ca", __file__), "not a certificate"),
    ],
)
def test_options_that_cannot_be_combined_are_refused(folder: Path, options: tuple[str, ...], said: str) -> None:
    done = verify(folder, *options)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_inspect_shows_certificates_and_attributes(folder: Path) -> None:
    text = imagesig("inspect", f"oci:{folder}/image:1.0").stdout
    assert "certificate CN=release" in text
    assert "attribute   io.cncf.notary.expiry=" in text
    (image,) = json.loads(imagesig("inspect", "--output", "json", f"oci:{folder}/image:1.0").stdout)["images"]
    shown = {item["format"]: item for item in image["signatures"]}
    assert len(shown["notation"]["certificates"]) == 3
    assert shown["cosign"]["certificates"] == []


@pytest.mark.parametrize("expiry", ["12", "1d", "-1h", "0s", "1.5h", ""])
def test_an_expiry_is_a_duration(folder: Path, expiry: str) -> None:
    done = imagesig("sign", "--key", "x", "--format", "notation", "--expiry", expiry, f"oci:{folder}/image:1.0")
    assert done.returncode == 2
    assert "is not a duration" in done.stderr


def test_an_expiry_needs_a_format_that_has_one(folder: Path) -> None:
    done = imagesig("sign", "--key", "x", "--expiry", "1h", f"oci:{folder}/image:1.0")
    assert done.returncode == 2
    assert "have no expiry" in done.stderr
