"""PKCS#11 signatures beside the bare loop of python-pkcs11; ours are checked and encoded besides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.conftest import Record
from imagesig.crypto.algorithms import ECDSA_SHA256, RSA_PKCS1V15_SHA256, Algorithm, KeyType, ToSign
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.secrets import fixed
from tests.peers.servers import SoftHsmToken, softhsm_token

ROUNDS = 300
_VERIFIED = "each signature is verified with the public key before it is returned, which takes as long as making it"
CASES = [
    pytest.param(KeyType.ECDSA_P256, ECDSA_SHA256, 0.35, id="P-256"),
    pytest.param(KeyType.RSA_2048, RSA_PKCS1V15_SHA256, 0.6, id="RSA-2048"),
]


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsmToken]:
    with softhsm_token(tmp_path_factory.mktemp("softhsm")) as made:
        yield made


@pytest.fixture(scope="module")
def provider(token: SoftHsmToken) -> Iterator[Pkcs11Provider]:
    with Pkcs11Provider(token.module, token=token.label, secrets=fixed(token.pin)) as opened:
        yield opened


@pytest.mark.parametrize(("key_type", "algorithm", "target"), CASES)
def test_sign_ours(
    benchmark: Any, side: Record, provider: Pkcs11Provider, key_type: KeyType, algorithm: Algorithm, target: float
) -> None:
    benchmark.group = f"PKCS#11: one {key_type.value} signature"
    side("ours", target=target, at_least=True, kind="rate", reason=_VERIFIED if key_type.is_ecdsa else "")
    key = provider.generate(f"ours-{key_type.value}", key_type)
    benchmark.pedantic(lambda: key.sign(b"message", algorithm), rounds=ROUNDS, warmup_rounds=20)


@pytest.mark.parametrize(("key_type", "algorithm", "target"), CASES)
def test_sign_bare(
    benchmark: Any, side: Record, provider: Pkcs11Provider, key_type: KeyType, algorithm: Algorithm, target: float
) -> None:
    import pkcs11

    benchmark.group = f"PKCS#11: one {key_type.value} signature"
    side("peer", peer="bare python-pkcs11")
    key = provider.generate(f"bare-{key_type.value}", key_type)
    handle = key._found.handle
    request = ToSign(b"message", algorithm)
    data = request.digest if key_type.is_ecdsa else request.message
    mechanism = pkcs11.Mechanism.ECDSA if key_type.is_ecdsa else pkcs11.Mechanism.SHA256_RSA_PKCS
    benchmark.pedantic(lambda: handle.sign(data, mechanism=mechanism), rounds=ROUNDS, warmup_rounds=20)
