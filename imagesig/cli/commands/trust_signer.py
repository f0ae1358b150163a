"""`imagesig trust signer add` and `imagesig trust signer remove`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from imagesig.api.trust.signers import add_signer, remove_signer
from imagesig.cli.help import GroupedCommand
from imagesig.cli.settings import key_settings
from imagesig.cli.trust_changes import (
    TRUST_CHANGE_HEADINGS,
    TrustChangeOptions,
    show,
    signer_change_options,
    trust_change_options,
)
from imagesig.keys.uri import open_public_keys


@click.group("signer", short_help="Say who may sign tags of a repository.")
def signer() -> None:
    """The signers of repositories: their keys sign the roles targets/NAME and targets/releases."""


@signer.command(
    "add",
    cls=GroupedCommand,
    short_help="Add a signer to repositories.",
    headings={"Signer": "--key", **TRUST_CHANGE_HEADINGS},
    example="imagesig trust signer add --key alice.pub alice registry.example/app",
)
@click.option(
    "--key", "public_keys", multiple=True, required=True, metavar="PUB", help="Public key: file or URI; repeatable."
)
@click.argument("name", metavar="NAME")
@click.argument("repositories", metavar="REPO...", nargs=-1, required=True)
@signer_change_options
def add(public_keys: Sequence[str], name: str, repositories: Sequence[str], options: TrustChangeOptions) -> None:
    """Add a signer with their public keys. The targets key signs; a repository without trust data gets them."""
    settings = key_settings(options.passphrase_file)
    added = [open_public_keys(item, settings=settings)[0] for item in public_keys]
    with options.opened() as (keys, shared):
        for repository in repositories:
            show(add_signer(repository, name, added, keys, **shared))


@signer.command(
    "remove",
    cls=GroupedCommand,
    short_help="Remove a signer from repositories.",
    headings={"Signer": "--force", **TRUST_CHANGE_HEADINGS},
    example="imagesig trust signer remove alice registry.example/app",
)
@click.option("-f", "--force", is_flag=True, help="Remove the signer even if no released tag stays signed.")
@click.argument("name", metavar="NAME")
@click.argument("repositories", metavar="REPO...", nargs=-1, required=True)
@trust_change_options
def remove(force: bool, name: str, repositories: Sequence[str], options: TrustChangeOptions) -> None:
    """Remove a signer. Released tags are signed again with another key of targets/releases that is here."""
    with options.opened() as (keys, shared):
        for repository in repositories:
            show(remove_signer(repository, name, keys, force=force, **shared))
