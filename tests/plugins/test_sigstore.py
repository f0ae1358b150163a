"""`sigstore-kms-imagesig`, asked as cosign asks it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ED25519,
    RSA_PKCS1V15_SHA512,
    RSA_PSS_SHA256,
    Algorithm,
    KeyType,
    ToSign,
)
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    MalformedError,
    SignatureInvalid,
    UnsupportedAlgorithm,
)
from imagesig.plugins.sigstore import key_uri, respond
from tests.makers import private_key
from tests.plugins.programs import executable, program

MESSAGE = b"to be signed"


def key_file(folder: Path, key_type: KeyType = KeyType.ECDSA_P256) -> str:
    path = folder / f"{key_type.value}.key"
    path.write_bytes(private_key(key_type).to_pem(None))
    path.chmod(0o600)
    return str(path)


def call(key: str, method: str, hash_number: object = 5, message: bytes = MESSAGE, **arguments: object) -> Any:
    init = {"protocolVersion": "v1", "keyResourceID": key, "hashFunc": hash_number, "rpcOptions": {"keyVersion": ""}}
    document = {"initOptions": init, "methodName": method, method: arguments}
    return respond(["v1", json.dumps(document)], lambda: message, {})[method]


def with_digest(digest: bytes) -> dict[str, object]:
    return {"messageOptions": {"digest": base64.b64encode(digest).decode()}}


def signature(answer: dict[str, str]) -> bytes:
    return base64.b64decode(answer["signature"])


def test_the_public_key_is_pem(tmp_path: Path) -> None:
    pem = base64.b64decode(call(key_file(tmp_path), "publicKey")["publicKeyPEM"])
    assert PublicKey.from_pem(pem) == private_key(KeyType.ECDSA_P256).public_key


@pytest.mark.parametrize(
    ("key_type", "hash_number", "algorithm"),
    [
        (KeyType.ECDSA_P256, 5, ECDSA_SHA256),
        (KeyType.ECDSA_P384, 5, ECDSA_SHA256),
        (KeyType.ECDSA_P384, 6, ECDSA_SHA384),
        (KeyType.RSA_2048, 7, RSA_PKCS1V15_SHA512),
        (KeyType.ED25519, 5, ED25519),
    ],
)
def test_the_message_is_signed_with_the_wanted_hash(
    key_type: KeyType, hash_number: int, algorithm: Algorithm, tmp_path: Path
) -> None:
    answer = call(key_file(tmp_path, key_type), "signMessage", hash_number, signOptions={})
    private_key(key_type).public_key.verify(signature(answer), MESSAGE, algorithm)


def test_a_digest_of_the_message_says_which_hash_is_meant(tmp_path: Path) -> None:
    options = with_digest(hashlib.sha384(MESSAGE).digest())
    answer = call(key_file(tmp_path, KeyType.ECDSA_P384), "signMessage", 5, signOptions=options)
    private_key(KeyType.ECDSA_P384).public_key.verify(signature(answer), MESSAGE, ECDSA_SHA384)


@pytest.mark.parametrize("message", [MESSAGE, b""])
def test_a_digest_of_something_else_is_never_signed(message: bytes, tmp_path: Path) -> None:
    options = with_digest(hashlib.sha256(b"something else").digest())
    with pytest.raises(InvalidArgument, match="digest is not that of the message"):
        call(key_file(tmp_path), "signMessage", message=message, signOptions=options)


def test_its_own_signature_verifies_and_no_other_does(tmp_path: Path) -> None:
    key = key_file(tmp_path)
    made = call(key, "signMessage", signOptions={})["signature"]
    assert call(key, "verifySignature", signature=made, verifyOptions={}) == {}
    for message, forged in ((b"another", made), (MESSAGE, base64.b64encode(b"x" * 70).decode()), (MESSAGE, "")):
        with pytest.raises(SignatureInvalid):
            call(key, "verifySignature", message=message, signature=forged, verifyOptions={})


def test_a_pss_signature_is_refused_for_cosign(tmp_path: Path) -> None:
    made = private_key(KeyType.RSA_2048).sign(ToSign(MESSAGE, RSA_PSS_SHA256))
    with pytest.raises(SignatureInvalid):
        call(key_file(tmp_path, KeyType.RSA_2048), "verifySignature", signature=base64.b64encode(made).decode())


def test_a_key_is_made_and_never_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "new.key")
    pem = base64.b64decode(call(path, "createKey", algorithm="rsa-2048")["publicKeyPEM"])
    assert PublicKey.from_pem(pem).key_type is KeyType.RSA_2048
    with pytest.raises(KeyExists):
        call(path, "createKey", algorithm="rsa-2048")


def test_the_default_algorithm_is_one_of_those_supported() -> None:
    default = call("x", "defaultAlgorithm")["defaultAlgorithm"]
    assert default in call("x", "supportedAlgorithms")["supportedAlgorithms"]


@pytest.mark.parametrize(
    ("resource", "uri"),
    [
        ("hashivault://release", "hashivault://release"),
        ("hashivault%3A%2F%2Frelease", "hashivault://release"),
        ("/keys/100%25.key", "/keys/100%25.key"),
        ("pkcs11:token=my%20token;object=x", "pkcs11:token=my%20token;object=x"),
        ("pkcs11%3Atoken%3Dmy%2520token", "pkcs11:token=my%20token"),
        ("awskms:///alias/x", "awskms:///alias/x"),
        ("release.key", "release.key"),
    ],
)
def test_a_key_is_named_as_it_is_or_percent_encoded(resource: str, uri: str) -> None:
    assert key_uri(resource) == uri


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["v1"],
        ["v2", "{}"],
        ["v1", "{}", "x"],
        ["v1", "{}"],
        ["v1", '{"methodName": "x"}'],
        ["v1", '{"methodName": "publicKey"}'],
        ["v1", '{"methodName": "publicKey", "initOptions": {"keyResourceID": ""}}'],
        ["v1", '{"methodName": ["publicKey"], "initOptions": {"keyResourceID": "x"}}'],
        ["v1", '{"methodName": "publicKey", "initOptions": {"keyResourceID": "x", "rpcOptions": {"keyVersion": "2"}}}'],
        ["v1", '{"methodName": "publicKey", "initOptions": {"keyResourceID": "x"}, "publicKey": 7}'],
    ],
    ids=str,
)
def test_a_call_that_cannot_be_is_refused(arguments: list[str]) -> None:
    with pytest.raises(InvalidArgument):
        respond(arguments, lambda: b"", {})


@pytest.mark.parametrize("text", ["", "[]", '{"a":1,"a":2}', "{" * 100])
def test_a_call_must_be_strict_json(text: str) -> None:
    with pytest.raises(MalformedError):
        respond(["v1", text], lambda: b"", {})


@pytest.mark.parametrize("number", [0, 4, 99, "5", None])
def test_a_hash_that_we_do_not_sign_with_is_refused(number: object, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedAlgorithm):
        call(key_file(tmp_path), "signMessage", number, signOptions={})


def test_a_missing_key_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(KeyNotFound):
        call(str(tmp_path / "none.key"), "publicKey")


def test_the_program_tells_errors_on_stdout_as_the_protocol_wants(tmp_path: Path) -> None:
    init = {"protocolVersion": "v1", "keyResourceID": "/nonexistent/x.key", "hashFunc": 5}
    document = json.dumps({"initOptions": init, "methodName": "publicKey"})
    command = [str(program(tmp_path, "sigstore-kms-imagesig")), "v1", document]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
    assert "no such file" in json.loads(done.stdout)["errorMessage"]


def test_output_of_a_library_is_not_in_the_answer(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    script = (
        f"import os, sys\nsys.path.insert(0, {root!r})\nfrom imagesig.plugins import sigstore as plugin\n"
        "real = plugin.respond\n"
        "def noisy(*arguments):\n"
        "    print('noise'); os.write(1, b'noise')\n"
        "    return real(*arguments)\n"
        "plugin.respond = noisy\nplugin.main()\n"
    )
    made = executable(tmp_path / "noisy", script)
    init = {"protocolVersion": "v1", "keyResourceID": "x", "hashFunc": 5}
    for method in ("defaultAlgorithm", "noSuchMethod"):
        call_text = json.dumps({"initOptions": init, "methodName": method})
        done = subprocess.run([str(made), "v1", call_text], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        assert json.loads(done.stdout)
        assert b"noise" in done.stderr
