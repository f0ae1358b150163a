from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

import pytest

from imagesig import limits
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded
from imagesig.keys import open_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.secrets import (
    SecretKind,
    SecretRequest,
    first_of,
    fixed,
    from_environ,
    from_file,
    no_secrets,
    prompt,
)

_PASSPHRASE = SecretRequest(SecretKind.PASSPHRASE, "app.key")
_NEW_PASSPHRASE = SecretRequest(SecretKind.PASSPHRASE, "app.key", new=True)
_PIN = SecretRequest(SecretKind.PIN, "token build")


class _Terminal:
    """Answers prompts in order, and remembers them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str, is_terminal: bool = True) -> None:
        self.prompts: list[str] = []
        self._answers = iter(answers)
        monkeypatch.setattr(getpass, "getpass", self._ask)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal, raising=False)

    def _ask(self, text: str) -> str:
        self.prompts.append(text)
        return next(self._answers)


def _file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(content)
    return path


def test_the_source_no_secrets_never_answers() -> None:
    assert no_secrets(_PASSPHRASE) is None


def test_a_fixed_secret_answers_everything() -> None:
    assert fixed("swordfish")(_PIN) == "swordfish"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"swordfish", "swordfish"),
        (b"swordfish\n", "swordfish"),
        (b"swordfish\r\n", "swordfish"),
        (b"swordfish\n\n", "swordfish\n"),
        (b" sword fish ", " sword fish "),
        ("pässphräse\n".encode(), "pässphräse"),
        (b"", ""),
        (b"\n", ""),
    ],
)
def test_a_file_gives_its_text_without_the_last_line_end(tmp_path: Path, content: bytes, secret: str) -> None:
    assert from_file(_file(tmp_path, content))(_PASSPHRASE) == secret


def test_a_file_is_read_when_it_is_asked(tmp_path: Path) -> None:
    source = from_file(tmp_path / "secret")
    _file(tmp_path, b"late")
    assert source(_PASSPHRASE) == "late"


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="nowhere"):
        from_file(tmp_path / "nowhere")(_PASSPHRASE)


def test_a_secret_file_that_is_not_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not UTF-8") as caught:
        from_file(_file(tmp_path, b"sword\xfffish"))(_PASSPHRASE)
    assert "fish" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_huge_secret_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded):
        from_file(_file(tmp_path, b"x" * (limits.SECRET_FILE_BYTES + 1)))(_PASSPHRASE)


@pytest.mark.parametrize(
    ("environ", "request_", "secret"),
    [
        ({"IMAGESIG_PASSPHRASE": "ours", "COSIGN_PASSWORD": "theirs"}, _PASSPHRASE, "ours"),
        ({"COSIGN_PASSWORD": "theirs"}, _PASSPHRASE, "theirs"),
        ({"COSIGN_PASSWORD": ""}, _NEW_PASSPHRASE, ""),
        ({"IMAGESIG_PKCS11_PIN": "1234", "COSIGN_PKCS11_PIN": "5678"}, _PIN, "1234"),
        ({"COSIGN_PKCS11_PIN": "5678"}, _PIN, "5678"),
        ({"COSIGN_PASSWORD": "theirs"}, _PIN, None),
        ({"COSIGN_PKCS11_PIN": "5678"}, _PASSPHRASE, None),
        ({}, _PASSPHRASE, None),
    ],
)
def test_the_environment_answers_by_kind(environ: dict[str, str], request_: SecretRequest, secret: str | None) -> None:
    assert from_environ(environ)(request_) == secret


def test_the_first_answer_is_used_and_later_sources_are_not_asked() -> None:
    def never(_request: SecretRequest) -> str:
        raise AssertionError("asked without need")

    assert first_of(no_secrets, fixed(""), never)(_PASSPHRASE) == ""


def test_without_any_answer_the_result_is_none() -> None:
    assert first_of(no_secrets, no_secrets)(_PASSPHRASE) is None


def test_the_prompt_names_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal(monkeypatch, "1234")
    assert prompt(_PIN) == "1234"
    assert terminal.prompts == ["PIN for token build: "]


def test_a_new_secret_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal(monkeypatch, "swordfish", "swordfish")
    assert prompt(_NEW_PASSPHRASE) == "swordfish"
    assert len(terminal.prompts) == 2


def test_two_different_entries_are_refused_without_showing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    _Terminal(monkeypatch, "swordfish", "swordfisch")
    with pytest.raises(InvalidArgument, match="differ") as caught:
        prompt(_NEW_PASSPHRASE)
    assert "sword" not in str(caught.value)


def test_without_a_terminal_the_prompt_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal(monkeypatch, is_terminal=False)
    assert prompt(_PASSPHRASE) is None
    assert terminal.prompts == []


@pytest.mark.parametrize(
    ("role", "environ", "secret"),
    [
        ("root", {}, "ours"),
        ("root", {"DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": "root"}, "root"),
        ("root", {"DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": ""}, "ours"),
        ("root", {"DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "repository"}, "ours"),
        ("alice", {"DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "repository"}, "repository"),
        ("", {"DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "repository"}, "ours"),
    ],
)
def test_key_files_of_docker_have_its_variables(role: str, environ: dict[str, str], secret: str) -> None:
    source = from_environ({"IMAGESIG_PASSPHRASE": "ours", **environ})
    assert source(SecretRequest(SecretKind.PASSPHRASE, "app.key", role=role)) == secret


SETTINGS: dict[str, tuple[str, str]] = {
    "--passphrase-file": ("./k.key", ""),
    "module-path": ("pkcs11:token=t;object=o?module-path={}", ""),
    "IMAGESIG_PKCS11_MODULE": ("pkcs11:token=t;object=o", "IMAGESIG_PKCS11_MODULE"),
    "VAULT_CACERT": ("hashivault://app", "VAULT_CACERT"),
    "AWS_CA_BUNDLE": ("awskms:///alias/app", "AWS_CA_BUNDLE"),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_a_file_that_a_setting_names_and_that_is_not_read_says_what_to_do(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "k.key").write_bytes(PrivateKey.generate(KeyType.ECDSA_P256).to_pem("passphrase"))
    (tmp_path / "k.key").chmod(0o600)
    uri, variable = SETTINGS[name]
    for other, value in {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t", "AWS_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(other, value)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / kind))
    with pytest.raises(ImagesigError, match=str(kind)) as refused:
        open_key(
            uri.format(tmp_path / kind),
            secrets=from_file(tmp_path / kind, name) if name == "--passphrase-file" else None,
        )
    assert refused.value.hint
