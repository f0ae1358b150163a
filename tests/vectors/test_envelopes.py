"""JOSE and COSE examples of the working groups: what they share with the envelopes of the Notary Project."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from imagesig.crypto.algorithms import RSA_PKCS1V15_SHA256
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding import cbor
from imagesig.errors import FormatViolation, ImagesigError
from imagesig.formats.notation.algorithms import ALGORITHMS, decoded_signature
from imagesig.formats.notation.cose import Cose
from imagesig.formats.notation.jws import Jws
from tests.vectors import report, vectors

_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-521": ec.SECP521R1()}


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_of(jwk: Mapping[str, str]) -> PublicKey:
    numbers = {name: int.from_bytes(unpadded(jwk[name])) for name in ("x", "y", "n", "e") if name in jwk}
    if jwk["kty"] == "RSA":
        return PublicKey.from_cryptography(rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key())
    public = ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], _CURVES[jwk["crv"]])
    return PublicKey.from_cryptography(public.public_key())


def test_jose_cookbook() -> None:
    """The signing input and the signature; their serialisations have no certificates and are refused as envelopes."""
    files = sorted((vectors("jose-cookbook") / "cookbook" / "jws").glob("*.json"))
    refused = 0
    for file in files:
        case = json.loads(file.read_text())
        protected = unpadded(case["signing"]["protected_b64u"])
        message = Jws().message(protected, case["input"]["payload"].encode())
        assert message.decode() == case["signing"]["sig-input"]
        key = key_of(case["input"]["key"])
        algorithm = RSA_PKCS1V15_SHA256 if case["input"]["alg"] == "RS256" else ALGORITHMS[key.key_type].algorithm
        key.verify(decoded_signature(unpadded(case["signing"]["sig"]), key.key_type), message, algorithm)
        for output in case["output"].values():
            content = output.encode() if isinstance(output, str) else json.dumps(output).encode()
            try:
                Jws().split(content)
            except ImagesigError:
                refused += 1
    assert refused == sum(len(json.loads(file.read_text())["output"]) for file in files)
    report("jose-cookbook", len(files), {"serialisations without certificates: refused, as they must be": refused})


def test_cose_sign1_examples() -> None:
    files = sorted((vectors("cose-wg-examples") / "sign1-tests").glob("*.json"))
    left: Counter[str] = Counter()
    external = "signed with external data, which a stored signature cannot have"
    for file in files:
        case = json.loads(file.read_text())
        content = bytes.fromhex(case["output"]["cbor"])
        key = key_of(case["input"]["sign0"]["key"])
        if "external" in case["input"]["sign0"]:
            left[external] += 1
            continue
        good = case.get("fail") is None and not case["title"].endswith(("Remove CBOR Tag", "Redo protected"))
        if case.get("fail") is None and not good:
            left["accepted by COSE, refused here on purpose: untagged, or alg not protected"] += 1
        assert verifies(content, key, case) is good, case["title"]
    report(
        "cose-wg-examples", len(files) - left["signed with external data, which a stored signature cannot have"], left
    )


def verifies(content: bytes, key: PublicKey, case: Mapping[str, object]) -> bool:
    """Whether the parts hold together by the rules of our envelope, but for its certificates."""
    tagged = cbor.parse(content, "example")
    if not isinstance(tagged, cbor.Tag) or tagged.number != 18:
        assert_refused(content)
        return False
    assert isinstance(tagged.value, list)
    protected, _, payload, signature = tagged.value
    message = Cose().message(protected, payload)
    assert_refused(content)
    try:
        key.verify(decoded_signature(signature, key.key_type), message, ALGORITHMS[key.key_type].algorithm)
    except ImagesigError:
        return False
    labels = cbor.parse(protected, "protected header") if protected else {}
    return isinstance(labels, dict) and labels.get(1) == ALGORITHMS[key.key_type].cose


def assert_refused(content: bytes) -> None:
    """None of the examples has certificates."""
    try:
        Cose().split(content)
    except FormatViolation:
        return
    raise AssertionError("an envelope without certificates was taken")
