"""Verifies signatures whose algorithm is an X.509 AlgorithmIdentifier: those in CMS and in OCSP responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagesig.crypto.algorithms import Hash
from imagesig.effort import Cost, spend
from imagesig.errors import SignatureInvalid
from imagesig.external import external_call
from imagesig.text import quote

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def verify_by_identifier(
    key: PublicKeyTypes, identifier: bytes, signature: bytes, message: bytes, hash_outside: Hash | None = None
) -> None:
    """Returns if this key made `signature` over `message`, with the algorithm in the DER AlgorithmIdentifier.

    `hash_outside` is the hash in another field of the structure (CMS: `digestAlgorithm`); the two must agree.

    Raises:
        SignatureInvalid: the key did not make it, the algorithm is not for this key, or its hash is not in `Hash`.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    name, hash_name, parameters = _read(identifier, hash_outside)
    spend(Cost.CERTIFICATE_CHECKS, 1, "certificates")
    with external_call("signature", lambda error: SignatureInvalid(f"the key does not verify the signature as {name}")):
        if name == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif name == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(_hash(hash_name)))
        elif name == "rsassa_pkcs1v15" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), _hash(hash_name))
        elif name == "rsassa_pss" and isinstance(key, rsa.RSAPublicKey):
            mgf = padding.MGF1(_hash(_mask_hash(parameters)))
            key.verify(signature, message, padding.PSS(mgf, parameters["salt_length"].native), _hash(hash_name))
        else:
            raise SignatureInvalid(f"signature algorithm {quote(name)} is not for a {type(key).__name__}")


def _read(identifier: bytes, hash_outside: Hash | None) -> tuple[str, str, Any]:
    """The family, the hash (empty for Ed25519) and the parameters of an AlgorithmIdentifier."""
    from asn1crypto.algos import SignedDigestAlgorithm

    why = "the algorithm of the signature cannot be read or is not supported"
    with external_call("signature", lambda error: SignatureInvalid(why)):
        parsed = SignedDigestAlgorithm.load(identifier, strict=True)
        name = parsed.signature_algo
        if name == "ed25519":
            return name, "", None
        # rsaEncryption names no hash: in CMS it is in `digestAlgorithm`.
        plain = parsed["algorithm"].native == "rsassa_pkcs1v15"
        hash_name = "" if plain else parsed.hash_algo
        if hash_outside is not None and hash_name not in ("", hash_outside.value):
            raise SignatureInvalid(f"signature with {hash_name}, but its digestAlgorithm is {hash_outside.value}")
        return name, hash_name or (hash_outside.value if hash_outside else ""), parsed["parameters"]


def _mask_hash(parameters: Any) -> str:
    generator = parameters["mask_gen_algorithm"]
    if generator["algorithm"].native != "mgf1" or parameters["trailer_field"].native != "trailer_field_bc":
        raise SignatureInvalid("RSA-PSS with another mask generation function than MGF1, or another trailer")
    return str(generator["parameters"]["algorithm"].native)


def _hash(name: str) -> hashes.HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    known: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]
    known = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
    if name not in known:
        raise SignatureInvalid(f"signature with the hash {quote(name)}, SHA-256, SHA-384 or SHA-512 is needed")
    return known[name]()
