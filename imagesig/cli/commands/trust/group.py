"""`imagesig trust`: Docker Content Trust."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module

import click

from imagesig.api.trust.inspecting import InspectedTrust, inspect_trust, natural
from imagesig.cli.output.failure import fail, worst
from imagesig.cli.output.render import word
from imagesig.cli.output.terminal import document, note
from imagesig.cli.trust import TrustServerOptions, inspected_server_options
from imagesig.content_trust.lookup import ADMINISTRATOR
from imagesig.errors import ImagesigError
from imagesig.text import printable

_LEAST, _BETWEEN = 10, 3
"""The least width of a column and the blanks after it, as in docker's tables."""
_SHORT_ID = 12


_COMMANDS = {
    "sign": "sign:sign",
    "revoke": "sign:revoke",
    "signer": "signer:signer",
    "init": "repository:init",
    "rotate": "repository:rotate",
    "migrate": "migrate:migrate",
    "key": "key:command",
}
"""Commands in modules of their own, which load when they are called."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = _COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"imagesig.cli.commands.trust.{module}"), name)
        return found


@click.group("trust", cls=_Group, short_help="Show, change and migrate Docker Content Trust data, and manage its keys.")
def command() -> None:
    """Docker Content Trust: the signed tags of a repository on a trust server (notary)."""


@command.command("inspect", short_help="Show the signed tags and keys of a repository.")
@click.argument("images", metavar="REPO[:TAG]...", nargs=-1, required=True)
@click.option("--pretty", is_flag=True, help="Print tables for people.")
@inspected_server_options
def inspect(images: Sequence[str], pretty: bool, trust_server: TrustServerOptions) -> None:
    """Show the signed tags, signers and keys of repositories, in the output of `docker trust inspect`.

    Without --pin nothing is verified: the output is what the server says. A repository without trust data is an error,
    and the JSON has the others.
    """
    trust = trust_server.authority() if trust_server.pins else None
    servers, server = trust_server.servers(), trust_server.notary_server
    shown: list[dict[str, object]] = []
    statuses: list[int] = []
    for number, image in enumerate(images, 1):
        try:
            found = inspect_trust(image, trust, server=server, trust_servers=servers)
        except ImagesigError as error:
            statuses.append(fail(error))
            if pretty:  # as docker: what follows is not shown
                break
            continue
        shown.append(found.document())
        if pretty:
            lines = [*_tables(found), *([""] * 2 if number < len(images) else [])]
            document("".join(f"{_shown(line)}\n" for line in lines))
        if not found.is_verified:
            note(f"warning: {found.name}: nothing was verified; give the root key that you trust: --pin")
        note(*(f"warning: {found.name}: {text}" for text in found.notes))
    if not pretty:
        document(json.dumps(shown, indent=4, ensure_ascii=True) + "\n")
    if statuses:
        raise click.exceptions.Exit(worst(statuses))


def _tables(found: InspectedTrust) -> list[str]:
    if found.tags:
        rows = [(item.tag, item.digest, ", ".join(sorted(item.signers)) or f"({ADMINISTRATOR})") for item in found.tags]
        lines = ["", f"Signatures for {found.name}", "", *_table(("SIGNED TAG", "DIGEST", "SIGNERS"), rows)]
    else:
        lines = ["", f"No signatures for {found.name}", ""]
    if found.signers:
        signers = sorted(found.signers, key=lambda item: natural(item[0]))
        keys = [(name, ", ".join(sorted(item[:_SHORT_ID] for item in ids))) for name, ids in signers]
        lines += ["", f"List of signers and their keys for {found.name}", "", *_table(("SIGNER", "KEYS"), keys)]
    lines += ["", f"Administrative keys for {found.name}", ""]
    lines.append(f"  Repository Key:\t{', '.join(sorted(found.repository))}")
    lines.append(f"  Root Key:\t{', '.join(sorted(found.root))}")
    return lines


def _shown(line: str) -> str:
    """The line, safe to print, with its tabs."""
    return "\t".join(map(printable, line.split("\t")))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(titles), *([word(cell) if at == 0 else cell for at, cell in enumerate(row)] for row in rows)]
    widths = [max(_LEAST, _BETWEEN + max(len(line[at]) for line in lines)) for at in range(len(titles) - 1)]
    return ["".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)) + line[-1] for line in lines]
