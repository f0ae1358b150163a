"""`imagesig attach`."""

from __future__ import annotations

from pathlib import Path

import click

from imagesig import limits
from imagesig.api.sign.signing_elsewhere import attach
from imagesig.cli.commands.generate_payload import annotation_option, identity_option
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import FilePath, only_one, output_option, parse_annotations
from imagesig.cli.output.render import write_json
from imagesig.cli.output.signed import write_signed
from imagesig.cli.output.terminal import note
from imagesig.cli.settings import key_settings
from imagesig.cli.transport import open_images, transport_options
from imagesig.images.open import Transport
from imagesig.keys.uri import open_public_keys
from imagesig.reading import read_bounded
from imagesig.trust import TrustedKey


@click.command(
    "attach",
    cls=GroupedCommand,
    short_help="Store a signature that was made elsewhere.",
    headings={
        "Signature": "--signature --key --certificate-chain --passphrase-file",
        "What was signed": "--payload --annotation --identity",
    },
    example="imagesig attach --key release.pub --signature app.sig ghcr.io/acme/app:1.0",
)
@click.argument("image", metavar="IMAGE")
@click.option(
    "--signature",
    "signature_file",
    type=FilePath(),
    required=True,
    metavar="FILE",
    help="Signature in base64, or its raw bytes.",
)
@click.option(
    "--key",
    "key_uri",
    multiple=True,
    callback=only_one,
    metavar="KEY",
    help="Public key (file or URI) that must verify the signature. Default: that of the certificate.",
)
@click.option(
    "--payload",
    "payload_file",
    type=FilePath(),
    metavar="FILE",
    help="Bytes that were signed. Default: those of `imagesig generate-payload`.",
)
@click.option(
    "--certificate-chain",
    type=FilePath(),
    metavar="FILE",
    help="PEM certificates to store too: the signer's own first, then its issuers.",
)
@annotation_option
@identity_option
@passphrase_option
@output_option
@transport_options
def command(
    image: str,
    signature_file: Path,
    key_uri: str,
    payload_file: Path | None,
    certificate_chain: Path | None,
    annotations: tuple[str, ...],
    identity: str,
    passphrase_file: Path | None,
    output: str,
    transport: Transport,
) -> None:
    """Store a signature that openssl or a REST service made, as a classic cosign signature.

    Nothing is stored unless the key verifies the signature, and the payload is for this image.
    """
    settings = key_settings(passphrase_file, timeout=transport.timeout)
    signature = read_bounded(signature_file, 2 * limits.SIGNATURE_VALUE_BYTES, "signature", streams=True)
    payload = read_bounded(payload_file, limits.PAYLOAD_BYTES, "payload", streams=True) if payload_file else b""
    (opened,) = open_images([image], transport)
    result = attach(
        opened,
        signature,
        key=TrustedKey(key_uri, open_public_keys(key_uri, settings=settings)) if key_uri else None,
        payload=payload,
        chain=certificate_chain or (),
        annotations=parse_annotations(annotations),
        identity=identity,
    )
    for warning in result.warnings:
        note(f"warning: {result.image}: {warning}")
    if output == "json":
        write_json("attach", {"images": [result.document()]})
    else:
        write_signed(result)
