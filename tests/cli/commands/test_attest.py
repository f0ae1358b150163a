"""`imagesig attest` over a layout: files and stdin, text and JSON, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys import FileProvider
from tests.cli.test_commands import ROOT

_RUN = "import sys; sys.argv[0] = 'imagesig'; from imagesig.cli.main import main; main()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    FileProvider(tmp_path).generate("a.key", KeyType.ECDSA_P256)
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], tag="1")
    (tmp_path / "p.json").write_bytes(b'{"n":12345678901234567890}\n')
    return tmp_path


def attest(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", _RUN, "attest", "--key", "a.key", *arguments, "oci:image:1"]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ROOT, "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environ, input=stdin, capture_output=True, timeout=60, check=False)


def states(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    return [item["state"] for item in image["attestations"]]


def test_a_predicate_comes_from_a_file_or_stdin_and_is_the_same(folder: Path) -> None:
    done = attest(folder, "--type", "custom", "--predicate", "p.json", "--output", "json")
    assert states(done) == ["attached", "attached"]
    done = attest(
        folder, "--type", "custom", "--predicate", "-", "--output", "json", stdin=(folder / "p.json").read_bytes()
    )
    assert states(done) == ["present", "present"]
    done = attest(folder, "--type", "custom", "--predicate", "-", "--replace", stdin=b"{}")
    assert done.returncode == 0
    assert done.stdout.count(b"attached") == 2
    assert done.stdout.count(b"removed") == 2
    assert b"https://cosign.sigstore.dev/attestation/v1" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, b"--predicate"),
        (["--type", "custom"], 2, b"--predicate"),
        (["--predicate", "p.json"], 2, b"--type"),
        (["--type", "custom", "--predicate", "p.json", "--statement", "p.json"], 2, b"--statement"),
        (["--type", "vuln", "--predicate", "p.json"], 2, b"'invocation'"),
        (["--type", "nothing", "--predicate", "p.json"], 2, b"predicate type"),
        (["--type", "x:\udcff", "--predicate", "p.json"], 2, b"predicate type"),
        (["--type", "custom", "--predicate", "none.json"], 2, b"none.json"),
        (["--statement", "p.json"], 2, b"statement"),
    ],
)
def test_an_error_says_what_is_needed(folder: Path, arguments: list[str], status: int, said: bytes) -> None:
    done = attest(folder, *arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert b"Traceback" not in done.stderr
