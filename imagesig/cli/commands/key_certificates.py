"""`imagesig key csr` and `key self-sign`: certificates for keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from imagesig.cli.key_options import passphrase_option
from imagesig.cli.output.terminal import document, say
from imagesig.cli.settings import key_settings
from imagesig.crypto.certificate import Certificate
from imagesig.keys.uri import open_key

_subject_option = click.option(
    "--subject",
    required=True,
    metavar="DN",
    help="Distinguished name (RFC 4514), such as C=US,ST=WA,O=Acme,CN=release.",
)
_san_option = click.option(
    "--san",
    "alternative_names",
    multiple=True,
    metavar="KIND:VALUE",
    help="Alternative name: email:…, dns:… or uri:…; repeatable.",
)


@click.command("csr", short_help="Print a certificate signing request.")
@click.argument("key_uri", metavar="KEY_URI")
@_subject_option
@_san_option
@passphrase_option
def csr(key_uri: str, subject: str, alternative_names: tuple[str, ...], passphrase_file: Path | None) -> None:
    """Print a certificate signing request (PKCS #10, PEM), signed by the key in its store."""
    from imagesig.keys.certify import certificate_request

    with open_key(key_uri, settings=key_settings(passphrase_file)) as key:
        document(certificate_request(key, subject, alternative_names))


@click.command("self-sign", short_help="Print a self-signed certificate.")
@click.argument("key_uri", metavar="KEY_URI")
@_subject_option
@_san_option
@click.option("--days", type=int, default=1, show_default=True, help="Validity in days.")
@passphrase_option
def self_sign(
    key_uri: str, subject: str, alternative_names: tuple[str, ...], days: int, passphrase_file: Path | None
) -> None:
    """Print a self-signed code-signing certificate (PEM) for testing."""
    from imagesig.keys.certify import self_signed_certificate

    with open_key(key_uri, settings=key_settings(passphrase_file)) as key:
        document(self_signed_certificate(key, subject, alternative_names, days=days))


def write_chain(chain: Sequence[Certificate]) -> None:
    """One line for each certificate."""
    for certificate in chain:
        say(f"certificate  {certificate.fingerprint}  until {certificate.not_after:%Y-%m-%d}  {certificate.label}")
