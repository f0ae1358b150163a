"""Which algorithms belong to which keys, in which order."""

from __future__ import annotations

import hashlib

import pytest

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    ED25519,
    ED25519PH,
    Algorithm,
    Hash,
    KeyType,
    Scheme,
    ToSign,
    cosign_algorithms,
    signing_algorithms,
)

RSA = tuple(f"{scheme}-sha{bits}" for scheme in ("rsa-pkcs1v15", "rsa-pss") for bits in (256, 384, 512))


@pytest.mark.parametrize(
    ("key_type", "names"),
    [
        (KeyType.ECDSA_P256, ("ecdsa-sha256",)),
        (KeyType.ECDSA_P384, ("ecdsa-sha256", "ecdsa-sha384")),
        (KeyType.ECDSA_P521, ("ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512")),
        (KeyType.ED25519, ("ed25519",)),
        *((key_type, RSA) for key_type in KeyType if key_type.is_rsa),
    ],
    ids=str,
)
def test_a_key_signs_with_what_every_verifier_accepts_first(key_type: KeyType, names: tuple[str, ...]) -> None:
    assert tuple(map(str, signing_algorithms(key_type))) == names
    more = (ED25519PH,) if key_type is KeyType.ED25519 else ()
    assert cosign_algorithms(key_type) == (*signing_algorithms(key_type), *more)


def test_a_salt_is_as_long_as_the_hash_and_of_pss_alone() -> None:
    for algorithm in signing_algorithms(KeyType.RSA_2048):
        size = algorithm.hash.size if algorithm.hash else None
        assert algorithm.salt_length == (size if algorithm.scheme is Scheme.RSA_PSS else None)


def test_what_a_key_signs_is_the_digest_unless_it_hashes_itself() -> None:
    assert ToSign(b"x", ECDSA_SHA256).digest == hashlib.sha256(b"x").digest()
    assert ToSign(b"x", Algorithm(Scheme.ECDSA, Hash.SHA512)).digest == hashlib.sha512(b"x").digest()
    with pytest.raises(ValueError, match="signs the message itself"):
        _ = ToSign(b"x", ED25519).digest


@pytest.mark.parametrize(("name", "size"), [("sha256", 32), ("sha384", 48), ("sha512", 64)])
def test_a_hash_has_the_size_of_its_digest(name: str, size: int) -> None:
    assert Hash(name).size == len(Hash(name).digest(b"x")) == size
