"""Help: every option is under a heading, short texts are never cut, each command shows an example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from imagesig.cli.help import GroupedCommand
from imagesig.cli.main import cli
from imagesig.errors import InvalidArgument
from tests.commands import run_here


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


COMMANDS = dict(commands(cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_short_text_is_cut_at_80_columns(name: str) -> None:
    group, _, _ = name.rpartition(" ")
    lines = CliRunner().invoke(cli, [*group.split(), "--help"]).stdout.splitlines()
    last = name.rpartition(" ")[2]

    (line,) = (line for line in lines if line.split()[:1] == [last] and line.startswith("  "))
    assert not line.endswith("...")
    assert len(line) <= 80


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if isinstance(command, GroupedCommand)])
def test_every_option_is_under_a_heading_and_every_heading_has_options(name: str) -> None:
    command = COMMANDS[name]
    assert isinstance(command, GroupedCommand)
    options = {parameter.opts[-1] for parameter in command.params if isinstance(parameter, click.Option)}

    shown = CliRunner().invoke(cli, [*name.split(), "--help"]).stdout
    assert options <= command.grouped
    assert "Output:" in shown
    assert f"Example:\n  imagesig {name} " in shown


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if isinstance(command, GroupedCommand)])
def test_an_option_is_shown_once(name: str) -> None:
    lines = CliRunner().invoke(cli, [*name.split(), "--help"]).stdout.partition("Example:")[0].splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("  -")]

    assert len(shown) == len(set(shown))


def test_commands_with_more_than_eight_options_group_them() -> None:
    for name, command in COMMANDS.items():
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        assert len(options) <= 8 or isinstance(command, GroupedCommand), name


@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("sign", "--images-from or --buildx-metadata"),
        ("attest", "--images-from or --buildx-metadata"),
        ("verify", "--images-from or --workload"),
        ("verify-attestation", "--images-from or --workload"),
    ],
)
def test_without_an_image_the_error_names_the_lists_that_the_command_takes(name: str, lists: str) -> None:
    arguments = ["--type", "custom", "--predicate", "p.json"] if name == "attest" else []
    done = CliRunner().invoke(cli, [name, "--key", "release.key", *arguments])
    assert done.exit_code == 2
    assert f"IMAGE... or {lists}\n" in done.stderr


@pytest.mark.parametrize("name", ["verify", "verify-attestation"])
def test_the_help_of_a_command_that_uses_the_default_policy_says_so(name: str) -> None:
    assert "the default policy applies" in " ".join(CliRunner().invoke(cli, [name, "--help"]).stdout.split())


def test_no_hint_of_verify_blob_names_an_option_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    arguments = ["verify-blob", "--signature", str(tmp_path / "file"), str(tmp_path / "file")]
    error = run_here(*arguments).exception
    assert isinstance(error, InvalidArgument)
    named = {word.rstrip(",") for word in error.hint.split() if word.startswith("--")}
    assert named == {"--key", "--ca", "--policy"}
