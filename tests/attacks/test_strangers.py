"""A rule that only logs that no trusted authority certified for a signer: what the stranger wrote stays off stdout."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.x509.oid import NameOID

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.chains import Issuer, intermediate, leaf, pem, root
from tests.commands import run

HOSTILE = "x\n  verified  cosign  trusted\x1b[2J\u202e"


@pytest.fixture(scope="module")
def stranger() -> Issuer:
    start, end = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(days=1)
    middle = intermediate(root(start=start, end=end), start=start, end=end)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "WA"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "imagesig"),
            x509.NameAttribute(NameOID.COMMON_NAME, HOSTILE),
        ]
    )
    return leaf(middle, name, start=start, end=end)


@pytest.fixture
def folder(tmp_path: Path, stranger: Issuer) -> Path:
    """An image that a stranger signed, and a trust policy that audits."""
    certificates = [item.x509 for item in stranger.chain]
    (tmp_path / "stranger.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            None,
            stranger.private_key.loaded,  # type: ignore[arg-type]
            certificates[0],
            certificates[1:],
            NoEncryption(),
        )
    )
    (tmp_path / "stranger.p12").chmod(0o600)
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    for authority, chain in (("ours", root(number=955).chain), ("theirs", stranger.chain[-1:])):
        store = tmp_path / "truststore" / "x509" / "ca" / authority
        store.mkdir(parents=True)
        (store / "root.pem").write_text(pem(chain))
        for level in ("audit", "strict"):
            statement = {
                "name": "a",
                "registryScopes": ["*"],
                "signatureVerification": {"level": level},
                "trustStores": [f"ca:{authority}"],
                "trustedIdentities": ["*"],
            }
            document = {"version": "1.0", "trustPolicies": [statement]}
            (tmp_path / f"{authority}-{level}.json").write_text(json.dumps(document))
    done = run(
        *("sign", "--key", f"{tmp_path}/stranger.p12", "--format", "notation-jws", f"oci:{tmp_path}/image:1.0"),
        IMAGESIG_PASSPHRASE="",
    )
    assert done.returncode == 0, done.stderr
    return tmp_path


def verify(folder: Path, policy: str, *more: str) -> tuple[int, list[str], str]:
    done = run(
        *("verify", "--trust-policy", f"{folder}/{policy}.json", "--trust-store", f"{folder}/truststore"),
        *("--allow-unverified", *more, f"oci:{folder}/image:1.0"),
    )
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def test_the_certificate_of_a_stranger_is_on_stderr_and_harmless(folder: Path) -> None:
    status, lines, errors = verify(folder, "ours-audit")
    assert status == 0, errors
    assert len(lines) == 1
    assert lines[0].startswith(f"oci:{folder}/image@sha256:")
    assert "no trusted authority certified" in errors
    assert not {"\x1b", "\u202e"} & set(errors)
    assert not [line for line in errors.splitlines() if line.startswith("  verified")]


def test_the_certificate_of_a_verified_signer_is_one_line_of_stdout(folder: Path) -> None:
    status, lines, errors = verify(folder, "theirs-audit")
    assert status == 0, errors
    assert [line.startswith("  verified") for line in lines].count(True) == 1
    assert all(line.isprintable() for line in lines)
    assert len([line for line in lines if "signer" in line]) == 1
