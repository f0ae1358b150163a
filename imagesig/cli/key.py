"""`imagesig key`: generate, export, list, check, csr, self-sign."""

from __future__ import annotations

import json
from pathlib import Path

import click

from imagesig.cli.key_certificates import csr, self_sign, write_chain
from imagesig.cli.options import certificate_chain_option, output_option, passphrase_option
from imagesig.cli.settings import key_settings
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument
from imagesig.keys.provider import ManagesKeys
from imagesig.keys.uri import open_key, open_public_keys, resolve_key

_TYPES = [key_type.value for key_type in KeyType]


@click.group("key")
def command() -> None:
    """Generate, export, list and check keys; get certificates for them.

    KEY_URI is a file, env://NAME, pkcs11:…, hashivault://NAME, awskms:///ID, notation-plugin://NAME/ID or
    sigstore-kms://NAME/ID.
    """


command.add_command(csr)
command.add_command(self_sign)


@command.command("generate")
@click.argument("key_uri", metavar="KEY_URI")
@click.option("--type", "type_name", type=click.Choice(_TYPES), default="ecdsa-p256", show_default=True)
@passphrase_option
@output_option
def generate(key_uri: str, type_name: str, passphrase_file: Path | None, output: str) -> None:
    """Make a new key pair; an existing key is never overwritten.

    A key file is encrypted as cosign does if a passphrase is given, and its public half is written beside it.
    """
    provider, name = resolve_key(key_uri, key_settings(passphrase_file))
    with provider:
        if not isinstance(provider, ManagesKeys):
            raise InvalidArgument(f"key {key_uri}: keys cannot be generated there")
        with provider.generate(name, KeyType(type_name)) as key:
            info, pem = key.info, key.info.public_key.pem
    if output == "json":
        document = {"key_id": info.key_id, "type": type_name, "fingerprint": info.public_key.fingerprint, "pem": pem}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(f"generated  {type_name}  {info.public_key.fingerprint}  {info.key_id}", err=True)
        click.echo(pem, nl=False)


@command.command("export")
@click.argument("key_uri", metavar="KEY_URI")
@click.option("--all-versions", is_flag=True, help="Every version's public key, newest first.")
@passphrase_option
def export(key_uri: str, all_versions: bool, passphrase_file: Path | None) -> None:
    """Print the public key as PEM; private keys never leave their home."""
    public_keys = open_public_keys(key_uri, settings=key_settings(passphrase_file))
    for public_key in public_keys if all_versions else public_keys[:1]:
        click.echo(public_key.pem, nl=False)


@command.command("list")
@click.argument("key_uri", metavar="KEY_URI")
@passphrase_option
@output_option
def list_keys(key_uri: str, passphrase_file: Path | None, output: str) -> None:
    """List the keys in the place that KEY_URI points into: a folder, a token, a transit mount, a KMS account."""
    provider, _ = resolve_key(key_uri, key_settings(passphrase_file))
    with provider:
        if not isinstance(provider, ManagesKeys):
            raise InvalidArgument(f"key {key_uri}: keys cannot be listed there")
        found = list(provider.list())
    if output == "json":
        keys = [{"uri": k.uri, "type": k.key_type.value if k.key_type else None, "detail": k.detail} for k in found]
        click.echo(json.dumps({"keys": keys}, indent=2))
        return
    for item in found:
        click.echo(f"{item.key_type.value if item.key_type else '-':11} {item.uri}  {item.detail}".rstrip())


@command.command("check")
@click.argument("key_uri", metavar="KEY_URI")
@certificate_chain_option
@passphrase_option
def check(key_uri: str, certificate_chain: Path | None, passphrase_file: Path | None) -> None:
    """Prove that the key can sign: it signs a test message, which is verified with its public key.

    Certificates that it signs with are listed, its own first.
    """
    with open_key(key_uri, chain=certificate_chain, settings=key_settings(passphrase_file)) as key:
        proof = key.check()
        info = key.info
    click.echo(f"ok  {info.public_key.key_type.value}  {info.public_key.fingerprint}  {info.key_id}: {proof}")
    write_chain(info.chain)
