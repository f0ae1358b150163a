"""`document()` of results and errors: what the command prints as JSON, and nothing that JSON does not have."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagesig import (
    ImagesigError,
    KeyType,
    Outcome,
    Policy,
    SigningKey,
    copy,
    diagnose,
    explain,
    inspect,
    remove,
    sign,
    sign_many,
    verify,
    verify_many,
)
from imagesig.errors import AttachIncomplete, Finding, NoSignatureAccepted, Rejection, RemovalIncomplete, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys import FileProvider
from tests.cli.test_trust import imagesig as command


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    key = FileProvider(tmp_path).generate("release.key", KeyType.ECDSA_P256)
    (tmp_path / "release.pub").write_text(key.info.public_key.pem)
    return key


@pytest.fixture
def image(tmp_path: Path, key: SigningKey) -> str:
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], tag="1")
    name = f"oci:{tmp_path / 'image'}:1"
    sign(name, key, annotations={"git.sha": "1"}, identity="registry.example/app:1")
    return name


def is_json(document: object) -> bool:
    """Whether it has JSON types only: what is written and read again is the same, and no tuple became a list."""
    return bool(json.loads(json.dumps(document)) == document)


def test_the_command_prints_the_documents_of_results(image: str, key: SigningKey, tmp_path: Path) -> None:
    public, private = str(tmp_path / "release.pub"), str(tmp_path / "release.key")
    name = ("--identity", "registry.example/app:1")
    printed = {
        "verify": (verify(image, Policy.any_of(public)), ("verify", "--key", public, image)),
        "inspect": (inspect(image), ("inspect", image)),
        "remove": (remove(image, key=key, dry_run=True), ("remove", "--key", public, "--dry-run", image)),
        "sign": (
            sign(image, key, dry_run=True, identity=name[1]),
            ("sign", "--key", private, "--dry-run", *name, image),
        ),
    }
    for verb, (result, arguments) in printed.items():
        done = command(*arguments, "--output", "json")
        assert json.loads(done.stdout)["images"] == [result.document()], verb


def test_every_result_has_a_document_of_json(image: str, key: SigningKey, tmp_path: Path) -> None:
    results = [
        verify(image, key),
        inspect(image),
        explain(image, Policy.any_of(key)),
        copy(image, f"oci:{tmp_path / 'copy'}"),
        sign(image, key, dry_run=True),
        remove(image, key=key, dry_run=True),
        *diagnose(),
        *verify_many([image, "oci:/nowhere"], key),
        *sign_many([image], key, dry_run=True),
    ]
    for result in results:
        assert is_json(result.document()), result


def test_what_was_signed_is_at_hand(image: str, key: SigningKey, tmp_path: Path) -> None:
    (signature, _) = verify(image, tmp_path / "release.pub").signatures

    assert dict(signature.annotations) == {"git.sha": "1"}
    assert signature.fingerprint == key.info.public_key.fingerprint
    assert signature.key_id == str(tmp_path / "release.pub")


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("no", hint="wait"),
        AttachIncomplete("1 of 2", attached=["a"], missing=["b"], cause=Unreachable("no")),
        RemovalIncomplete("1 of 2", removed=["a"], left=["b"], cause=Unreachable("no")),
        NoSignatureAccepted("no", rejections=[Rejection("o", Unreachable("x"))], findings=[Finding("k")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_has_a_document_of_json(error: ImagesigError) -> None:
    document = error.document()

    assert is_json(document)
    assert {"error", "message", "hint", "retryable", "rejections", "findings", "reasons"} <= document.keys()
    assert all(document[name] for name in error.lists)
    assert Outcome("app:1", 0, error=error).document() == {"image": "app:1", **document}


def test_the_document_of_a_failed_outcome_says_what_the_image_is_not(key: SigningKey) -> None:
    (verified,), (signed,) = verify_many(["oci:/nowhere"], key), sign_many(["oci:/nowhere"], key)
    with ThreadPoolExecutor() as executor:
        (remote,) = verify_many(["oci:/nowhere"], key.info.public_key, executor=executor)

    assert verified.document()["verified"] is remote.document()["verified"] is False
    assert signed.document()["signed"] is False
