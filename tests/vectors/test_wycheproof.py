"""Project Wycheproof's signature vectors through `PublicKey.verify` and, for PKCS#1 v1.5, through a key in memory."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from imagesig.crypto.algorithms import Algorithm, Hash, Scheme, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import SignatureInvalid, UnsupportedAlgorithm
from imagesig.keys.file.reading import read_private_key
from imagesig.keys.secrets import no_secrets
from tests.vectors import report, vectors

_HASHES = {"SHA-256": Hash.SHA256, "SHA-384": Hash.SHA384, "SHA-512": Hash.SHA512}
_SCHEMES = {
    "EcdsaVerify": Scheme.ECDSA,
    "EddsaVerify": Scheme.ED25519,
    "RsassaPkcs1Verify": Scheme.RSA_PKCS1V15,
    "RsassaPssVerify": Scheme.RSA_PSS,
}
_VERIFIED = (
    "ecdsa_secp224r1_sha256_test", "ecdsa_secp256k1_sha256_test", "ecdsa_secp256r1_sha256_test",
    "ecdsa_secp256r1_sha512_test", "ecdsa_secp384r1_sha256_test", "ecdsa_secp384r1_sha384_test",
    "ecdsa_secp384r1_sha512_test", "ed25519_test", "rsa_pss_2048_sha256_mgf1_32_test",
    "rsa_pss_2048_sha256_mgf1sha1_20_test", "rsa_pss_2048_sha384_mgf1_48_test", "rsa_pss_3072_sha256_mgf1_32_test",
    "rsa_signature_2048_sha256_test", "rsa_signature_2048_sha384_test", "rsa_signature_2048_sha512_test",
    "rsa_signature_3072_sha256_test", "rsa_signature_3072_sha384_test", "rsa_signature_3072_sha512_test",
)  # fmt: skip
_OTHER_PURPOSE = {"pbkdf2_hmacsha256_test": "password hashing, not signatures"}
_SIGNED = "rsa_pkcs1_2048_sig_gen_test"


def _groups(name: str) -> list[dict[str, Any]]:
    document = json.loads((vectors("wycheproof") / "testvectors_v1" / f"{name}.json").read_bytes())
    groups: list[dict[str, Any]] = document["testGroups"]
    assert sum(len(group["tests"]) for group in groups) == document["numberOfTests"]
    return groups


def _algorithm(group: dict[str, Any]) -> Algorithm | str:
    """The group's algorithm, or why we have none for it."""
    scheme = _SCHEMES[group["type"]]
    if scheme is Scheme.ED25519:
        return Algorithm(scheme, None)
    hash_name = _HASHES.get(group["sha"])
    if hash_name is None:
        return f"with the hash {group['sha']}, which we do not use"
    if scheme is Scheme.RSA_PSS:
        if group["mgfSha"] != group["sha"]:
            return f"with MGF1 on {group['mgfSha']}, which differs from the hash"
        return Algorithm(scheme, hash_name, group["sLen"])
    return Algorithm(scheme, hash_name)


def _verifies(key: PublicKey, case: dict[str, Any], algorithm: Algorithm) -> bool:
    try:
        key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]), algorithm)
    except SignatureInvalid:
        return False
    return True


@pytest.mark.parametrize("name", _VERIFIED)
def test_valid_signatures_verify_and_others_do_not(name: str) -> None:
    ran, left_out, wrong = 0, Counter[str](), []
    for group in _groups(name):
        algorithm = _algorithm(group)
        if isinstance(algorithm, str):
            left_out[algorithm] += len(group["tests"])
            continue
        try:
            key = PublicKey.from_der(bytes.fromhex(group["publicKeyDer"]))
        except UnsupportedAlgorithm:
            left_out[f"with a key on {group['publicKey'].get('curve')}, which we refuse"] += len(group["tests"])
            continue
        for case in group["tests"]:
            ran += 1
            # "acceptable" is free, and refusing preferred.
            if case["result"] != "acceptable" and _verifies(key, case, algorithm) != (case["result"] == "valid"):
                wrong.append((case["tcId"], case["comment"], case["result"]))
    report("wycheproof", ran, left_out)
    assert wrong == []


def test_keys_in_memory_make_the_expected_pkcs1_signatures() -> None:
    ran, left_out, wrong = 0, Counter[str](), []
    for group in _groups(_SIGNED):
        hash_name = _HASHES.get(group["sha"])
        if hash_name is None:
            left_out[f"with the hash {group['sha']}, which we do not use"] += len(group["tests"])
            continue
        key = read_private_key(group["privateKeyPem"].encode(), "vector", no_secrets)
        for case in group["tests"]:
            ran += 1
            signature = key.sign(ToSign(bytes.fromhex(case["msg"]), Algorithm(Scheme.RSA_PKCS1V15, hash_name)))
            if signature.hex() != case["sig"]:
                wrong.append((case["tcId"], case["comment"]))
    report("wycheproof", ran, left_out)
    assert wrong == []


def test_every_file_of_the_set_is_run_or_left_out_with_a_reason() -> None:
    names = {path.stem for path in (vectors("wycheproof") / "testvectors_v1").glob("*.json")}
    assert names == {*_VERIFIED, *_OTHER_PURPOSE, _SIGNED}
    for name, reason in _OTHER_PURPOSE.items():
        report("wycheproof", 0, {reason: sum(len(group["tests"]) for group in _groups(name))})
