"""`generate_payload` and `attach`: what is signed elsewhere is stored once a key has verified it, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from imagesig import (
    InvalidArgument,
    KeyMismatch,
    KeyType,
    NoSignatureAccepted,
    Payload,
    Policy,
    Session,
    SignatureInvalid,
    SignedImage,
    SubjectMismatch,
    UnsupportedAlgorithm,
    aio,
    attach,
    generate_payload,
    inspect,
    registry,
    sign,
    verify,
)
from imagesig.crypto.algorithms import ECDSA_SHA384, Algorithm, ToSign, signing_algorithms
from imagesig.crypto.ecdsa import rs_from_der
from imagesig.errors import FormatViolation, ImagesigError, MalformedError
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.keys.file.private_key import PrivateKey
from imagesig.testing import InMemoryRegistry
from imagesig.trust import CertificateAuthority
from tests.chains import leaf, pem, root
from tests.commands import run_here
from tests.interop.notation import now
from tests.makers import payload as payload_document
from tests.makers import private_key, signing_key

NAME = "registry.example/team/app:1.0"
KEY = private_key()


@pytest.fixture
def image(tmp_path: Path) -> str:
    build_image(Layout.create(tmp_path / "image"), {"app": b"1"}, PLATFORMS[0], "1.0")
    return f"oci:{tmp_path}/image:1.0"


def signed(content: bytes, key: PrivateKey = KEY, algorithm: Algorithm | None = None) -> bytes:
    return key.sign(ToSign(content, algorithm or signing_algorithms(key.public_key.key_type)[0]))


def stored(image: str) -> int:
    return len(inspect(image).signatures)


@pytest.mark.parametrize("key_type", list(KeyType), ids=lambda item: item.value)
def test_what_a_key_of_any_type_signs_is_attached_once_and_verifies(key_type: KeyType, image: str) -> None:
    key = private_key(key_type)
    made = generate_payload(image, identity=NAME, annotations={"build": "7"})
    for state in ("attached", "present"):
        result = attach(image, signed(made.payload, key), key=key.public_key, payload=made.payload)
        assert [item.state for item in result.signatures] == [state]
        assert (result.identity, result.digest) == (NAME, made.digest)
    (signature,) = verify(image, Policy.any_of(key.public_key, annotations={"build": "7"})).signatures
    assert signature.claim.reference == NAME


def test_the_payload_is_what_sign_signs_and_signing_adds_nothing_to_what_was_attached(image: str) -> None:
    key = signing_key()
    made = generate_payload(image, identity=NAME)
    assert (
        attach(image, key.sign(made.payload), key=key.info.public_key, identity=NAME).signatures[0].state == "attached"
    )
    assert sign(image, key, formats=["cosign"], identity=NAME).signatures[0].state == "present"


def test_an_encoding_is_stored_in_the_one_that_verifiers_read(image: str) -> None:
    content = generate_payload(image, identity=NAME).payload
    der = signed(content)
    text = base64.b64encode(der).decode()
    written: list[bytes | str] = [
        der,
        text,
        text.encode(),
        "\n".join(textwrap.wrap(text, 64)) + "\n",
        "\r\n".join(textwrap.wrap(text, 76)),
        rs_from_der(der, KeyType.ECDSA_P256),
        base64.b64encode(rs_from_der(der, KeyType.ECDSA_P256)),
    ]
    for given in written:
        attach(image, given, key=KEY.public_key, payload=content)
    assert stored(image) == 1
    assert verify(image, KEY.public_key).verified


def test_a_hash_that_verifiers_try_is_accepted(image: str) -> None:
    key = private_key(KeyType.ECDSA_P384)
    made = generate_payload(image)
    attach(image, signed(made.payload, key, ECDSA_SHA384), key=key.public_key)
    assert verify(image, key.public_key).verified


# --- what is refused, and leaves nothing behind ---------------------------------------------------------------------


def other_digest() -> bytes:
    return json.dumps(payload_document()).encode()


def one_bit_changed(signature: bytes) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1])


def changed(content: bytes) -> bytes:
    return content.replace(b"cosign container image signature", b"atomic container signature")


REFUSED: dict[str, tuple[type[ImagesigError], Any]] = {
    "a signature by another key": (SignatureInvalid, lambda made: {"signature": signed(made, private_key(number=1))}),
    "a signature over other bytes": (SignatureInvalid, lambda made: {"signature": signed(made + b"\n")}),
    "a signature with one bit changed": (
        SignatureInvalid,
        lambda made: {"signature": one_bit_changed(signed(made))},
    ),
    "nothing": (SignatureInvalid, lambda made: {"signature": b""}),
    "text": (SignatureInvalid, lambda made: {"signature": "no signature \u00e4"}),
    "a payload for another image": (
        SubjectMismatch,
        lambda made: {"payload": other_digest(), "signature": signed(other_digest())},
    ),
    "a payload of another type": (
        FormatViolation,
        lambda made: {"payload": changed(made), "signature": signed(changed(made))},
    ),
    "a payload that is not JSON": (MalformedError, lambda made: {"payload": b"{", "signature": signed(b"{")}),
    "no key and no certificate": (InvalidArgument, lambda made: {"key": None, "signature": signed(made)}),
    "a payload and an identity": (
        InvalidArgument,
        lambda made: {"payload": made, "identity": NAME, "signature": signed(made)},
    ),
    "a payload and annotations": (
        InvalidArgument,
        lambda made: {"payload": made, "annotations": {"a": "b"}, "signature": signed(made)},
    ),
    "no bytes": (InvalidArgument, lambda made: {"signature": 7}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_is_attached_that_the_key_did_not_sign_for_this_image(what: str, image: str) -> None:
    kind, arguments = REFUSED[what]
    given = {"key": KEY.public_key, **arguments(generate_payload(image).payload)}
    with pytest.raises(kind):
        attach(image, **given)
    assert stored(image) == 0


def test_a_key_that_no_verifier_reads_is_refused(image: str) -> None:
    content = generate_payload(image).payload
    with pytest.raises((UnsupportedAlgorithm, InvalidArgument)):
        attach(image, signed(content), key="-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    assert stored(image) == 0


# --- certificates ---------------------------------------------------------------------------------------------------


def test_certificates_are_stored_for_verifiers_that_trust_their_issuer(image: str, tmp_path: Path) -> None:
    top = root(start=now().replace(year=2020), end=now().replace(year=2040))
    signer = leaf(top, key=KEY, start=now().replace(year=2020), end=now().replace(year=2040))
    (tmp_path / "chain.pem").write_text(pem(signer.chain))
    content = generate_payload(image, identity=NAME).payload
    attach(image, signed(content), payload=content, chain=tmp_path / "chain.pem")
    policy = Policy.any_of(CertificateAuthority("acme", top.chain))
    assert verify(image, policy).signatures[0].chain == signer.chain
    assert verify(image, KEY.public_key).verified


def test_certificates_of_another_key_are_refused(image: str) -> None:
    signer = leaf(root(), key=private_key(number=66))
    content = generate_payload(image).payload
    with pytest.raises(SignatureInvalid):
        attach(image, signed(content), chain=signer.chain)
    with pytest.raises(KeyMismatch):
        attach(image, signed(content), key=KEY.public_key, chain=signer.chain)
    assert stored(image) == 0


# --- warnings and the command ---------------------------------------------------------------------------------------


def test_warnings_say_what_podman_will_refuse(tmp_path: Path) -> None:
    build_index(Layout.create(tmp_path / "image"), {"app": b"1"}, "1.0")
    index = f"oci:{tmp_path}/image:1.0"
    assert any("names no repository" in item for item in generate_payload(index).warnings)
    assert any("names no tag" in item for item in generate_payload(index, identity=NAME[:-4]).warnings)
    (warning,) = generate_payload(index, identity=NAME).warnings
    assert "this is an index" in warning
    child = next(
        item.digest for item in sign(index, signing_key(), dry_run=True, identity=NAME).signatures if item.platform
    )
    assert generate_payload(f"oci:{tmp_path}/image@{child}", identity=NAME).warnings == ()


@pytest.mark.parametrize(
    ("named", "warns"),
    [
        (NAME, False),
        ("registry.example/team/app", False),
        ("registry.example/team/other:1.0", True),
        (f"{NAME}0", True),
    ],
    ids=["the image", "no tag", "another repository", "another tag"],
)
def test_a_payload_with_the_name_of_another_image_is_attached_with_a_warning(named: str, warns: bool) -> None:
    with InMemoryRegistry() as server:
        repository = registry(f"{server.host}/team/app:1.0")
        build_image(repository.home, {"app": b"1"}, PLATFORMS[0], "1.0")
        named = named.replace("registry.example", server.host)
        content = generate_payload(repository, identity=named).payload
        result = attach(repository, signed(content), key=KEY.public_key, payload=content)
        about_names = [warning for warning in result.warnings if "the payload names" in warning]
        assert [named in warning for warning in about_names] == [True] * warns
        if warns:
            with pytest.raises(NoSignatureAccepted):
                verify(repository, KEY.public_key)


def test_the_commands_give_the_same_bytes_and_results(image: str, tmp_path: Path) -> None:
    done = run_here("generate-payload", "--identity", NAME, "--annotation", "build=7", image)
    made = generate_payload(image, identity=NAME, annotations={"build": "7"})
    assert done.stdout_bytes == made.payload
    listed = run_here("generate-payload", "--identity", NAME, "--annotation", "build=7", "--output", "json", image)
    assert json.loads(listed.stdout)["images"] == [made.document()]
    for name, content in (("sig", base64.encodebytes(signed(made.payload))), ("pub", KEY.public_key.pem.encode())):
        (tmp_path / name).write_bytes(content)
    arguments = ("attach", "--signature", tmp_path / "sig", "--key", tmp_path / "pub")
    refused = run_here(*arguments, image)
    assert refused.exit_code == 1
    assert "did not make this signature" in refused.stderr
    same = ("--identity", NAME, "--annotation", "build=7")
    done = run_here(*arguments, *same, "--output", "json", image)
    assert done.exit_code == 0, done.output
    (shown,) = json.loads(done.stdout)["images"]
    assert [item["state"] for item in shown["signatures"]] == ["attached"]
    assert "present   cosign" in run_here(*arguments, *same, image).stdout
    assert run_here("verify", "--key", tmp_path / "pub", "--identity", NAME, image).exit_code == 0


def test_sessions_give_the_same(image: str) -> None:
    async def asynchronously() -> tuple[Payload, SignedImage]:
        async with aio.Session() as session:
            return await session.generate_payload(image), await session.attach(
                image, signed(content), key=KEY.public_key
            )

    with Session() as session:
        content = session.generate_payload(image).payload
        session.attach(image, signed(content), key=KEY.public_key)
    made, attached = asyncio.run(asynchronously())
    assert made.payload == content == asyncio.run(aio.generate_payload(image)).payload
    assert attached == asyncio.run(aio.attach(image, signed(content), key=KEY.public_key))
    assert stored(image) == 1
