"""`imagesig remove`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from imagesig.api.outcome import Outcome, attempt
from imagesig.api.removing import RemovedImage, remove
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import only_one, output_option
from imagesig.cli.output.failure import fail, worst
from imagesig.cli.output.render import word, write_json
from imagesig.cli.output.terminal import note, say
from imagesig.cli.settings import key_settings
from imagesig.cli.transport import open_images, transport_options
from imagesig.errors import InvalidArgument
from imagesig.images.image import Image
from imagesig.images.open import Transport
from imagesig.keys.uri import open_public_keys


@click.command(
    "remove",
    cls=GroupedCommand,
    short_help="Remove signatures of images.",
    headings={"Which signatures": "--key --all --no-recursive --dry-run --passphrase-file"},
    example="imagesig remove --key old.pub ghcr.io/acme/app:1.0",
)
@click.option(
    "--key",
    "key_uri",
    multiple=True,
    callback=only_one,
    metavar="KEY",
    help="Remove the signatures that this public key (file or URI) verifies.",
)
@click.option("--all", "everything", is_flag=True, help="Remove the signatures of every signer.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--no-recursive", is_flag=True, help="Remove signatures of the index only, not of the images it lists.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, without removing it.")
@passphrase_option
@output_option
@transport_options
def command(
    key_uri: str,
    everything: bool,
    images: tuple[str, ...],
    no_recursive: bool,
    dry_run: bool,
    passphrase_file: Path | None,
    output: str,
    transport: Transport,
) -> None:
    """Remove signatures made by one key, or all of them. Attestations and SBOMs stay.

    IMAGE is a reference or a local image, as for `imagesig sign`.
    """
    if bool(key_uri) == everything:
        raise InvalidArgument("remove: give either --key PUB or --all")
    settings = key_settings(passphrase_file, timeout=transport.timeout)
    keys = open_public_keys(key_uri, settings=settings) if key_uri else None
    opened = open_images(images, transport)
    documents: list[dict[str, object]] = []
    statuses: list[int] = []

    def remove_from(image: Image) -> RemovedImage:
        return remove(image, key=keys, all=everything, recursive=not no_recursive, dry_run=dry_run)

    for index, image in enumerate(opened):
        document, status = _reported(attempt(index, image, None, partial(remove_from, image)), text=output == "text")
        documents.append(document)
        statuses.append(status)
    if output == "json":
        write_json("remove", {"images": documents})
    if status := worst(statuses):
        raise click.exceptions.Exit(status)


def _reported(outcome: Outcome[RemovedImage], *, text: bool) -> tuple[dict[str, object], int]:
    """The document for one image, and its exit status. With `text`, the outcome is written too."""
    result, error = outcome.result, outcome.error
    if result is None:
        assert error is not None
        if text:
            fail(error)
        return outcome.document(), error.exit_status
    for warning in result.warnings:
        note(f"warning: {result.image}: {warning}")
    if text:
        _write_text(result)
    return outcome.document(), 0


def _write_text(result: RemovedImage) -> None:
    say(result.pinned)
    for removed in result.removed:
        where = f"  {word(removed.platform)}" if removed.platform else ""
        say(f"  {removed.state:9} {removed.format:7} {removed.digest}{where}  {removed.origin}")
    say(f"  {len(result.removed)} removed, {result.kept} kept")
