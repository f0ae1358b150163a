"""moto's KMS over HTTP with its defects corrected: `python -m tests.peers.kms_app` prints its address and serves.

moto 5.2.5 has defects that a signer notices: it hashes digests again, does not know Ed25519, signs with disabled keys
and with keys that wait for deletion, and accepts digests and messages of any length. This module does for Sign what AWS
documents; keys, aliases, states and pages are moto's. cosign's own AWS client checks the result:
tests/interop/test_kms_cosign.py.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from importlib.metadata import version
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto.core.exceptions import JsonRESTError
from moto.kms import models, responses, utils
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

CORRECTED_VERSION = "5.2.5"
MESSAGE_BYTES = 4096
EDWARDS = "ECC_NIST_EDWARDS25519"
EDWARDS_ALGORITHM = "ED25519_SHA_512"
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


class _EdwardsKey:
    """The members of a private key that moto needs."""

    def __init__(self) -> None:
        self.private_key = Ed25519PrivateKey.generate()

    def public_key(self) -> bytes:
        return self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _sign(self: Any) -> str:
    """Spec: AWS KMS API Reference, Sign."""
    key = self.kms_backend.describe_key(self._get_param("KeyId"))
    algorithm = self._get_param("SigningAlgorithm")
    message_type = self._get_param("MessageType") or "RAW"
    message = self._get_param("Message") or b""  # decoded by moto
    if key.key_usage != "SIGN_VERIFY" or algorithm not in key.signing_algorithms:
        raise JsonRESTError("InvalidKeyUsageException", f"{key.arn} cannot sign {algorithm}")
    if key.key_state == "Disabled":
        raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is {key.key_state}.")
    _check_length(message, message_type, algorithm)
    if self._get_param("DryRun"):
        raise JsonRESTError("DryRunOperationException", "It would have succeeded, but DryRun is set.")
    signature = _signature(key.private_key.private_key, message, message_type, algorithm)
    encoded = base64.b64encode(signature).decode()
    return json.dumps({"KeyId": key.arn, "Signature": encoded, "SigningAlgorithm": algorithm})


def _check_length(message: bytes, message_type: str, algorithm: str) -> None:
    if not 1 <= len(message) <= MESSAGE_BYTES:
        raise JsonRESTError("ValidationException", f"Message: {len(message)} bytes, 1 to {MESSAGE_BYTES} are allowed")
    if message_type not in ("RAW", "DIGEST"):
        raise JsonRESTError("ValidationException", f"MessageType {message_type} is none.")
    if message_type == "DIGEST":
        if algorithm == EDWARDS_ALGORITHM:
            raise JsonRESTError("ValidationException", f"{algorithm} requires MessageType RAW.")
        needed = int(algorithm[-3:]) // 8
        if len(message) != needed:
            raise JsonRESTError("ValidationException", f"Digest is {len(message)} bytes, {algorithm} needs {needed}.")


def _signature(key: Any, message: bytes, message_type: str, algorithm: str) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    chosen = _HASHES[algorithm[-3:]]()
    hashed = Prehashed(chosen) if message_type == "DIGEST" else chosen
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashed))
    assert isinstance(key, rsa.RSAPrivateKey)
    if "PSS" in algorithm:
        return key.sign(message, padding.PSS(padding.MGF1(chosen), chosen.digest_size), hashed)
    return key.sign(message, padding.PKCS1v15(), hashed)


def correct() -> None:
    """Corrects moto. It refuses another version of moto, which may have other defects."""
    if version("moto") != CORRECTED_VERSION:
        sys.exit(f"moto {version('moto')} is installed; the corrections are for {CORRECTED_VERSION}")
    moto_specs, moto_generate, moto_algorithms = (
        utils.KeySpec.key_specs,
        utils.generate_private_key,
        models.Key.signing_algorithms,
    )

    def generate(key_spec: str) -> Any:
        return _EdwardsKey() if key_spec == EDWARDS else moto_generate(key_spec)

    def algorithms(self: Any) -> list[str]:
        if self.key_spec == EDWARDS:
            return [EDWARDS_ALGORITHM]
        found: list[str] = moto_algorithms.__get__(self, type(self))
        return found

    utils.KeySpec.key_specs = classmethod(lambda cls: [*moto_specs(), EDWARDS])
    models.generate_private_key = generate
    models.Key.signing_algorithms = property(algorithms)
    responses.KmsResponse.sign = _sign


def main() -> None:
    correct()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"listening on {host}:{port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
