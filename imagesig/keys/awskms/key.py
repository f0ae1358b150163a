"""One KMS key, and KMS's names of key types and algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagesig.crypto.algorithms import Algorithm, Hash, KeyType, Scheme, ToSign
from imagesig.errors import BadSignature, UnsupportedAlgorithm
from imagesig.keys.awskms.errors import DryRunSucceeded
from imagesig.keys.provider import SigningKey
from imagesig.signature import SignerInfo
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.keys.awskms.provider import AwsKmsProvider

MESSAGE_BYTES = 4096
"""The longest message that KMS accepts undigested. Spec: AWS KMS API Reference, Sign, Message."""

SPECS = {
    KeyType.ECDSA_P256: "ECC_NIST_P256",
    KeyType.ECDSA_P384: "ECC_NIST_P384",
    KeyType.ECDSA_P521: "ECC_NIST_P521",
    KeyType.ED25519: "ECC_NIST_EDWARDS25519",
    KeyType.RSA_2048: "RSA_2048",
    KeyType.RSA_3072: "RSA_3072",
    KeyType.RSA_4096: "RSA_4096",
}
TYPES = {spec: key_type for key_type, spec in SPECS.items()}


def kms_name(algorithm: Algorithm) -> str:
    """KMS's name of an algorithm."""
    if algorithm.scheme is Scheme.ED25519:
        return "ED25519_SHA_512"
    prefix = {Scheme.ECDSA: "ECDSA", Scheme.RSA_PKCS1V15: "RSASSA_PKCS1_V1_5", Scheme.RSA_PSS: "RSASSA_PSS"}
    assert isinstance(algorithm.hash, Hash)
    return f"{prefix[algorithm.scheme]}_SHA_{algorithm.hash.value.removeprefix('sha')}"


class AwsKmsKey(SigningKey):
    """One KMS key."""

    def __init__(self, provider: AwsKmsProvider, info: SignerInfo) -> None:
        self._provider = provider
        self._info = info

    @property
    def info(self) -> SignerInfo:
        return self._info

    def signs_digests(self, algorithm: Algorithm) -> bool:
        return algorithm.hash is not None

    def _sign(self, request: ToSign) -> bytes:
        arguments = self._arguments(request)
        answer = self._provider.call("sign", self._info.key_id, **arguments)
        signature = answer.get("Signature")
        if answer.get("KeyId") != self._info.key_id or not isinstance(signature, bytes):
            raise BadSignature(f"{self._info.key_id}: the answer is from the key {quote(answer.get('KeyId'))}")
        return signature

    def _arguments(self, request: ToSign) -> dict[str, object]:
        name = kms_name(request.algorithm)
        if request.algorithm.hash is not None:
            return {"Message": request.digest, "MessageType": "DIGEST", "SigningAlgorithm": name}
        if not 1 <= len(request.message) <= MESSAGE_BYTES:
            raise UnsupportedAlgorithm(
                f"{self._info.key_id}: {len(request.message)} bytes to sign, KMS needs 1 to {MESSAGE_BYTES} for Ed25519"
            )
        return {"Message": request.message, "MessageType": "RAW", "SigningAlgorithm": name}

    def check(self) -> str:
        """Asks KMS whether it would sign (DryRun, without a signature). An endpoint without DryRun signs."""
        arguments = self._arguments(ToSign(b"imagesig key check", self._info.algorithms[0]))
        try:
            self._provider.call("sign", self._info.key_id, DryRun=True, **arguments)
        except DryRunSucceeded:
            return "KMS would sign (DryRun; no signature was made)"
        return super().check()
