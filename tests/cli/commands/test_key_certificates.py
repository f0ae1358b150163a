"""Certificates on the command line: asked for, made, given and attached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from imagesig.crypto.certificate import parse_certificates
from imagesig.formats.cosign_family import CERTIFICATE_ANNOTATION
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.cli.test_commands import imagesig
from tests.commands import run_here
from tests.issuers import Issuer, pem
from tests.makers import private_key

KEY = private_key()
CHAIN = Issuer("root").chain_for(KEY.public_key)
SUBJECT = "C=US,ST=WA,O=Acme,CN=release"


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "release.key"
    path.write_bytes(KEY.to_pem(None))
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def chain(tmp_path: Path) -> str:
    path = tmp_path / "chain.pem"
    path.write_bytes(pem(CHAIN))
    return str(path)


@pytest.fixture
def image(tmp_path: Path) -> str:
    home = Layout.create(tmp_path / "image")
    build_image(home, {"bin/app": b"hello"}, PLATFORMS[0], "1.0")
    return f"oci:{home.name.removeprefix('oci:')}:1.0"


def annotations(tmp_path: Path) -> list[str]:
    """Names of the annotations of every layer in the layout."""
    found = []
    for blob in (tmp_path / "image" / "blobs" / "sha256").iterdir():
        try:
            document = json.loads(blob.read_bytes())
        except ValueError:
            continue
        for layer in document.get("layers", []) if isinstance(document, dict) else []:
            found += layer.get("annotations", {})
    return found


def test_a_request_is_printed_with_subject_and_names(key: str) -> None:
    done = imagesig(
        "key", "csr", key, "--subject", SUBJECT, "--san", "email:a@acme.example", "--san", "dns:acme.example"
    )
    assert done.returncode == 0, done.stderr
    request = x509.load_pem_x509_csr(done.stdout.encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == SUBJECT
    read = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert read.get_values_for_type(x509.RFC822Name) == ["a@acme.example"]
    assert read.get_values_for_type(x509.DNSName) == ["acme.example"]


def test_a_self_signed_certificate_is_the_keys_for_as_many_days(key: str) -> None:
    done = imagesig("key", "self-sign", key, "--subject", SUBJECT, "--days", "3")
    (certificate,) = parse_certificates(done.stdout.encode(), "stdout")
    assert certificate.public_key == KEY.public_key
    assert (certificate.not_after - certificate.not_before).days == 3


def test_a_subject_that_cannot_be_is_a_usage_error(key: str) -> None:
    done = imagesig("key", "csr", key, "--subject", "C=US, CN=release")
    assert done.returncode == 2
    assert "no spaces around commas" in done.stderr


def test_check_lists_the_certificates_of_a_key(key: str, chain: str) -> None:
    done = imagesig("key", "check", key, "--certificate-chain", chain)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [item.fingerprint for item in CHAIN]


@pytest.mark.parametrize("command", [("key", "check"), ("sign", "--key")])
def test_a_chain_of_another_key_is_refused_before_anything_is_signed(
    command: tuple[str, ...], key: str, image: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(pem(Issuer("root").chain_for(private_key(number=1).public_key)))
    images = [image] if command[0] == "sign" else []
    done = imagesig(*command, key, *images, "--certificate-chain", str(other))
    assert done.returncode == 1
    assert KEY.public_key.fingerprint in done.stderr
    assert private_key(number=1).public_key.fingerprint in done.stderr
    assert annotations(tmp_path) == []


def test_certificates_are_attached_where_the_format_says_so_and_nowhere_else(
    key: str, chain: str, image: str, tmp_path: Path
) -> None:
    arguments = ["sign", "--key", key, "--certificate-chain", chain, "--identity", "registry.example/app:1.0", image]
    assert imagesig(*arguments).returncode == 0
    assert CERTIFICATE_ANNOTATION not in annotations(tmp_path)
    assert imagesig(*arguments, "--format", "cosign-x509").returncode == 0
    assert CERTIFICATE_ANNOTATION in annotations(tmp_path)


def test_a_format_with_certificates_says_that_the_key_has_none(key: str, image: str) -> None:
    done = imagesig("sign", "--key", key, "--format", "bundle-x509", image)
    assert done.returncode == 2
    assert "--certificate-chain" in done.stderr


@pytest.mark.parametrize("command", ["csr", "self-sign"])
@pytest.mark.parametrize(
    ("subject", "attribute"),
    [
        ("1.2.840.113549.1.9.1=mü@acme.example", "emailAddress"),
        ("DC=ü", "DC"),
        ("C=U_", "C"),
        ("2.5.4.5=a_1", "serialNumber"),
    ],
)
def test_a_value_outside_its_string_type_is_refused_by_its_name(
    command: str, subject: str, attribute: str, key: str
) -> None:
    done = run_here("key", command, key, "--subject", subject)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{attribute} has characters that a" in str(done.exception)
