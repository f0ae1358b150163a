"""Keys behind a cosign KMS plugin that lies: its signatures are checked, and its answers are bounded."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import ECDSA_SHA256, RSA_PKCS1V15_SHA256, RSA_PSS_SHA256, KeyType, ToSign
from imagesig.errors import (
    BadSignature,
    InvalidArgument,
    KeyMismatch,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
)
from imagesig.keys import KeySettings, open_key, resolve_key
from imagesig.keys.plugin.sigstore import SigstorePluginProvider, find_plugin
from tests.makers import private_key
from tests.plugins.programs import executable, program

KEY, OTHER = private_key(KeyType.ECDSA_P256), private_key(KeyType.ECDSA_P256, 1)


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def fake(folder: Path, public_key: object = None, signature: object = None) -> SigstorePluginProvider:
    """A plugin with these two answers, whatever it is asked; text is printed as it is."""
    pem = {"publicKey": {"publicKeyPEM": b64(KEY.public_key.pem.encode())}}
    made = {"signMessage": {"signature": b64(KEY.sign(ToSign(b"message", ECDSA_SHA256)))}}
    answers = {
        "publicKey": pem if public_key is None else public_key,
        "signMessage": made if signature is None else signature,
    }
    (folder / "answers.json").write_text(json.dumps(answers))
    script = (
        "import json, sys\n"
        f"answer = json.load(open({str(folder / 'answers.json')!r}))[json.loads(sys.argv[2])['methodName']]\n"
        "sys.stdout.write(answer if isinstance(answer, str) else json.dumps(answer))\n"
    )
    return SigstorePluginProvider(executable(folder / "sigstore-kms-fake", script), environ={})


def test_an_honest_plugin_signs(tmp_path: Path) -> None:
    key = fake(tmp_path).open("release")
    assert key.info.key_id == "sigstore-kms://fake/release"
    assert key.sign(b"message")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "hello",
        "[]",
        "{}",
        {"publicKey": None},
        {"publicKey": {}},
        {"publicKey": {"publicKeyPEM": "?"}},
        {"publicKey": {"publicKeyPEM": b64(b"no key")}},
        {"publicKey": {"publicKeyPEM": 7}},
        {"errorMessage": "no such key"},
    ],
    ids=str,
)
def test_a_missing_public_key_is_an_error(answer: object, tmp_path: Path) -> None:
    with pytest.raises(KeyProviderError):
        fake(tmp_path, public_key=answer).open("release")


@pytest.mark.parametrize(
    "answer",
    [
        {"signMessage": {"signature": b64(b"\x01" * 70)}},
        {"signMessage": {"signature": b64(OTHER.sign(ToSign(b"message", ECDSA_SHA256)))}},
        {"signMessage": {"signature": b64(KEY.sign(ToSign(b"another", ECDSA_SHA256)))}},
        {"signMessage": {"signature": ""}},
        {"signMessage": {}},
        {"publicKey": {}},
        "flood",
    ],
    ids=lambda answer: next(iter(answer)),
)
def test_a_signature_that_does_not_verify_is_never_used(answer: object, tmp_path: Path) -> None:
    key = fake(tmp_path, signature=answer).open("release")
    with pytest.raises(KeyProviderError):
        key.sign(b"message")


def test_a_plugin_with_another_key_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMismatch):
        fake(tmp_path).open("release").expect(OTHER.public_key)


def test_a_plugin_that_signs_pss_is_refused(tmp_path: Path) -> None:
    rsa = private_key(KeyType.RSA_2048)
    pem = {"publicKey": {"publicKeyPEM": b64(rsa.public_key.pem.encode())}}
    made = {"signMessage": {"signature": b64(rsa.sign(ToSign(b"message", RSA_PSS_SHA256)))}}
    key = fake(tmp_path, pem, made).open("release")
    assert RSA_PKCS1V15_SHA256 in key.info.algorithms
    with pytest.raises(BadSignature):
        key.sign(b"message")


def test_a_plugins_error_message_is_shown_escaped(tmp_path: Path) -> None:
    with pytest.raises(KeyProviderError) as failed:
        fake(tmp_path, public_key={"errorMessage": "sealed\x1b[31m"}).open("release")
    assert "sealed" in str(failed.value)
    assert "\x1b" not in str(failed.value)


def test_a_plugin_that_hangs_is_killed(tmp_path: Path) -> None:
    slow = executable(tmp_path / "sigstore-kms-slow", "import time\ntime.sleep(1000)\n")
    with pytest.raises(KeyProviderUnavailable):
        SigstorePluginProvider(slow, environ={}, seconds=1).open("release")


def test_the_call_names_the_resource_the_hash_and_the_digest(tmp_path: Path) -> None:
    script = "import json, sys\nprint(json.dumps({'errorMessage': sys.argv[1] + sys.argv[2]}))\n"
    provider = SigstorePluginProvider(executable(tmp_path / "sigstore-kms-echo", script), environ={})
    with pytest.raises(KeyProviderError) as failed:
        provider.sign("a/b?c%20d", ToSign(b"message", ECDSA_SHA256))
    for part in ('v1{"initOptions"', '"keyResourceID": "a/b?c%20d"', '"hashFunc": 5', '"methodName": "signMessage"'):
        assert part in str(failed.value)


def test_a_resource_longer_than_a_command_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        fake(tmp_path).open("x" * 100_000)


def test_the_plugin_is_looked_for_in_absolute_folders_of_path_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = executable(tmp_path / "bin" / "sigstore-kms-fake", "")
    monkeypatch.chdir(tmp_path)
    assert find_plugin("fake", f"/nonexistent:{made.parent}") == made
    for path in ("bin", "", ".", "bin:.:"):
        with pytest.raises(KeyNotFound):
            find_plugin("fake", path)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\0b", "a b", "x\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        find_plugin(name, str(tmp_path))


@pytest.mark.parametrize("uri", ["sigstore-kms://fake", "sigstore-kms://fake/", "sigstore-kms:///x", "sigstore-kms://"])
def test_a_uri_of_another_shape_is_refused(uri: str, tmp_path: Path) -> None:
    executable(tmp_path / "sigstore-kms-fake", "")
    with pytest.raises(InvalidArgument):
        resolve_key(uri, KeySettings({"PATH": str(tmp_path)}))


def test_our_own_plugin_is_one_of_them(tmp_path: Path) -> None:
    program(tmp_path, "sigstore-kms-imagesig")
    (tmp_path / "release.key").write_bytes(KEY.to_pem(None))
    (tmp_path / "release.key").chmod(0o600)
    settings = KeySettings({"PATH": str(tmp_path)})
    with open_key(f"sigstore-kms://imagesig/{tmp_path}/release.key", settings=settings) as key:
        assert key.expect(KEY.public_key).sign(b"message")
    with pytest.raises(KeyUnusable):
        key.sign(b"message")
