"""`make peers` runs a recipe once, and reports each failure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers import MissingPeer, binary, install
from tests.peers.recipes import PEERS, Peer
from tests.peers.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Script:
    """A recipe that writes a shell script, and counts the runs; a failing `body` acts as a failing build."""

    body: str
    count: Path

    def install(self, workshop: Workshop) -> str:
        with self.count.open("a") as count:
            count.write("x")
        with workshop.whole_root() as root:
            (root / "program").write_text(f"#!/bin/sh\n{self.body}\n")
            (root / "program").chmod(0o755)
            workshop.run(root / "program")
        workshop.publish(workshop.root / "program")
        return "1.0"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache instead of the real one."""
    monkeypatch.setattr("tests.peers.CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def _peer(tmp_path: Path, body: str = "echo fine", *, optional: bool = False) -> Peer:
    return Peer("registry", Script(body, tmp_path / "count"), optional)


def test_a_peer_is_installed_once(cache: Path, tmp_path: Path) -> None:
    assert install.install_all([_peer(tmp_path)]) == 0
    assert install.install_all([_peer(tmp_path)]) == 0

    assert binary("registry") == cache / "bin" / "registry"
    assert (tmp_path / "count").read_text() == "x"


def test_a_changed_recipe_is_installed_again(cache: Path, tmp_path: Path) -> None:
    install.install_all([_peer(tmp_path)])

    assert install.install_all([_peer(tmp_path, "echo other")]) == 0

    assert "echo other" in binary("registry").read_text()


def test_a_peer_whose_program_is_gone_is_installed_again(cache: Path, tmp_path: Path) -> None:
    install.install_all([_peer(tmp_path)])
    binary("registry").resolve().unlink()

    assert install.install_all([_peer(tmp_path)]) == 0

    assert binary("registry").exists()


def test_a_peer_that_fails_is_named_with_the_end_of_its_log(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install.install_all([_peer(tmp_path, "echo no compiler >&2; exit 3")]) == 1

    said = capsys.readouterr().err
    assert "exit status 3" in said
    assert "no compiler" in said
    assert "FAILED: peers not installed: registry" in said


def test_a_failed_peer_leaves_nothing_that_looks_installed(cache: Path, tmp_path: Path) -> None:
    install.install_all([_peer(tmp_path, "exit 1")])

    with pytest.raises(MissingPeer, match="make peers"):
        binary("registry")


def test_an_optional_peer_is_installed_only_if_it_is_named_and_then_its_failure_fails_the_run(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "PEERS", (_peer(tmp_path, "exit 1", optional=True),))

    assert install.main([]) == 0
    assert not (tmp_path / "count").exists()
    assert install.main(["registry"]) == 1
    assert "FAILED: peers not installed: registry" in capsys.readouterr().err


def test_an_unknown_name_is_refused(cache: Path) -> None:
    assert install.main(["cosign4"]) == 2


def test_every_peer_has_a_recipe() -> None:
    from tests.peers import BINARIES

    assert {peer.name for peer in PEERS} == BINARIES
