"""`imagesig sign`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imagesig.api.outcome import Outcome, shown_name
from imagesig.api.sign.signing import sign
from imagesig.api.sign.signing_many import sign_many
from imagesig.cli.help import GroupedCommand
from imagesig.cli.images_from import Images, images_or_builds_options
from imagesig.cli.key_options import KeyOptions, key_uri_option, signing_key_options
from imagesig.cli.options import Name, no_recursive_option, parse_annotations
from imagesig.cli.output.outcomes import Summary, fleet_output_option, report, writer_for
from imagesig.cli.output.progress import Bar, image_progress
from imagesig.cli.output.signed import write_signed
from imagesig.cli.output.terminal import note
from imagesig.cli.sign_formats import sign_format_options
from imagesig.cli.transport import open_images, transport_options
from imagesig.formats import Format
from imagesig.images.open import Transport

if TYPE_CHECKING:
    from imagesig.api.options import SigningJobOptions


@click.command(
    "sign",
    cls=GroupedCommand,
    short_help="Sign images.",
    headings={
        "Key": "--key --certificate-chain --expect --allow-open-permissions --passphrase-file",
        "Signature": "--format --annotation --identity --expiry --timestamp-url --timestamp-root --replace --dry-run",
        "Which images": "--images-from --buildx-metadata --no-recursive",
    },
    example="imagesig sign --key release.key ghcr.io/acme/app:1.0",
)
@key_uri_option
@images_or_builds_options
@sign_format_options
@click.option(
    "--annotation",
    "annotations",
    multiple=True,
    metavar="NAME=VALUE",
    help="Annotation to include in the signature; repeatable.",
)
@click.option(
    "--identity", type=Name(), default="", metavar="REPO[:TAG]", help="Name to sign instead of the image's own name."
)
@no_recursive_option
@click.option(
    "--replace",
    multiple=True,
    metavar="KEY",
    help="Remove matching signatures by this old public key after signing; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be signed, without signing or writing.")
@signing_key_options
@fleet_output_option
@transport_options
def command(
    key_uri: str,
    images: Images,
    formats: tuple[str | Format, ...],
    annotations: tuple[str, ...],
    identity: str,
    no_recursive: bool,
    replace: tuple[str, ...],
    dry_run: bool,
    key_options: KeyOptions,
    output: str,
    transport: Transport,
) -> None:
    """Sign images and store the signatures beside them.

    IMAGE is a reference such as ghcr.io/acme/app:1.0, or a local image: oci:DIRECTORY[:TAG|@DIGEST],
    oci-archive:FILE[:TAG|@DIGEST], docker-archive:FILE[:REFERENCE|@DIGEST] or dir:DIRECTORY.
    """
    options: SigningJobOptions = {
        "formats": formats,
        "annotations": parse_annotations(annotations),
        "identity": identity,
        "recursive": not no_recursive,
        "dry_run": dry_run,
        "replace": replace,
    }
    summary = Summary("planned" if dry_run else "signed")
    writer = writer_for(output, "sign", write_signed)
    with key_options.open(key_uri, timeout=transport.timeout) as key:
        if images.known is None:
            outcomes = sign_many(images, key, transport=transport, **options)
            bar = Bar(images.total, "signed")
        else:
            # Arguments are few: all are drafted before the first is signed, so an error in one stops all.
            opened = open_images(images.known, transport)
            with image_progress(len(opened), "signed") as progress:
                signed = sign(opened, key, progress=progress, **options)
            outcomes = (Outcome(images.known[index], index, result) for index, result in enumerate(signed))
            bar = Bar(0, "signed")
        for outcome in report(outcomes, writer, summary, bar):
            for warning in outcome.result.warnings if outcome.result else ():
                note(f"warning: {shown_name(outcome.image)}: {warning}")
    raise click.exceptions.Exit(summary.status)
