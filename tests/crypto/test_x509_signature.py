"""Signatures by an AlgorithmIdentifier: the hash is SHA-2, the key fits, and what stands beside agrees."""

from __future__ import annotations

from typing import Any

import pytest
from asn1crypto import algos
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from imagesig.crypto.algorithms import Hash
from imagesig.crypto.x509_signature import verify_by_identifier
from imagesig.effort import Cost
from imagesig.errors import SignatureInvalid
from tests.authorities import ec_key, rsa_key
from tests.effort import counted

MESSAGE = b"signed"
EC, RSA, ED25519 = ec_key(), rsa_key(), ed25519.Ed25519PrivateKey.generate()
HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def identifier(name: str, parameters: Any = None) -> bytes:
    fields = {"algorithm": name} if parameters is None else {"algorithm": name, "parameters": parameters}
    encoded: bytes = algos.SignedDigestAlgorithm(fields).dump()
    return encoded


def pss(hash: str = "sha256", mask: str = "sha256", salt: int = 32, trailer: int = 1) -> bytes:
    return identifier(
        "rsassa_pss",
        algos.RSASSAPSSParams(
            {
                "hash_algorithm": {"algorithm": hash},
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
                "salt_length": salt,
                "trailer_field": trailer,
            }
        ),
    )


def signed_pss(hash: str = "sha256", mask: str = "sha256", salt: int = 32) -> bytes:
    return RSA.sign(MESSAGE, padding.PSS(padding.MGF1(HASHES[mask]), salt), HASHES[hash])


def verify(key: Any, algorithm: bytes, signature: bytes, hash_outside: Hash | None = None) -> None:
    verify_by_identifier(key.public_key(), algorithm, signature, MESSAGE, hash_outside)


def refused(key: Any, algorithm: bytes, signature: bytes, reason: str, hash_outside: Hash | None = None) -> None:
    with pytest.raises(SignatureInvalid, match=reason):
        verify(key, algorithm, signature, hash_outside)


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_a_signature_with_sha2_is_verified(name: str) -> None:
    used = HASHES[name]
    verify(EC, identifier(f"{name}_ecdsa"), EC.sign(MESSAGE, ec.ECDSA(used)))
    verify(RSA, identifier(f"{name}_rsa"), RSA.sign(MESSAGE, padding.PKCS1v15(), used))
    verify(RSA, pss(name, name, used.digest_size), signed_pss(name, name, used.digest_size))
    verify(ED25519, identifier("ed25519"), ED25519.sign(MESSAGE))


@pytest.mark.parametrize("salt", [0, 20, 64])
def test_the_salt_of_pss_has_the_length_that_is_stated(salt: int) -> None:
    verify(RSA, pss(salt=salt), signed_pss(salt=salt))
    refused(RSA, pss(salt=32), signed_pss(salt=salt), "does not verify")


def test_rsa_without_a_hash_of_its_own_takes_the_one_beside_it() -> None:
    signature = RSA.sign(MESSAGE, padding.PKCS1v15(), HASHES["sha512"])

    verify(RSA, identifier("rsassa_pkcs1v15"), signature, Hash.SHA512)
    refused(RSA, identifier("rsassa_pkcs1v15"), signature, "does not verify", Hash.SHA256)
    refused(RSA, identifier("rsassa_pkcs1v15"), signature, "SHA-256, SHA-384 or SHA-512 is needed")


def test_two_hashes_that_differ_are_refused() -> None:
    signature = EC.sign(MESSAGE, ec.ECDSA(HASHES["sha256"]))

    refused(EC, identifier("sha256_ecdsa"), signature, "its digestAlgorithm is", Hash.SHA512)


def test_another_message_is_refused() -> None:
    refused(EC, identifier("sha256_ecdsa"), EC.sign(b"other", ec.ECDSA(HASHES["sha256"])), "does not verify")


@pytest.mark.parametrize(
    ("key", "algorithm", "signature"),
    [
        (EC, identifier("sha1_ecdsa"), EC.sign(MESSAGE, ec.ECDSA(HASHES["sha1"]))),
        (RSA, identifier("sha1_rsa"), RSA.sign(MESSAGE, padding.PKCS1v15(), HASHES["sha1"])),
        (RSA, pss("sha1", "sha1", 20), signed_pss("sha1", "sha1", 20)),
        (RSA, pss("sha256", "sha1"), signed_pss("sha256", "sha1")),
        (RSA, identifier("md5_rsa"), b"x"),
    ],
    ids=["ECDSA", "PKCS #1", "PSS", "MGF1", "MD5"],
)
def test_a_broken_hash_is_refused_though_the_signature_holds(key: Any, algorithm: bytes, signature: bytes) -> None:
    refused(key, algorithm, signature, "SHA-256, SHA-384 or SHA-512 is needed")


@pytest.mark.parametrize(
    ("key", "name"), [(EC, "sha256_rsa"), (RSA, "sha256_ecdsa"), (ED25519, "sha256_ecdsa"), (EC, "ed25519")]
)
def test_an_algorithm_of_another_kind_of_key_is_refused(key: Any, name: str) -> None:
    refused(key, identifier(name), b"x" * 64, "is not for")


@pytest.mark.parametrize(
    "algorithm",
    [b"", b"\x30\x00", identifier("sha256_ecdsa") + b"\x00", identifier("rsassa_pss"), pss(trailer=2), pss(salt=-1)],
    ids=["empty", "no OID", "more", "PSS without parameters", "trailer", "negative salt"],
)
def test_an_identifier_that_cannot_be_read_is_refused(algorithm: bytes) -> None:
    assert isinstance(RSA, rsa.RSAPrivateKey)
    refused(RSA, algorithm, signed_pss(), "sign|trailer")


def test_another_mask_generation_function_is_refused() -> None:
    parameters = algos.RSASSAPSSParams({"hash_algorithm": {"algorithm": "sha256"}, "salt_length": 32})
    parameters["mask_gen_algorithm"]["algorithm"] = "1.2.3.4"
    refused(RSA, identifier("rsassa_pss", parameters), signed_pss(), "another mask|cannot be read")


def test_each_signature_that_is_checked_costs_one_check() -> None:
    signature = EC.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    with counted() as spent:
        for _ in range(3):
            verify(EC, identifier("sha256_ecdsa"), signature)
    assert spent[Cost.CERTIFICATE_CHECKS] == 3
