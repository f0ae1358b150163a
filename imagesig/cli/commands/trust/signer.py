"""`imagesig trust signer add` and `imagesig trust signer remove`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from imagesig import limits
from imagesig.api.trust.changing import ChangedTrust
from imagesig.api.trust.signers import add_signer, remove_signer
from imagesig.cli.commands.trust.changes import (
    SIGNER_CHANGE_HEADINGS,
    TRUST_CHANGE_HEADINGS,
    TrustChangeOptions,
    change_each,
    signer_change_options,
    trust_change_options,
)
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import output_option
from imagesig.cli.settings import key_settings
from imagesig.crypto.certificate import parse_certificates
from imagesig.crypto.certificate_pem import BEGIN
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.uri import open_public_keys
from imagesig.naming import is_key_uri
from imagesig.reading import is_file, read_bounded, usage_error


@click.group("signer", short_help="Add and remove signers of a repository.")
def signer() -> None:
    """The signers of repositories: their keys sign the roles targets/NAME and targets/releases."""


@signer.command(
    "add",
    cls=GroupedCommand,
    short_help="Add a signer to repositories.",
    headings={"Signer": "--key", **SIGNER_CHANGE_HEADINGS},
    example="imagesig trust signer add --key alice.pub alice registry.example/app",
)
@click.option(
    "--key",
    "public_keys",
    multiple=True,
    required=True,
    metavar="PUB",
    help="Public key: PEM file (key or certificate), or key URI; repeatable.",
)
@click.argument("name", metavar="NAME")
@click.argument("repositories", metavar="REPO...", nargs=-1, required=True)
@signer_change_options
@output_option
def add(
    public_keys: Sequence[str], name: str, repositories: Sequence[str], options: TrustChangeOptions, output: str
) -> None:
    """Add a signer with their public keys. The targets key signs; a repository without trust data gets them."""
    added = [_public_key(item, options) for item in public_keys]
    with options.opened() as (keys, shared):
        change_each(
            "trust signer add", repositories, lambda item: add_signer(item, name, added, keys, **shared), output
        )


def _public_key(name: str, options: TrustChangeOptions) -> PublicKey:
    """The public key of a file, which may be a certificate as docker takes it, or the newest one of a key URI."""
    path = Path(name)
    if not is_key_uri(name) and is_file(path):
        content = read_bounded(path, limits.CERTIFICATE_FILE_BYTES, "--key", explain=usage_error(f"--key {path}"))
        if BEGIN in content:
            return parse_certificates(content, f"--key {path}")[0].public_key
    return open_public_keys(name, settings=key_settings(options.passphrase_file))[0]


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
@output_option
def remove(force: bool, name: str, repositories: Sequence[str], options: TrustChangeOptions, output: str) -> None:
    """Remove a signer. Released tags are signed again with another key of targets/releases that is here."""
    with options.opened() as (keys, shared):

        def change(repository: str) -> ChangedTrust:
            return remove_signer(repository, name, keys, force=force, **shared)

        change_each("trust signer remove", repositories, change, output)
