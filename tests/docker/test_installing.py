"""`imagesig docker install` and `uninstall`: through the command, in folders as users have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_here

FOREIGN = "#!/bin/sh\necho foreign\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docker's configuration folder, which does not exist yet."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker"


def tree(folder: Path) -> dict[str, Any]:
    """What is in a folder: documents as values, links as where they lead, programs with their mode."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            text = path.read_text()
            found[name] = (json.loads(text) if path.suffix == ".json" else text, oct(path.stat().st_mode & 0o777))
    return found


def write(folder: Path, config: object, mode: int = 0o600) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "config.json").chmod(mode)


BEFORE: dict[str, Any] = {
    "nothing": None,
    "an empty object": {},
    "logins": {"auths": {"registry.example": {"auth": "c2VjcmV0"}}, "credsStore": "é", "detachKeys": "ctrl-p"},
    "buildx's own alias": {"aliases": {"builder": "buildx"}},
    "other aliases and plugins": {"aliases": {"x": "y"}, "plugins": {"debug": {"hooks": "exec"}}},
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
@pytest.mark.parametrize("times", [1, 2])
def test_uninstall_restores_what_was_there(folder: Path, before: object, times: int) -> None:
    if before is not None:
        write(folder, before, 0o640)
    then = tree(folder)

    for _ in range(times):
        assert run_here("docker", "install", "--builder").exit_code == 0
        installed = json.loads((folder / "config.json").read_text())
        assert installed["aliases"]["builder"] == "imagesig"
        assert os.access(folder / "cli-plugins/docker-imagesig", os.X_OK)
        assert isinstance(before, dict | None)
        for name in set(before or {}) - {"aliases", "plugins"}:
            assert installed[name] == (before or {})[name]
    assert run_here("docker", "uninstall").exit_code == 0

    assert tree(folder) == then


def test_without_the_alias_the_configuration_is_not_touched(folder: Path) -> None:
    assert run_here("docker", "install").exit_code == 0

    assert list(tree(folder)) == ["cli-plugins/docker-imagesig"]
    assert run_here("docker", "uninstall").exit_code == 0
    assert tree(folder) == {}


def test_an_alias_that_was_set_since_stays(folder: Path) -> None:
    """`docker buildx install` after ours."""
    run_here("docker", "install", "--builder")
    config = json.loads((folder / "config.json").read_text())
    write(folder, config | {"aliases": {"builder": "buildx"}, "auths": {}})

    run_here("docker", "uninstall")

    assert json.loads((folder / "config.json").read_text()) == {"aliases": {"builder": "buildx"}, "auths": {}}


@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
def test_a_foreign_plugin_is_put_aside_and_comes_back(folder: Path, tmp_path: Path, kind: str) -> None:
    path = folder / "cli-plugins/docker-imagesig"
    path.parent.mkdir(parents=True)
    (tmp_path / "foreign").write_text(FOREIGN)
    if kind == "file":
        path.write_text(FOREIGN)
    else:
        path.symlink_to(tmp_path / ("foreign" if kind == "link" else "missing"))
    then = tree(folder)

    for _ in range(2):
        assert run_here("docker", "install").exit_code == 0
    assert not path.is_symlink()
    assert "imagesig.cli.docker_plugin" in path.read_text()
    assert run_here("docker", "uninstall").exit_code == 0

    assert tree(folder) == then
    assert (tmp_path / "foreign").read_text() == FOREIGN


def test_uninstall_leaves_what_it_did_not_write(folder: Path) -> None:
    write(folder, {"aliases": {"builder": "buildx"}})
    (folder / "cli-plugins").mkdir()
    (folder / "cli-plugins/docker-imagesig").write_text(FOREIGN)
    then = tree(folder)

    done = run_here("docker", "uninstall")

    assert (done.exit_code, done.stdout) == (0, "nothing is installed\n")
    assert tree(folder) == then


@pytest.mark.parametrize(
    "config", ["{", "[]", '{"aliases": []}', '{"plugins": "x"}', '{"plugins": {"imagesig": 3}}', '{"a": 1, "a": 2}']
)
def test_a_configuration_that_cannot_be_read_stays_and_nothing_is_written(folder: Path, config: str) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(config)

    assert run_here("docker", "install", "--builder").exit_code in (1, 2)

    assert (folder / "config.json").read_text() == config
    assert [path.name for path in folder.rglob("*")] == ["config.json"]


def test_a_configuration_behind_a_link_is_changed_where_it_is(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "shared.json").write_text('{"auths": {}}')
    (folder / "config.json").symlink_to(tmp_path / "shared.json")

    run_here("docker", "install", "--builder")

    assert (folder / "config.json").is_symlink()
    assert json.loads((tmp_path / "shared.json").read_text())["aliases"] == {"builder": "imagesig"}


def test_a_new_configuration_is_the_user_s_alone(folder: Path) -> None:
    run_here("docker", "install", "--builder")

    assert (folder / "config.json").stat().st_mode & 0o777 == 0o600


def test_the_plugin_does_not_run_code_of_the_folder_that_is_built(folder: Path, tmp_path: Path) -> None:
    run_here("docker", "install")
    (tmp_path / "build/imagesig").mkdir(parents=True)
    (tmp_path / "build/imagesig/__init__.py").write_text("print('taken over')")

    done = subprocess.run(
        [folder / "cli-plugins/docker-imagesig", "docker-cli-plugin-metadata"],
        cwd=tmp_path / "build",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["SchemaVersion"] == "0.1.0"


HELP = {
    "28.5": "Management Commands:\n  builder     Manage builds\n  trust       Manage trust on Docker images\n",
    "29, plugin broken": "Management Commands:\n  builder     Manage builds\n\nInvalid Plugins:\n  trust  failed\n",
    "29": "Management Commands:\n  builder     Manage builds\n  buildx*     Docker Buildx\n  trust*      A plugin\n",
}


@pytest.mark.parametrize(("version", "status"), [("28.5", 2), ("29", 0), ("29, plugin broken", 0)])
def test_docker_trust_is_written_only_where_docker_has_none_of_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, status: int
) -> None:
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f"#!{sys.executable}\nprint({HELP[version]!r})\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", raising=False)

    assert run_here("docker", "install", "--trust").exit_code == status
    assert (folder / "cli-plugins/docker-trust").exists() is (status == 0)
    run_here("docker", "uninstall")
    assert tree(folder) == {}
