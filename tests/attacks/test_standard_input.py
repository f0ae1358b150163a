"""Standard input as a file that is named `-`: closed, not readable, or not there."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest

import imagesig
from imagesig.cli.main import cli
from imagesig.errors import InvalidArgument
from imagesig.keys.secrets import SecretKind, SecretRequest, prompt
from tests.attacks.policy_place import furnish

PACKAGE = Path(imagesig.__file__).parent
READERS = {
    "cli/options.py": "the only way to read it",
    "cli/output/terminal.py": "asks whether an answer can come from it",
    "keys/secrets.py": "asks whether it is a terminal",
    "plugins/streams.py": "the requests of the programs that imagesig is a plugin of",
}
ASKED = {
    "attest": ("attest", "--key", "a.key", "--type", "custom", "--predicate", "-", "oci:image:1.0"),
    "attest a statement": ("attest", "--key", "a.key", "--statement", "-", "oci:image:1.0"),
    "attest-blob": (
        *("attest-blob", "--key", "a.key", "--type", "custom", "--predicate", "-"),
        *("--bundle", "out", "a.pub"),
    ),
    "attest-blob of it": (
        *("attest-blob", "--key", "a.key", "--type", "custom", "--predicate", "a.json"),
        *("--bundle", "out", "-"),
    ),
    "sign-blob": ("sign-blob", "--key", "a.key", "-"),
    "verify-blob": ("verify-blob", "--key", "a.pub", "--signature", "a.pub", "-"),
    "sign": ("sign", "--key", "a.key", "--images-from", "-"),
    "verify": ("verify", "--key", "a.pub", "--images-from", "-"),
    "verify-attestation": ("verify-attestation", "--key", "a.pub", "--type", "custom", "--images-from", "-"),
    "trust migrate": ("trust", "migrate", "--key", "a.key", "--pin", "a.pub", "--images-from", "-"),
}


class _Failing(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> int:
        raise OSError(5, "Input/output error")


STREAMS = {"closed": None, "failing": io.TextIOWrapper(io.BufferedReader(_Failing()))}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("arguments", ASKED.values(), ids=ASKED)
def test_standard_input_that_cannot_be_read_is_our_error(
    stream: str, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path, "a")
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", STREAMS[stream])
    with pytest.raises(InvalidArgument, match=r"standard input|stream cannot be read"):
        cli.main(list(arguments), "imagesig", standalone_mode=False)


def test_a_passphrase_is_not_asked_for_if_there_is_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert prompt(SecretRequest(SecretKind.PASSPHRASE, "a.key")) is None


def test_nothing_is_revoked_if_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidArgument, match="nobody answered"):
        cli.main(["trust", "revoke", "localhost:1/x"], "imagesig", standalone_mode=False)


def test_only_one_module_of_the_command_reads_standard_input() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdin"
    }
    assert found == set(READERS), "read it with imagesig.cli.options.standard_input"
