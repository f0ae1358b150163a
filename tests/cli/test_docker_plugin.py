"""The plugin of docker's command, with a docker that writes down how it was called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from imagesig.cli import docker_build
from imagesig.cli.commands.sign import command as sign
from imagesig.cli.docker_plugin import default_builder, is_buildx, split
from imagesig.crypto.algorithms import KeyType
from imagesig.docker import build_arguments
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from imagesig.testing import InMemoryRegistry
from tests.plugins.programs import executable

ROOT = str(Path(__file__).parents[2])
CALLED = "OTEL_RESOURCE_ATTRIBUTES"


def plugin(tmp_path: Path, *arguments: str, **environ: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """One run of the plugin, and the arguments with which it called docker, with `BUILDX_BUILDER` before them."""
    log = tmp_path / "called.json"
    script = (
        "import json, os, sys\n"
        "said = [os.environ.get('BUILDX_BUILDER', ''), *sys.argv[1:]]\n"
        f"open({str(log)!r}, 'w').write(json.dumps(said))\n"
        "sys.exit(int(os.environ.get('DOCKER_STATUS', '7')))\n"
    )
    docker = executable(tmp_path / "bin" / "docker", script)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "imagesig.cli.docker_plugin", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": ROOT,
            "HOME": str(tmp_path),
            "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND": str(docker),
            **environ,
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, json.loads(log.read_text()) if log.exists() else []


def test_it_says_what_it_is(tmp_path: Path) -> None:
    done, called = plugin(tmp_path, "docker-cli-plugin-metadata")

    assert json.loads(done.stdout).keys() == {"SchemaVersion", "Vendor", "Version", "ShortDescription"}
    assert (done.returncode, called) == (0, [])


def test_a_build_without_a_signature_is_buildx_s_alone_with_its_exit_status(tmp_path: Path) -> None:
    done, called = plugin(tmp_path, "--debug", "imagesig", "build", "-t", "a b", "--new-option", "x", ".")

    assert called == ["", "--debug", "buildx", "build", "-t", "a b", "--new-option", "x", "."]
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_a_build_that_fails_is_not_signed_and_gives_its_exit_status(tmp_path: Path) -> None:
    plugin_key = subprocess.run(
        [sys.executable, "-m", "imagesig", "key", "generate", str(tmp_path / "k.key")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT},
        capture_output=True,
        check=True,
    )
    assert plugin_key.returncode == 0

    done, called = plugin(tmp_path, "imagesig", "build", "--sign-key", "k.key", "-t", "a", "--push", ".")

    assert done.returncode == 7
    assert called[1:4] == ["buildx", "build", "--metadata-file"]
    assert called[5:] == ["-t", "a", "--push", "."]
    assert "signed" not in done.stderr


def test_what_an_earlier_build_pushed_is_not_signed_if_this_one_wrote_no_metadata(tmp_path: Path) -> None:
    FileProvider(tmp_path).generate("k.key", KeyType.ECDSA_P256)
    with InMemoryRegistry() as server:
        name = server.add_image("app:1")
        digest = registry(name).home.resolve("1").digest
        (tmp_path / "m").write_text(json.dumps({"containerimage.digest": digest, "image.name": name}))
        server.requests.clear()

        build = ("build", "--sign-key", "k.key", "--push", "--metadata-file", "m", ".")
        done, called = plugin(tmp_path, "imagesig", *build, DOCKER_STATUS="0")

        assert called[1:3] == ["buildx", "build"]
        assert (done.returncode, server.requests) == (2, []), done.stderr
        assert "'m'" in done.stderr


REFUSED = [
    (("build", "--sign-key", "k.key", "."), 2, "the image stays in the engine"),
    (("build", "--sign-annotation", "a=b", "--push", "."), 2, "'--sign-key'"),
    (("build", "--sign-key", "missing.key", "--push", "."), 1, "missing.key"),
    (("build", "--sign-nothing", "x", "--sign-key", "k", "--push", "."), 2, "--sign-nothing"),
    (("build", "--sign-annotation", "a", "--sign-key", "k", "--push", "."), 2, "NAME=VALUE is needed"),
    (("bake", "--sign-key", "k.key"), 2, "the image stays in the engine"),
    (("build", "--sign-key", "k.key", "--push", "--check", "."), 2, "--check builds no image"),
    (("build", "--sign-key", "k.key", "--push", "--call", "outline", "."), 2, "--call builds no image"),
]


@pytest.mark.parametrize(("arguments", "status", "said"), REFUSED, ids=[" ".join(item[0]) for item in REFUSED])
def test_what_cannot_be_signed_is_refused_before_the_build(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done, called = plugin(tmp_path, "imagesig", *arguments)

    assert (done.returncode, called) == (status, [])
    assert said in done.stderr


def test_a_private_key_in_place_of_its_file_is_not_shown_and_reaches_no_other_program(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    from tests.makers import private_key

    pem = private_key().to_pem(None).decode()
    assert serialization

    done, called = plugin(tmp_path, "imagesig", "build", "--sign-key", pem, "--push", ".")

    assert done.returncode != 0
    assert called == []
    assert not any(line in done.stdout + done.stderr for line in pem.splitlines()[1:-1])


def test_the_options_of_a_signature_are_those_of_sign() -> None:
    def names(command: click.Command, *, flags: bool = False) -> set[str]:
        options = [item for item in command.params if isinstance(item, click.Option)]
        return {item.opts[0].removeprefix("--") for item in options if item.is_flag or not flags}

    signing = docker_build._signing
    about_images = {"identity", "images-from", "buildx-metadata", "replace", "dry-run", "output"}

    assert names(signing) == names(sign) - about_images
    assert {f"sign-{name}" for name in names(signing, flags=True)} == build_arguments._FLAGS


def test_other_commands_are_imagesig_s(tmp_path: Path) -> None:
    done, called = plugin(tmp_path, "--config", str(tmp_path), "imagesig", "verify", "--help")

    assert (done.returncode, called) == (0, [])
    assert done.stdout.startswith("Usage: imagesig verify")


def test_without_docker_the_program_says_how_it_is_run(tmp_path: Path) -> None:
    done, _ = plugin(tmp_path, "verify")

    assert done.returncode == 1
    assert "docker imagesig" in done.stderr


def test_the_help_of_a_build_has_the_options_of_both(tmp_path: Path) -> None:
    done, called = plugin(tmp_path, "imagesig", "build", "--help")

    assert called == ["", "buildx", "build", "--help"]
    assert done.returncode == 7
    assert "--sign-key KEY_URI" in done.stdout


SPLIT = [
    ("imagesig build .", "", "imagesig", "build ."),
    ("-D --context imagesig imagesig inspect x", "-D --context imagesig", "imagesig", "inspect x"),
    ("-H unix:///s -l debug --tls trust inspect x", "-H unix:///s -l debug --tls", "trust", "inspect x"),
    ("--host=x --config=y imagesig", "--host=x --config=y", "imagesig", ""),
    ("-Dc far imagesig inspect x", "-Dc far", "imagesig", "inspect x"),
    ("-DH tcp://h:1 trust inspect x", "-DH tcp://h:1", "trust", "inspect x"),
    ("-cfar -Hunix:///s -lfatal imagesig", "-cfar -Hunix:///s -lfatal", "imagesig", ""),
    ("-D=false -c=far imagesig build", "-D=false -c=far", "imagesig", "build"),
    ("--debug=false -vl info imagesig", "--debug=false -vl info", "imagesig", ""),
    ("other imagesig", "", "", "imagesig"),
    ("", "", "", ""),
    ("--context", "--context", "", ""),
    ("help imagesig sign", "", "imagesig", "sign --help"),
    ("--config /d help trust", "--config /d", "trust", "--help"),
    ("help other", "", "", "--help"),
]


@pytest.mark.parametrize(("given", "options", "name", "rest"), SPLIT, ids=[item[0] for item in SPLIT])
def test_docker_s_own_options_come_first(given: str, options: str, name: str, rest: str) -> None:
    found = split(given.split())

    assert (found[0], found[1], found[2]) == (options.split(), name, rest.split())


IS_BUILDX = [
    ("docker", "build", True),
    ("docker builder", "inspect", True),
    ("docker builder", "prune", True),
    ("docker builder", "", True),
    ("docker imagesig", "inspect", False),
    ("docker imagesig", "bake", True),
    ("docker imagesig", "prune", True),
    ("docker imagesig", "install", False),
    ("", "inspect", False),
    ("docker imagesig", "", False),
]


@pytest.mark.parametrize(("called", "command", "expected"), IS_BUILDX)
def test_what_goes_to_buildx(called: str, command: str, expected: bool) -> None:
    environ = {CALLED: f"a=b,docker.cli.cobra.command_path={called.replace(' ', '%20')}"} if called else {}

    assert is_buildx([command] if command else [], environ) is expected


BUILDERS = [
    ("docker", "build .", "", {}, "default"),
    ("docker image", "build .", "", {"DOCKER_CONTEXT": "remote"}, "remote"),
    ("docker", "build .", "--context other", {"DOCKER_CONTEXT": "remote"}, "other"),
    ("docker", "build .", "--host unix:///s", {"DOCKER_CONTEXT": "remote"}, "default"),
    ("docker", "build .", "-Dc other", {"DOCKER_CONTEXT": "remote"}, "other"),
    ("docker", "build .", "-cother", {"DOCKER_CONTEXT": "remote"}, "other"),
    ("docker", "build .", "-Dc=other", {"DOCKER_CONTEXT": "remote"}, "other"),
    ("docker", "build .", "-D -Hunix:///s", {"DOCKER_CONTEXT": "remote"}, "default"),
    ("docker", "build .", "-D=false", {"DOCKER_CONTEXT": "remote"}, "remote"),
    ("docker", "build .", "", {"DOCKER_HOST": "x", "DOCKER_CONTEXT": "remote"}, "default"),
    ("docker", "build --builder mine .", "", {}, None),
    ("docker", "build --builder=mine .", "", {}, None),
    ("docker", "build .", "", {"BUILDX_BUILDER": "mine"}, None),
    ("docker imagesig", "build .", "", {}, None),
    ("docker builder", "build .", "", {}, None),
    ("docker", "bake", "", {}, None),
]


@pytest.mark.parametrize(("called", "rest", "options", "environ", "expected"), BUILDERS)
def test_a_plain_build_uses_the_builder_that_docker_uses_without_the_alias(
    tmp_path: Path, called: str, rest: str, options: str, environ: dict[str, str], expected: str | None
) -> None:
    environ = {CALLED: f"docker.cli.cobra.command_path={called.replace(' ', '%20')}", **environ}
    environ["HOME"] = str(tmp_path)

    found = default_builder(rest.split(), options.split(), environ)

    assert found == ({} if expected is None else {"BUILDX_BUILDER": expected})


def test_the_context_of_the_configuration_is_the_builder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    environ = {CALLED: "docker.cli.cobra.command_path=docker", "DOCKER_CONFIG": str(tmp_path)}

    assert default_builder(["build", "."], [], environ) == {"BUILDX_BUILDER": "far"}


def test_the_plugin_starts_without_the_packages_of_the_command() -> None:
    """docker asks each plugin what it is, for each help."""
    script = "import sys, imagesig.cli.docker_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

    assert not {"click", "msgspec", "cryptography"} & set(done.stdout.split())


def test_docker_trust_key_generate_makes_a_key(tmp_path: Path) -> None:
    passphrase = {"DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "correct horse"}
    done, called = plugin(tmp_path, "--config", str(tmp_path / "c"), "trust", "key", "generate", "my-key", **passphrase)
    assert (done.returncode, called) == (0, []), done.stderr
    assert (tmp_path / "my-key.pub").exists()
    assert len(list((tmp_path / "c" / "trust" / "private").iterdir())) == 1
