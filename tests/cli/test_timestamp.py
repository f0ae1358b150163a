"""`imagesig sign --timestamp-url URL --timestamp-root FILE`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagesig.cli.main import cli
from imagesig.cli.timestamp import timestamped
from imagesig.errors import InvalidArgument
from imagesig.formats import select_formats
from tests.authorities import Authority
from tests.peers.openssl import pem

ROOT = Authority("timestamp root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_bytes(pem(ROOT.certificate))
    return tmp_path / "root.pem"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sign", "--key", "x.key", "oci:nowhere", *arguments])


def test_formats_that_can_be_timestamped_are(root: Path) -> None:
    classic, notation = timestamped(select_formats(["cosign", "notation"]), "http://tsa.example", root)

    assert classic == select_formats(["cosign"])[0]
    assert notation.timestamp_url == "http://tsa.example"  # type: ignore[attr-defined]
    assert notation.timestamp_authorities == (ROOT.certificate,)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "notation", "--timestamp-url", "http://tsa.example"], "go together"),
        (["--format", "notation", "--timestamp-root", "{root}"], "go together"),
        (["--timestamp-url", "http://tsa.example", "--timestamp-root", "{root}"], "have no timestamp"),
        (
            ["--format", "notation", "--timestamp-url", "http://a.b", "--timestamp-root", "missing"],
            "there is no such file",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], said: str, root: Path) -> None:
    result = run(*(item.format(root=root) for item in arguments))

    assert isinstance(result.exception, InvalidArgument)
    assert said in str(result.exception)
