from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagesig.content_trust.memory import (
    DockerTrust,
    FolderMemory,
    InMemoryTrust,
    NoTrustMemory,
    TrustMemory,
    state_folder,
)
from imagesig.content_trust.update_request import UpdateRequest
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.images.registry.credentials import docker_folder
from tests.content_trust.repository import GUN, NOW, TrustRepository, fetched

URL = "https://notary.example"


def files(**versions: int) -> dict[str, bytes]:
    view = fetched(TrustRepository(versions=versions).files(), UpdateRequest(GUN, (), NOW))
    assert view is not None
    return view.files


@pytest.fixture(params=["folder", "memory"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> TrustMemory:
    return FolderMemory(tmp_path / "a" / "b") if request.param == "folder" else InMemoryTrust()


def test_what_is_stored_is_remembered_by_server_and_repository(memory: TrustMemory) -> None:
    stored = files()
    memory.store(URL, GUN, stored)

    assert memory.load(URL, GUN) == stored
    assert memory.load(URL, f"{GUN}2") == {}
    assert memory.load("https://other.example", GUN) == {}


def test_older_files_do_not_replace_newer_ones(memory: TrustMemory) -> None:
    newer, older = files(timestamp=2), files(timestamp=1)
    memory.store(URL, GUN, newer)
    memory.store(URL, GUN, older)
    assert memory.load(URL, GUN) == newer

    rotated = files(timestamp=1, root=2)
    memory.store(URL, GUN, rotated)
    assert memory.load(URL, GUN) == rotated


def test_roles_that_were_not_read_this_time_are_kept(memory: TrustMemory) -> None:
    memory.store(URL, GUN, files() | {"targets/alice": b"{}"})
    memory.store(URL, GUN, files(timestamp=2))

    assert memory.load(URL, GUN)["targets/alice"] == b"{}"


def test_nothing_is_remembered_by_those_who_forget() -> None:
    memory = NoTrustMemory()
    memory.store(URL, GUN, files())

    assert memory.load(URL, GUN) == {}


def test_files_are_complete_private_and_named_after_no_path(tmp_path: Path) -> None:
    memory = FolderMemory(tmp_path / "state")
    memory.store(URL, "registry.example/../../etc", files())
    names = {path.suffix for path in (tmp_path / "state").iterdir()}

    assert names == {".json"}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "state").glob("*.json"))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"files": 1}', '{"server": "x", "repository": "y", "files": {}}', "other", "base64"]
)
def test_what_cannot_be_read_is_an_error_and_not_nothing(tmp_path: Path, content: str) -> None:
    memory = FolderMemory(tmp_path)
    memory.store(URL, GUN, files())
    (path,) = tmp_path.glob("*.json")
    document = json.loads(path.read_text())
    texts = {"other": document | {"repository": "other"}, "base64": document | {"files": {"root": "*"}}}
    path.write_text(json.dumps(texts[content]) if content in texts else content)

    with pytest.raises(InvalidArgument, match="content trust memory"):
        memory.load(URL, GUN)


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImagesigError, match="content trust memory"):
        FolderMemory(tmp_path / "file").store(URL, GUN, files())
    memory = FolderMemory(tmp_path / "state")
    memory.store(URL, GUN, files())
    (path,) = (tmp_path / "state").glob("*.json")
    path.unlink()
    path.mkdir()
    with pytest.raises(ImagesigError, match="content trust memory"):
        memory.load(URL, GUN)


def test_the_folder_of_docker_is_read_and_not_written(tmp_path: Path) -> None:
    memory, stored = DockerTrust(tmp_path), files()
    memory.store(URL, GUN, stored)
    assert memory.load(URL, GUN) == {}
    metadata = tmp_path / "tuf" / GUN / "metadata"
    metadata.mkdir(parents=True)
    for role, content in stored.items():
        (metadata / f"{role}.json").write_bytes(content)

    assert memory.load(URL, GUN) == stored


def test_folders_are_those_of_the_environment() -> None:
    assert state_folder({"XDG_STATE_HOME": "/state"}) == Path("/state/imagesig/content-trust")
    assert state_folder({"XDG_STATE_HOME": "state", "HOME": "/h"}) == Path("/h/.local/state/imagesig/content-trust")
    assert docker_folder({"HOME": "/h"}) == Path("/h/.docker")
    assert docker_folder({"DOCKER_CONFIG": "/d", "HOME": "/h"}) == Path("/d")
