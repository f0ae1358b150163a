"""`imagesig sign-blob`."""

from __future__ import annotations

from pathlib import Path

import click

from imagesig.api.blob.signing_blob import sign_blob
from imagesig.cli.blobs import blob_argument, blob_of, certificate_option, check_outputs, write_file
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import KeyOptions, key_uri_option, signing_key_options
from imagesig.cli.options import FilePath, output_option
from imagesig.cli.output.render import write_json
from imagesig.cli.output.terminal import note, say


@click.command(
    "sign-blob",
    cls=GroupedCommand,
    short_help="Sign a file.",
    headings={
        "Key": "--key --certificate-chain --expect --allow-open-permissions --passphrase-file",
        "Signature": "--output-signature --bundle --certificate",
    },
    example="imagesig sign-blob --key release.key --bundle app.tar.bundle app.tar",
)
@key_uri_option
@blob_argument
@click.option(
    "--output-signature",
    type=FilePath(),
    metavar="FILE",
    help="Write the base64 signature to this file, not stdout.",
)
@click.option("--bundle", type=FilePath(), metavar="FILE", help="Write a Sigstore bundle to this file.")
@certificate_option
@signing_key_options
@output_option
def command(
    key_uri: str,
    blob: str,
    output_signature: Path | None,
    bundle: Path | None,
    certificate: bool,
    key_options: KeyOptions,
    output: str,
) -> None:
    """Sign a file of any size, or what comes on standard input.

    The file is read once, in pieces. Ed25519 keys need it in memory, at most 256 MiB.
    """
    check_outputs({"--output-signature": output_signature, "--bundle": bundle}, key_uri, blob)
    with key_options.open(key_uri) as key:
        signed = sign_blob(blob_of(blob), key, certificates=certificate)
    if output_signature is not None:
        write_file(output_signature, signed.base64.encode("ascii"), "--output-signature")
    if bundle is not None:
        write_file(bundle, signed.bundle, "--bundle")
    if output == "json":
        write_json("sign-blob", {"blobs": [signed.document()]})
        return
    note(f"signed {signed.digest} with {signed.key_id}")
    if output_signature is None and bundle is None:
        say(signed.base64)
