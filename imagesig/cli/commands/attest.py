"""`imagesig attest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imagesig.api.attest.attesting import attest
from imagesig.api.attest.attesting_job import DEFAULT_ATTESTATION_FORMATS
from imagesig.api.attest.attesting_many import attest_many
from imagesig.api.outcome import Outcome, shown_name
from imagesig.cli.help import GroupedCommand
from imagesig.cli.images_from import Images, images_or_builds_options
from imagesig.cli.key_options import KeyOptions, key_uri_option, signing_key_options
from imagesig.cli.output.outcomes import Summary, fleet_output_option, report, writer_for
from imagesig.cli.output.progress import Bar, image_progress
from imagesig.cli.output.signed import write_attested
from imagesig.cli.output.terminal import note
from imagesig.cli.predicate_options import HEADING, StatementSource, statement_source_options
from imagesig.cli.transport import open_images, transport_options
from imagesig.format_names import ATTESTATION_NAMES
from imagesig.images.open import Transport

if TYPE_CHECKING:
    from imagesig.api.options import AttestingJobOptions


@click.command(
    "attest",
    cls=GroupedCommand,
    short_help="Sign statements about images.",
    headings={
        "Key": "--key --certificate-chain --expect --allow-open-permissions --passphrase-file",
        "Statement": HEADING,
        "Attestation": "--format --replace --dry-run",
        "Which images": "--images-from --buildx-metadata --recursive",
    },
    example="imagesig attest --key release.key --type spdxjson --predicate sbom.json ghcr.io/acme/app:1.0",
)
@key_uri_option
@statement_source_options
@images_or_builds_options
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([item.name for item in ATTESTATION_NAMES]),
    help=f"Format to attest in; repeatable. Default: {' and '.join(DEFAULT_ATTESTATION_FORMATS)}.",
)
@click.option("--recursive", is_flag=True, help="Attest the images that an index lists too.")
@click.option("--replace", is_flag=True, help="Afterwards, remove older attestations of this type by the same key.")
@click.option("--dry-run", is_flag=True, help="Show what would be attested, without signing or writing.")
@signing_key_options
@fleet_output_option
@transport_options
def command(
    key_uri: str,
    source: StatementSource,
    images: Images,
    formats: tuple[str, ...],
    recursive: bool,
    replace: bool,
    dry_run: bool,
    key_options: KeyOptions,
    output: str,
    transport: Transport,
) -> None:
    """Sign a statement about images and store it beside them.

    IMAGE is a reference such as ghcr.io/acme/app:1.0, or a local image: oci:DIRECTORY[:TAG|@DIGEST],
    oci-archive:FILE[:TAG|@DIGEST]. Attesting the same again adds nothing.
    """
    statement = source.read()
    options: AttestingJobOptions = {
        "predicate_type": statement["predicate_type"],
        "predicate": statement["predicate"],
        "statement": statement["statement"],
        "statement_version": statement["statement_version"],
        "formats": formats or DEFAULT_ATTESTATION_FORMATS,
        "recursive": recursive,
        "dry_run": dry_run,
    }
    summary = Summary("planned" if dry_run else "attested")
    writer = writer_for(output, "attest", write_attested)
    with key_options.open(key_uri, timeout=transport.timeout) as key:
        if images.known is None:
            outcomes = attest_many(images, key, transport=transport, replace=replace, **options)
            bar = Bar(images.total, "attested")
        else:
            # Arguments are few: all are drafted before the first is signed, so an error in one stops all.
            opened = open_images(images.known, transport)
            with image_progress(len(opened), "attested") as progress:
                made = attest(opened, key, progress=progress, replace=replace, **options)
            outcomes = (Outcome(images.known[index], index, result) for index, result in enumerate(made))
            bar = Bar(0, "attested")
        for outcome in report(outcomes, writer, summary, bar):
            for warning in outcome.result.warnings if outcome.result else ():
                note(f"warning: {shown_name(outcome.image)}: {warning}")
    raise click.exceptions.Exit(summary.status)
