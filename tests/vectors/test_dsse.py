"""DSSE: the pre-authentication encoding, and the protocol document's own envelope."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives.asymmetric import ec

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.crypto.ecdsa import der_from_rs
from imagesig.crypto.public_key import PublicKey
from tests.vectors import report, vectors


def test_dsse_vectors() -> None:
    table = json.loads((vectors("dsse") / "vectors.json").read_text())
    for case in table["pae_edge_cases"]:
        encoded = pre_authentication_encoding(case["payloadType"], case["payload"].encode())
        assert encoded == case["pae"].encode(), case
    for case in table["vectors"]:
        message = pre_authentication_encoding(case["payloadType"], base64.b64decode(case["payload_b64"]))
        assert message == case["pae"].encode()
        numbers = ec.EllipticCurvePublicNumbers(case["key"]["x"], case["key"]["y"], ec.SECP256R1())
        signature = der_from_rs(base64.b64decode(case["envelope"]["signatures"][0]["sig"]), KeyType.ECDSA_P256)
        PublicKey.from_cryptography(numbers.public_key()).verify(signature, message, ECDSA_SHA256)
    links = len(list((vectors("dsse") / "go-securesystemslib-test-data").glob("*.link")))
    ran = len(table["pae_edge_cases"]) + len(table["vectors"])
    report("dsse", ran, {"in-toto links in an older envelope that images do not use": links})
