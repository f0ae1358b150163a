"""Keys behind a notation plugin that lies: nothing it says is believed that can be checked."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType, ToSign
from imagesig.crypto.ecdsa import rs_from_der
from imagesig.errors import (
    AccessDenied,
    BadSignature,
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    UnsupportedAlgorithm,
)
from imagesig.keys.plugin.notation import PROBE, NotationPluginKey, NotationPluginProvider
from tests.commands import run_here
from tests.issuers import Issuer
from tests.makers import private_key
from tests.plugins.programs import executable, program

KEY, OTHER = private_key(KeyType.ECDSA_P256), private_key(KeyType.ECDSA_P256, 1)
ROOT = Issuer("root")
METADATA = {
    "name": "fake",
    "description": "fake",
    "version": "1.0.0",
    "url": "https://fake.example",
    "supportedContractVersions": ["1.0"],
    "capabilities": ["SIGNATURE_GENERATOR.RAW"],
}
DESCRIBED = {"keyId": "k", "keySpec": "EC-256"}


def signed(message: bytes = PROBE, key: Any = KEY, **changes: object) -> dict[str, object]:
    """The answer of an honest plugin, then changed."""
    answer = {
        "keyId": "k",
        "signature": b64(rs_from_der(key.sign(ToSign(message, ECDSA_SHA256)), KeyType.ECDSA_P256)),
        "signingAlgorithm": "ECDSA-SHA-256",
        "certificateChain": [b64(item.der) for item in ROOT.chain_for(key.public_key)],
    }
    return answer | changes


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def fake(folder: Path, answers: dict[str, object], *, seconds: float = 60) -> NotationPluginProvider:
    """A plugin that answers each command with what is given for it, whatever it is asked; text is printed as it is."""
    (folder / "answers.json").write_text(json.dumps(answers))
    script = (
        "import json, sys\n"
        f"answer = json.load(open({str(folder / 'answers.json')!r}))[sys.argv[1]]\n"
        "sys.stdin.read()\n"
        "if isinstance(answer, dict) and 'errorCode' in answer:\n"
        "    sys.stderr.write(json.dumps(answer)); sys.exit(1)\n"
        "sys.stdout.write(answer if isinstance(answer, str) else json.dumps(answer))\n"
    )
    executable(folder / "fake" / "notation-fake", script)
    return NotationPluginProvider("fake", folder, environ={}, seconds=seconds)


def opened(folder: Path, **answers: object) -> NotationPluginKey:
    honest = {"get-plugin-metadata": METADATA, "describe-key": DESCRIBED, "generate-signature": signed()}
    return fake(folder, honest | {name.replace("_", "-"): value for name, value in answers.items()}).open("k")


def test_an_honest_plugin_gives_the_key_with_its_chain_and_one_algorithm(tmp_path: Path) -> None:
    info = opened(tmp_path).info
    assert info.public_key == KEY.public_key
    assert info.key_id == "notation-plugin://fake/k"
    assert info.algorithms == (ECDSA_SHA256,)
    assert len(info.chain) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"supportedContractVersions": ["2.0"]},
        {"supportedContractVersions": "1.0"},
        {"capabilities": ["SIGNATURE_GENERATOR.ENVELOPE"]},
        {"capabilities": None},
    ],
    ids=str,
)
def test_an_unsuitable_plugin_is_not_asked_for_a_signature(change: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable):
        opened(tmp_path, get_plugin_metadata=METADATA | change, describe_key="unused")


@pytest.mark.parametrize("printed", ["", "hello", "[]", '{"keyId":"k","keyId":"k"}', "{" * 1000, "\ufffd"])
def test_garbage_is_an_error(printed: str, tmp_path: Path) -> None:
    for command in ("get_plugin_metadata", "describe_key", "generate_signature"):
        with pytest.raises(KeyProviderError):
            opened(tmp_path, **{command: printed})


def test_an_answer_of_another_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable):
        opened(tmp_path, describe_key=DESCRIBED | {"keyId": "other"})
    with pytest.raises(KeyUnusable):
        opened(tmp_path, generate_signature=signed(keyId="other"))


def test_a_type_of_key_that_the_protocol_does_not_have_is_refused(tmp_path: Path) -> None:
    for spec in ("ED25519", "RSA-1024", None, 7):
        with pytest.raises(UnsupportedAlgorithm):
            opened(tmp_path, describe_key=DESCRIBED | {"keySpec": spec})


def test_a_certificate_of_another_type_than_described_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyProviderError):
        opened(tmp_path, describe_key=DESCRIBED | {"keySpec": "EC-384"})


@pytest.mark.parametrize(
    "change",
    [
        {"signature": b64(b"\x01" * 64)},
        {"signature": b64(b"\x01" * 63)},
        {"signature": b64(KEY.sign(ToSign(PROBE, ECDSA_SHA256)))},
        {"signature": "?"},
        {"signature": None},
        {"signingAlgorithm": "ECDSA-SHA-384"},
        {"signingAlgorithm": None},
        {"certificateChain": []},
        {"certificateChain": None},
        {"certificateChain": [b64(b"no certificate")]},
        {"certificateChain": ["?"]},
        {"certificateChain": [b64(item.der) for item in ROOT.chain_for(OTHER.public_key)]},
        {"certificateChain": [b64(ROOT.certificate.der)] * 11},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_that_its_own_certificate_does_not_verify_is_never_used(
    change: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(BadSignature):
        opened(tmp_path, generate_signature=signed(**change))


def test_a_signature_of_something_else_is_never_used(tmp_path: Path) -> None:
    key = opened(tmp_path)
    with pytest.raises(BadSignature):
        key.sign(b"not the probe, whose signature it repeats")


def test_a_plugin_that_signs_with_another_key_later_is_caught(tmp_path: Path) -> None:
    key = opened(tmp_path)
    fake(tmp_path, {"generate-signature": signed(b"message", OTHER)})
    with pytest.raises(BadSignature, match=OTHER.public_key.fingerprint):
        key.sign(b"message")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("VALIDATION_ERROR", KeyUnusable),
        ("UNSUPPORTED_CONTRACT_VERSION", KeyUnusable),
        ("ACCESS_DENIED", AccessDenied),
        ("TIMEOUT", KeyProviderUnavailable),
        ("THROTTLED", KeyProviderUnavailable),
        ("ERROR", KeyProviderError),
        ("SOMETHING", KeyProviderError),
        (7, KeyProviderError),
    ],
)
def test_errors_of_the_protocol_have_exceptions(code: object, kind: type[KeyProviderError], tmp_path: Path) -> None:
    with pytest.raises(kind, match="because of \\\\x1b") as failed:
        opened(tmp_path, describe_key={"errorCode": code, "errorMessage": "because of \x1b"})
    assert type(failed.value) is kind


def test_a_plugin_that_hangs_is_killed(tmp_path: Path) -> None:
    executable(tmp_path / "slow" / "notation-slow", "import time\ntime.sleep(1000)\n")
    provider = NotationPluginProvider("slow", tmp_path, environ={}, seconds=1)
    with pytest.raises(KeyProviderUnavailable):
        provider.open("k")


# --- where plugins lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "../fake", "a/b", "a\0b", "a b", "fake\n", "é"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        NotationPluginProvider(name, tmp_path, environ={})


def test_a_missing_plugin_lists_those_that_are_there(tmp_path: Path) -> None:
    program(tmp_path / "imagesig", "notation-imagesig")
    with pytest.raises(KeyNotFound) as missing:
        NotationPluginProvider("azure-kv", tmp_path, environ={})
    assert "imagesig" in missing.value.hint


def test_a_symbolic_link_to_the_plugin_or_its_folder_is_refused(tmp_path: Path) -> None:
    real = executable(tmp_path / "elsewhere" / "notation-fake", "")
    (tmp_path / "plugins" / "fake").mkdir(parents=True)
    (tmp_path / "plugins" / "fake" / "notation-fake").symlink_to(real)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "fake").symlink_to(tmp_path / "elsewhere")
    for directory in ("plugins", "others"):
        with pytest.raises(KeyUnusable, match="without symbolic links"):
            NotationPluginProvider("fake", tmp_path / directory, environ={})


def test_the_plugin_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    executable(tmp_path / "real" / "fake" / "notation-fake", "")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert NotationPluginProvider("fake", tmp_path / "link", environ={})


@pytest.mark.parametrize("kind", ["folder", "not executable", "pipe"])
def test_a_plugin_must_be_an_executable_file(kind: str, tmp_path: Path) -> None:
    import os

    path = tmp_path / "fake" / "notation-fake"
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path, 0o755)
    else:
        path.write_text("#!/bin/sh\n")
        path.chmod(0o644)
    with pytest.raises(KeyUnusable):
        NotationPluginProvider("fake", tmp_path, environ={})


HINTS: dict[str, tuple[dict[str, object], str]] = {
    "VALIDATION_ERROR": ({"errorCode": "VALIDATION_ERROR", "errorMessage": "no"}, "settings"),
    "UNSUPPORTED_CONTRACT_VERSION": ({"errorCode": "UNSUPPORTED_CONTRACT_VERSION"}, "update"),
    "ACCESS_DENIED": ({"errorCode": "ACCESS_DENIED", "errorMessage": "no credentials"}, "IMAGESIG_PLUGIN_ENV"),
    "TIMEOUT": ({"errorCode": "TIMEOUT"}, "again"),
    "THROTTLED": ({"errorCode": "THROTTLED", "errorMetadata": {"a": "b"}}, "again"),
    "ERROR": ({"errorCode": "ERROR", "errorMessage": "AZURE_CLIENT_ID is not set"}, "IMAGESIG_PLUGIN_ENV"),
    "a code of its own": ({"errorCode": "QUOTA"}, "IMAGESIG_PLUGIN_ENV"),
}


@pytest.mark.parametrize("name", HINTS)
def test_every_failure_of_a_plugin_says_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, hint = HINTS[name]
    (tmp_path / "plugins").mkdir()
    fake(tmp_path / "plugins", {"get-plugin-metadata": METADATA, "describe-key": answer})
    monkeypatch.setenv("NOTATION_LIBEXEC", str(tmp_path))
    done = run_here("key", "check", "notation-plugin://fake/k")
    assert isinstance(done.exception, KeyProviderError)
    assert hint in done.exception.hint


CRASHES = {
    "a text": ("import sys; sys.exit('no credentials found')", "IMAGESIG_PLUGIN_ENV"),
    "no answer": ("", "IMAGESIG_PLUGIN_ENV"),
    "a signal": ("import os; os.kill(os.getpid(), 9)", "update"),
}


@pytest.mark.parametrize("name", CRASHES)
@pytest.mark.parametrize("protocol", ["notation", "sigstore"])
def test_a_plugin_that_breaks_off_says_what_to_do(
    name: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, hint = CRASHES[name]
    executable(tmp_path / "plugins" / "fake" / "notation-fake", script)
    executable(tmp_path / "sigstore-kms-fake", script)
    monkeypatch.setenv("NOTATION_LIBEXEC", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    uri = "notation-plugin://fake/k" if protocol == "notation" else "sigstore-kms://fake/k"
    done = run_here("key", "check", uri)
    assert isinstance(done.exception, KeyProviderError)
    assert hint in done.exception.hint


@pytest.mark.parametrize(
    ("content", "hint"),
    [(b"\x7fELF\x02\x01\x01", "processor"), (b"#!/nonexistent/python\n", "first line"), (b"", "processor")],
    ids=["another processor", "no interpreter", "empty"],
)
def test_a_plugin_that_cannot_be_run_says_why(
    content: bytes, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = executable(tmp_path / "plugins" / "fake" / "notation-fake", "")
    path.write_bytes(content)
    monkeypatch.setenv("NOTATION_LIBEXEC", str(tmp_path))
    done = run_here("key", "check", "notation-plugin://fake/k")
    assert isinstance(done.exception, KeyProviderError)
    assert hint in done.exception.hint


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"supportedContractVersions": ["2.0"]}, {"capabilities": ["SIGNATURE_VERIFIER"]}]
)
def test_a_plugin_that_does_not_fit_says_what_to_do(change: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable) as refused:
        fake(tmp_path, {"get-plugin-metadata": METADATA | change}).open("k")
    assert "install" in refused.value.hint or "update" in refused.value.hint


def test_a_plugin_that_hangs_says_where_to_look(tmp_path: Path) -> None:
    path = executable(tmp_path / "fake" / "notation-fake", "import time; time.sleep(60)")
    assert path.exists()
    with pytest.raises(KeyProviderUnavailable) as late:
        NotationPluginProvider("fake", tmp_path, environ={}, seconds=0.5).open("k")
    assert "IMAGESIG_PLUGIN_ENV" in late.value.hint
