"""Which entry of a credential file answers: every spelling of docker and podman, seen by the command and by skopeo."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesig.errors import Unauthorized
from imagesig.images.registry.credential import ANONYMOUS
from imagesig.images.registry.credentials import CredentialFiles
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here
from tests.peers import binary

LOGIN = ("user", "pa55:word")
AUTH = base64.b64encode(b"user:pa55:word").decode()
WITH_SCHEME = [
    "http://{}",
    "http://{}/",
    "https://{}",
    "https://{}/",
    "https://{}/v1",
    "https://{}/v1/",
    "https://{}/v2",
]
WITH_SCHEME += ["https://{}/v2/", "https://{}/any/path", "http://{}/v1/users/", "https://{}/v2/?a=b", "https://{}//"]
BARE = ["{}", "{}/", "{}/v1", "{}/v1/", "{}/v2", "{}/v2/", "https://me@{}/v2/", "oci://{}"]
NAMESPACES = ["{}/team", "{}/team/", "{}/team/app"]
OTHERS = [
    "https://{}0/v2/",
    "https://x{}",
    "https://x/{}",
    "{}/team/ap",
    "{}/app",
    "{}/v1/team",
    "x.{}",
    "https:/{}",
    "",
]


@pytest.fixture(scope="module")
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(basic=LOGIN) as running:
        running.add_image("team/app:1.0")
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of docker's and podman's files, in the environment, with no other file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    return tmp_path


def write(folder: Path, document: object) -> Path:
    file = folder / ".docker/config.json"
    file.write_text(json.dumps(document))
    return file


def inspected(server: InMemoryRegistry) -> int:
    return run_here("inspect", f"{server.host}/team/app:1.0").exit_code


@pytest.mark.parametrize("key", [*WITH_SCHEME, *BARE, *NAMESPACES])
def test_the_command_finds_an_entry_under_each_spelling(server: InMemoryRegistry, folder: Path, key: str) -> None:
    write(folder, {"auths": {"other.example": {"auth": "eA=="}, key.format(server.host): {"auth": AUTH}}})
    assert inspected(server) == 0


@pytest.mark.parametrize("key", OTHERS)
def test_an_entry_for_another_host_or_path_is_not_sent(server: InMemoryRegistry, folder: Path, key: str) -> None:
    write(folder, {"auths": {key.format(server.host): {"auth": AUTH}}})
    before = len(server.requests)
    assert inspected(server) == 1
    assert not any("authorization" in request.headers for request in server.requests[before:])


@pytest.mark.interop
@pytest.mark.parametrize("key", [*WITH_SCHEME[:9], "{}", "{}/team", "{}/team/app", *OTHERS[:5]])
def test_skopeo_finds_the_same_entries(server: InMemoryRegistry, folder: Path, key: str) -> None:
    file = write(folder, {"auths": {key.format(server.host): {"auth": AUTH}}})
    command = [str(binary("skopeo")), "inspect", "--raw", "--tls-verify=false", "--authfile", str(file)]
    done = subprocess.run([*command, f"docker://{server.host}/team/app:1.0"], capture_output=True, check=False)
    assert (done.returncode == 0) is (inspected(server) == 0)


HUB = ["https://index.docker.io/v1/", "https://index.docker.io/v1", "https://index.docker.io/v2/", "index.docker.io"]
HUB += [
    "https://docker.io",
    "https://docker.io/v1/",
    "docker.io",
    "https://registry-1.docker.io",
    "registry-1.docker.io/v2/",
]
HUB += [
    "https://registry-1.docker.io/v2/",
    "http://index.docker.io",
    "INDEX.docker.io",
    "docker.io/acme",
    "index.docker.io/acme",
]


def found(folder: Path, document: object, host: str, repository: str = "acme/app") -> str:
    return CredentialFiles([write(folder, document)], path=str(folder)).for_repository(host, repository).username


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize("key", HUB)
def test_docker_hub_is_found_under_each_of_its_names(folder: Path, key: str, host: str) -> None:
    assert found(folder, {"auths": {key: {"auth": AUTH}}}, host) == "user"
    assert not found(folder, {"auths": {key: {"auth": AUTH}}}, "hub.example")


@pytest.mark.parametrize(
    "key", ["https://docker.io.example/", "https://example/docker.io", "docker.io:443", "mydocker.io"]
)
def test_another_host_is_not_docker_hub(folder: Path, key: str) -> None:
    assert not found(folder, {"auths": {key: {"auth": AUTH}}}, "registry-1.docker.io")


def test_of_several_entries_the_longest_path_and_the_usual_key_come_first(folder: Path) -> None:
    def named(*names: str) -> dict[str, Any]:
        entries = {name: {"username": name.replace(":", ""), "password": "x"} for name in names}
        return {"auths": entries}

    host = "r.example"
    assert found(folder, named(f"https://{host}/v1/", host, f"{host}/acme"), host) == f"{host}/acme"
    assert found(folder, named(f"https://{host}/v1/", f"https://{host}", host), host) == host
    assert found(folder, named(f"https://{host}/v2/", f"https://{host}"), host) == f"https//{host}/v2/"
    assert found(folder, named("docker.io", "https://index.docker.io/v1/"), "docker.io").startswith("https")


def test_an_empty_entry_leaves_it_to_the_next_one(folder: Path) -> None:
    document = {"auths": {"r.example/acme": {}, "r.example": {"auth": ""}, "https://r.example": {"auth": AUTH}}}
    assert found(folder, document, "r.example") == "user"


@pytest.mark.parametrize(
    "text", ["dXNlcjp\nwYTU1OndvcmQ=", "dXNlcjpwYTU1OndvcmQ=\r\n", "\ndXNl\r\ncjpwYTU1OndvcmQ\n=\n"]
)
def test_line_breaks_in_base64_are_skipped(server: InMemoryRegistry, folder: Path, text: str) -> None:
    write(folder, {"auths": {server.host: {"auth": text}}})
    assert inspected(server) == 0


def test_only_line_breaks_are_no_credential(folder: Path) -> None:
    assert not found(folder, {"auths": {"r.example": {"auth": "\r\n"}}}, "r.example")


@pytest.mark.parametrize("key", ["r.example", "https://r.example/v2/", "http://R.example", "r.example/v1/"])
def test_a_helper_is_found_under_each_spelling_and_gets_the_host(folder: Path, key: str) -> None:
    helper(folder, "one", 'echo "{\\"Username\\":\\"for $server\\",\\"Secret\\":\\"x\\"}"')
    assert found(folder, {"credHelpers": {key: "one"}, "credsStore": "none"}, "r.example") == "for r.example"


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize("key", ["docker.io", "https://index.docker.io/v1/", "index.docker.io", "https://docker.io"])
def test_a_helper_for_docker_hub_gets_dockers_name(folder: Path, key: str, host: str) -> None:
    helper(folder, "hub", 'echo "{\\"Username\\":\\"for $server\\",\\"Secret\\":\\"x\\"}"')
    assert found(folder, {"credHelpers": {key: "hub"}}, host) == "for https://index.docker.io/v1/"


def test_an_empty_helper_for_a_host_turns_the_store_off(folder: Path) -> None:
    document = {"credHelpers": {"r.example": ""}, "credsStore": "missing", "auths": {"r.example": {"auth": AUTH}}}
    assert found(folder, document, "r.example") == "user"


NOTHING = [
    "null",
    " null ",
    "",
    "{}",
    '{"Username":null,"Secret":null}',
    '{"Username":"","Secret":""}',
    '{"ServerURL":"x"}',
]


@pytest.mark.parametrize("answer", NOTHING)
def test_a_helper_that_answers_nothing_means_no_login(folder: Path, answer: str) -> None:
    (folder / "answer").write_text(answer)
    helper(folder, "nothing", f"cat {folder}/answer")
    source = CredentialFiles([write(folder, {"credsStore": "nothing"})], path=str(folder))
    assert source("r.example") is ANONYMOUS


@pytest.mark.parametrize(
    "answer", ['"x"', "[]", "7", '{"Username":7,"Secret":"x"}', '{"Username":"u","Secret":["x"]}', "{"]
)
def test_another_answer_of_a_helper_is_an_error_that_names_it(folder: Path, answer: str) -> None:
    (folder / "answer").write_text(answer)
    helper(folder, "odd", f"cat {folder}/answer")
    with pytest.raises(Unauthorized, match="docker-credential-odd"):
        found(folder, {"credsStore": "odd"}, "r.example")


def test_a_helpers_members_have_no_case(folder: Path) -> None:
    helper(folder, "low", 'echo "{\\"username\\":\\"u\\",\\"secret\\":\\"p\\"}"')
    assert found(folder, {"credsStore": "low"}, "r.example") == "u"


def test_the_steps_say_which_file_and_key_answered(folder: Path) -> None:
    helper(folder, "empty", "echo null")
    (folder / "first.json").write_text(json.dumps({"credsStore": "empty"}))
    (folder / "second.json").write_text(
        json.dumps({"auths": {"x": {}, "r.example/acme": {}, "https://r.example/v2/": {"auth": AUTH}}})
    )
    names = ("missing.json", "first.json", "second.json", "third.json")
    source = CredentialFiles([folder / name for name in names], path=str(folder))
    steps = [(step.file.name, step.key, step.answered) for step in source.steps("r.example", "acme/app")]
    assert steps == [
        ("missing.json", "", False),
        ("first.json", "credsStore", False),
        ("second.json", "r.example/acme", False),
        ("second.json", "https://r.example/v2/", True),
    ]
    assert "docker-credential-empty has no credential" in source.steps("r.example", "acme/app")[1].result
    assert [step.result for step in source.steps("s.example", "app")][2] == "it has no entry for s.example"
    assert "pa55" not in repr(source.steps("r.example", "acme/app"))


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")
    program.chmod(0o755)
