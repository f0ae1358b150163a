"""`imagesig trust init` and `imagesig trust rotate`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import click

from imagesig.api.trust.changing import ChangedTrust
from imagesig.api.trust.repositories import ROTATED, init_trust, rotate_trust_key
from imagesig.cli.commands.trust.changes import (
    TRUST_CHANGE_HEADINGS,
    TrustChangeOptions,
    change_each,
    trust_change_options,
)
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import output_option


@click.command(
    "init",
    cls=GroupedCommand,
    short_help="Make the trust data of a new repository.",
    headings=TRUST_CHANGE_HEADINGS,
    example="imagesig trust init --root-key pkcs11:object=root registry.example/app",
)
@click.argument("repositories", metavar="REPO...", nargs=-1, required=True)
@trust_change_options
@output_option
def init(repositories: Sequence[str], options: TrustChangeOptions, output: str) -> None:
    """Make trust data without tags. Snapshot and timestamp are signed by the server.

    Keys that are not given are those of docker's folder, or are made there.
    """
    with options.opened() as (keys, shared):
        change_each("trust init", repositories, lambda repository: init_trust(repository, keys, **shared), output)


@click.command(
    "rotate",
    cls=GroupedCommand,
    short_help="Replace the key of a role of a repository.",
    headings={"New key": "--new-key", **TRUST_CHANGE_HEADINGS},
    example="imagesig trust rotate registry.example/app targets",
)
@click.option(
    "--new-key",
    default="",
    metavar="KEY_URI",
    help="The new key. Default: one made in docker's folder, or the server's.",
)
@click.argument("repository", metavar="REPO")
@click.argument("role", metavar="ROLE", type=click.Choice(ROTATED))
@trust_change_options
@output_option
def rotate(new_key: str, repository: str, role: str, options: TrustChangeOptions, output: str) -> None:
    """Replace the key of root, targets, snapshot or timestamp. The root key signs.

    The server makes the keys of snapshot and timestamp, unless --new-key gives one for the snapshot.
    """
    with options.opened() as (keys, shared), ExitStack() as stack:
        given = stack.enter_context(options.open(new_key)) if new_key else None

        def change(name: str) -> ChangedTrust:
            return rotate_trust_key(name, role, keys, new_key=given, **shared)

        change_each("trust rotate", [repository], change, output)
