"""`imagesig key`: generate, export, list, check, csr, self-sign."""

from __future__ import annotations

import json
from pathlib import Path

import click

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
    for certificate in info.chain:
        try:
            subject = certificate.x509.subject.rfc4514_string()
        except ValueError:
            subject = "(a name that cannot be read)"
        click.echo(f"certificate  {certificate.fingerprint}  until {certificate.not_after:%Y-%m-%d}  {subject}")


_subject_option = click.option(
    "--subject",
    required=True,
    metavar="DN",
    help="Distinguished name as RFC 4514 writes it: C=US,ST=WA,O=Acme,CN=release.",
)
_san_option = click.option(
    "--san",
    "alternative_names",
    multiple=True,
    metavar="KIND:VALUE",
    help="Alternative name: email:…, dns:… or uri:…; repeatable.",
)


@command.command("csr")
@click.argument("key_uri", metavar="KEY_URI")
@_subject_option
@_san_option
@passphrase_option
def csr(key_uri: str, subject: str, alternative_names: tuple[str, ...], passphrase_file: Path | None) -> None:
    """Print a certificate signing request (PKCS #10, PEM), signed by the key where it lives."""
    from imagesig.keys.certify import certificate_request

    with open_key(key_uri, settings=key_settings(passphrase_file)) as key:
        click.echo(certificate_request(key, subject, alternative_names), nl=False)


@command.command("self-sign")
@click.argument("key_uri", metavar="KEY_URI")
@_subject_option
@_san_option
@click.option("--days", type=int, default=1, show_default=True, help="How long it is good, from now.")
@passphrase_option
def self_sign(
    key_uri: str, subject: str, alternative_names: tuple[str, ...], days: int, passphrase_file: Path | None
) -> None:
    """Print a self-signed code-signing certificate (PEM), to try things out with."""
    from imagesig.keys.certify import self_signed_certificate

    with open_key(key_uri, settings=key_settings(passphrase_file)) as key:
        click.echo(self_signed_certificate(key, subject, alternative_names, days=days), nl=False)
