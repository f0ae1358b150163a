"""`imagesig key` over the real homes of keys: generate, list, export, check, pin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.file.private_key import PrivateKey
from tests.interop.homes import HOMES, Homes, open_homes
from tests.peers.kms import KmsServer
from tests.peers.servers import SoftHsmToken, VaultServer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, softhsm: SoftHsmToken, vault: VaultServer, kms: KmsServer) -> Homes:
    return open_homes(tmp_path_factory.mktemp("keys"), softhsm, vault, kms)


def imagesig(homes: Homes, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagesig", "key", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3]), **homes.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def uris(home: str, homes: Homes, name: str) -> tuple[str, str]:
    """The URI of a key, and that of its place."""
    token = f"pkcs11:token={homes.environ['TOKEN_LABEL']}"
    return {
        "file": (str(homes.folder / f"{name}.key"), str(homes.folder)),
        "PKCS#11": (f"{token};object={name}", token),
        "Vault": (f"hashivault://{name}", "hashivault://"),
        "KMS": (f"awskms:///alias/{name}", "awskms:///"),
    }[home]


@pytest.mark.parametrize("home", HOMES)
def test_a_key_is_generated_listed_exported_checked_and_pinned(home: str, homes: Homes, tmp_path: Path) -> None:
    name = f"key-{uuid.uuid4().hex[:10]}"
    uri, place = uris(home, homes, name)
    made = imagesig(homes, "generate", uri, "--type", "ecdsa-p384", "--output", "json")
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    listed = json.loads(imagesig(homes, "list", place, "--output", "json").stdout)["keys"]
    assert [item["type"] for item in listed if name in item["uri"]] == ["ecdsa-p384"]
    exported = imagesig(homes, "export", uri).stdout
    assert exported == document["pem"]
    (tmp_path / "own.pub").write_text(exported)
    (tmp_path / "other.pub").write_text(PrivateKey.generate(KeyType.ECDSA_P384).public_key.pem)
    checked = imagesig(homes, "check", uri, "--expect", str(tmp_path / "own.pub"))
    assert checked.returncode == 0, checked.stderr
    assert PublicKey.from_pem(exported).fingerprint in checked.stdout
    assert ("DryRun" in checked.stdout) == (home == "KMS")
    refused = imagesig(homes, "check", uri, "--expect", str(tmp_path / "other.pub"))
    assert refused.returncode == 1
    assert "was pinned" in refused.stderr
    again = imagesig(homes, "generate", uri)
    assert again.returncode == 1
    assert "exists" in again.stderr


@pytest.mark.parametrize("home", HOMES)
def test_a_missing_key_is_an_error_that_says_so_without_a_secret(home: str, homes: Homes) -> None:
    uri, _ = uris(home, homes, "no-such-key")
    done = imagesig(homes, "check", uri)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr
    for secret in (homes.environ["COSIGN_PKCS11_PIN"], homes.environ["VAULT_TOKEN"]):
        assert secret not in done.stderr + done.stdout
