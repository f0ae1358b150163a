"""The corrected KMS emulator, verified by cosign's own AWS client."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType, cosign_algorithms
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import SignatureInvalid
from tests.interop.homes import Homes
from tests.interop.tools import Tools

pytestmark = pytest.mark.interop

NOT_ED25519 = [key_type for key_type in KeyType if key_type is not KeyType.ED25519]


@pytest.mark.parametrize("key_type", NOT_ED25519, ids=lambda key_type: key_type.value)
def test_what_cosign_signs_with_a_kms_key_verifies(
    key_type: KeyType, homes: Homes, tools: Tools, tmp_path: Path
) -> None:
    shared = homes.make("KMS", key_type)
    (tmp_path / "blob").write_bytes(uuid.uuid4().bytes)
    flags = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false", "--yes"]
    signature = tmp_path / "blob.sig"
    command = [
        "sign-blob",
        "--key",
        shared.peer_uri,
        *flags,
        "--output-signature",
        str(signature),
        str(tmp_path / "blob"),
    ]
    tools.run("cosign3", *command).must_succeed()
    assert verifies(
        shared.key.info.public_key, base64.b64decode(signature.read_text()), (tmp_path / "blob").read_bytes()
    )


def verifies(public_key: PublicKey, signature: bytes, message: bytes) -> bool:
    for algorithm in cosign_algorithms(public_key.key_type):
        try:
            public_key.verify(signature, message, algorithm)
        except SignatureInvalid:
            continue
        return True
    return False


@pytest.mark.parametrize("home", ["PKCS#11", "Vault", "KMS"])
@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.RSA_2048], ids=lambda key_type: key_type.value)
def test_cosign_reads_the_same_public_key(home: str, key_type: KeyType, homes: Homes, tools: Tools) -> None:
    shared = homes.make(home, key_type)
    exported = tools.run("cosign3", "public-key", "--key", shared.peer_uri).must_succeed().stdout
    assert PublicKey.from_pem(exported) == shared.key.info.public_key
