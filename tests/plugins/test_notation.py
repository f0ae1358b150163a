"""`notation-imagesig`, asked as notation asks it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from imagesig import __version__
from imagesig.crypto.algorithms import ECDSA_SHA384, RSA_PSS_SHA384, KeyType
from imagesig.crypto.ecdsa import der_from_rs
from imagesig.errors import (
    AccessDenied,
    ImagesigError,
    InvalidArgument,
    KeyMismatch,
    KeyNotFound,
    KeyProviderUnavailable,
    MalformedError,
    SecretRequired,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.plugins.notation import UnsupportedContract, refusal, respond
from tests.issuers import Issuer, pem
from tests.makers import private_key
from tests.plugins.programs import executable, program

ROOT = Issuer("root")


def key_file(folder: Path, key_type: KeyType = KeyType.ECDSA_P384, passphrase: str | None = None) -> Path:
    """A key with its chain beside it."""
    key, path = private_key(key_type), folder / f"{key_type.value}.key"
    path.write_bytes(key.to_pem(passphrase))
    path.chmod(0o600)
    path.with_suffix(".crt").write_bytes(pem(ROOT.chain_for(key.public_key)))
    return path


def ask(command: str, request: Mapping[str, object], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    return respond([command], lambda: json.dumps({"contractVersion": "1.0", **request}).encode(), environ or {})


def signing(path: Path, **changes: object) -> dict[str, object]:
    payload = base64.b64encode(b"to be signed").decode()
    request = {"keyId": str(path), "keySpec": "EC-384", "hashAlgorithm": "SHA-384", "payload": payload}
    return {name: value for name, value in (request | changes).items() if value is not None}


def test_the_metadata_needs_no_request_and_loads_no_key_code() -> None:
    script = (
        "import sys\nfrom imagesig.plugins.notation import respond\n"
        "assert respond(['get-plugin-metadata'], lambda: 1 / 0, {})['name'] == 'imagesig'\n"
        "print(*(name for name in ('imagesig.keys', 'cryptography', 'click', 'urllib3') if name in sys.modules))\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_the_key_is_described_by_its_type_and_named_as_it_was(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    assert ask("describe-key", {"keyId": str(path)}) == {"keyId": str(path), "keySpec": "EC-384"}


def test_an_ec_signature_is_r_and_s_over_the_payload_and_comes_with_the_chain(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    answer = ask("generate-signature", signing(path))
    assert answer["keyId"] == str(path)
    assert answer["signingAlgorithm"] == "ECDSA-SHA-384"
    raw = base64.b64decode(answer["signature"])
    assert len(raw) == 96
    public_key = private_key(KeyType.ECDSA_P384).public_key
    public_key.verify(der_from_rs(raw, KeyType.ECDSA_P384), b"to be signed", ECDSA_SHA384)
    assert len(answer["certificateChain"]) == 2


def test_an_rsa_signature_is_pss_with_the_hash_of_the_keys_size(tmp_path: Path) -> None:
    path = key_file(tmp_path, KeyType.RSA_3072)
    answer = ask("generate-signature", signing(path, keySpec="RSA-3072"))
    assert answer["signingAlgorithm"] == "RSASSA-PSS-SHA-384"
    public_key = private_key(KeyType.RSA_3072).public_key
    public_key.verify(base64.b64decode(answer["signature"]), b"to be signed", RSA_PSS_SHA384)


def test_the_chain_may_be_named_in_the_configuration(tmp_path: Path) -> None:
    path, chain = key_file(tmp_path), ROOT.chain_for(private_key(KeyType.ECDSA_P384).public_key, "named")
    (tmp_path / "named.pem").write_bytes(pem(chain))
    answer = ask("generate-signature", signing(path, pluginConfig={"cert_chain": str(tmp_path / "named.pem")}))
    assert base64.b64decode(answer["certificateChain"][0]) == chain[0].der


def test_passphrases_come_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    path = key_file(tmp_path, KeyType.ECDSA_P256, "swordfish")
    request = {"keyId": str(path)}
    with pytest.raises(SecretRequired):
        ask("describe-key", request)
    assert ask("describe-key", request, {"IMAGESIG_PASSPHRASE": "swordfish"})
    (tmp_path / "secret").write_text("swordfish\n")
    assert ask("describe-key", request | {"pluginConfig": {"passphrase_file": str(tmp_path / "secret")}})


def test_unknown_members_of_a_request_are_ignored(tmp_path: Path) -> None:
    assert ask("describe-key", {"keyId": str(key_file(tmp_path)), "newMember": {"x": 1}})


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": None},
        {"payload": "not base64!"},
        {"keyId": None},
        {"keyId": ""},
        {"keyId": 7},
        {"keySpec": "EC-256"},
        {"keySpec": None},
        {"hashAlgorithm": "SHA-256"},
        {"pluginConfig": {"pin": "1234"}},
        {"pluginConfig": {"cert_chain": 7}},
        {"pluginConfig": ["cert_chain"]},
        {"pluginConfig": {"cert_chain": "/nonexistent.pem"}},
    ],
    ids=str,
)
def test_a_request_that_cannot_be_is_a_validation_error(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ask("generate-signature", signing(key_file(tmp_path), **changes))
    assert refusal(refused.value)["errorCode"] == "VALIDATION_ERROR"


def test_a_key_without_certificates_does_not_sign(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    path.with_suffix(".crt").unlink()
    with pytest.raises(InvalidArgument, match="no certificates"):
        ask("generate-signature", signing(path))


def test_certificates_of_another_key_do_not_go_with_it(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(pem(ROOT.chain_for(private_key(KeyType.ECDSA_P384, 1).public_key)))
    with pytest.raises(KeyMismatch):
        ask("generate-signature", signing(path, pluginConfig={"cert_chain": str(other)}))


def test_ed25519_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedAlgorithm, match="no signatures by Ed25519"):
        ask("describe-key", {"keyId": str(key_file(tmp_path, KeyType.ED25519))})


@pytest.mark.parametrize("version", ["2.0", "1", 1.0, None])
def test_another_contract_version_is_refused(version: object) -> None:
    with pytest.raises(UnsupportedContract) as refused:
        ask("describe-key", {"contractVersion": version, "keyId": "x"})
    assert refusal(refused.value)["errorCode"] == "UNSUPPORTED_CONTRACT_VERSION"


@pytest.mark.parametrize(
    "arguments", [[], ["generate-envelope"], ["verify-signature"], ["describe-key", "x"], ["--help"]]
)
def test_commands_that_we_did_not_offer_are_refused(arguments: list[str]) -> None:
    with pytest.raises(InvalidArgument):
        respond(arguments, lambda: b"{}", {})


@pytest.mark.parametrize("request_", [b"", b"[]", b'{"a":1,"a":2}', b"\xff", b"{" * 100])
def test_a_request_must_be_a_strict_json_object(request_: bytes) -> None:
    with pytest.raises(MalformedError):
        respond(["describe-key"], lambda: request_, {})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidArgument("x"), "VALIDATION_ERROR"),
        (MalformedError("x"), "VALIDATION_ERROR"),
        (AccessDenied("x"), "ACCESS_DENIED"),
        (WrongSecret("x"), "ACCESS_DENIED"),
        (KeyProviderUnavailable("x"), "TIMEOUT"),
        (KeyNotFound("x"), "VALIDATION_ERROR"),
        (KeyMismatch("x"), "VALIDATION_ERROR"),
        (ImagesigError("x"), "ERROR"),
        (ZeroDivisionError("a secret"), "ERROR"),
    ],
)
def test_errors_have_codes_of_the_protocol(error: Exception, code: str) -> None:
    expected = refusal(error)
    assert expected["errorCode"] == code
    assert "secret" not in str(expected)


def run(tmp_path: Path, command: str, request: Mapping[str, object]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(program(tmp_path / "bin", "notation-imagesig")), command],
        input=json.dumps({"contractVersion": "1.0", **request}).encode(),
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )


def test_the_program_answers_on_stdout_with_status_0_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "get-plugin-metadata", {})
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["version"] == __version__


def test_the_program_fails_on_stderr_with_status_1_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "describe-key", {"keyId": "/nonexistent/x.key"})
    assert (done.returncode, done.stdout) == (1, b"")
    assert json.loads(done.stderr)["errorMetadata"] == {"error": "KeyNotFound"}


def test_output_of_a_library_is_not_in_the_answer(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    script = (
        f"import os, sys\nsys.path.insert(0, {root!r})\nfrom imagesig.plugins import notation as plugin\n"
        "real = plugin.respond\n"
        "def noisy(*arguments):\n"
        "    print('noise'); os.write(1, b'noise'); os.write(2, b'noise')\n"
        "    return real(*arguments)\n"
        "plugin.respond = noisy\nplugin.main()\n"
    )
    made = executable(tmp_path / "noisy", script)
    for command in ("get-plugin-metadata", "no-such-command"):
        done = subprocess.run([str(made), command], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        answer, other = (done.stdout, done.stderr) if done.returncode == 0 else (done.stderr, done.stdout)
        assert json.loads(answer)
        assert other == b""
