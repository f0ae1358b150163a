"""`imagesig attest-blob`."""

from __future__ import annotations

from pathlib import Path

import click

from imagesig.api.blob.attesting_blob import attest_blob
from imagesig.cli.blobs import blob_argument, blob_of, certificate_option, check_outputs, write_file
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import KeyOptions, key_uri_option, signing_key_options
from imagesig.cli.options import STDIN, FilePath, output_option
from imagesig.cli.output.render import write_json
from imagesig.cli.output.terminal import note
from imagesig.cli.predicate_options import HEADING, StatementSource, statement_source_options


@click.command(
    "attest-blob",
    cls=GroupedCommand,
    short_help="Sign a statement about a file.",
    headings={
        "Key": "--key --certificate-chain --expect --allow-open-permissions --passphrase-file",
        "Statement": HEADING,
        "Attestation": "--bundle --certificate",
    },
    example=(
        "imagesig attest-blob --key release.key --type spdxjson --predicate sbom.json --bundle app.tar.sbom app.tar"
    ),
)
@key_uri_option
@statement_source_options
@blob_argument
@click.option("--bundle", type=FilePath(), required=True, metavar="FILE", help="Write the bundle to this file.")
@certificate_option
@signing_key_options
@output_option
def command(
    key_uri: str,
    source: StatementSource,
    blob: str,
    bundle: Path,
    certificate: bool,
    key_options: KeyOptions,
    output: str,
) -> None:
    """Sign a statement about a file of any size, or about what comes on standard input."""
    if blob == STDIN and STDIN in (source.predicate, source.statement):
        raise click.UsageError("standard input can be the file or the predicate, not both")
    check_outputs({"--bundle": bundle}, key_uri, blob, source.predicate, source.statement)
    with key_options.open(key_uri) as key:
        made = attest_blob(blob_of(blob), key, certificates=certificate, **source.read())
    write_file(bundle, made.bundle, "--bundle")
    if output == "json":
        write_json("attest-blob", {"blobs": [made.document()]})
    else:
        note(f"attested {made.digest} with {made.key_id}")
