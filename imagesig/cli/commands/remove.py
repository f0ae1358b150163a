"""`imagesig remove`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from msgspec import to_builtins

from imagesig.api.outcome import attempt, shown_name
from imagesig.api.removing import RemovedImage, remove
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import output_option
from imagesig.cli.output.failure import error_json, fail, worst
from imagesig.cli.output.render import word, write_json
from imagesig.cli.output.terminal import note, say
from imagesig.cli.settings import key_settings
from imagesig.cli.transport import open_images, transport_options
from imagesig.errors import InvalidArgument
from imagesig.images.image import Image
from imagesig.images.open import Transport
from imagesig.keys.uri import open_public_keys


@click.command("remove")
@click.option("--key", "key_uri", default="", metavar="KEY", help="Remove what this public key (file or URI) verifies.")
@click.option("--all", "everything", is_flag=True, help="Remove all signatures, by whomever.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--no-recursive", is_flag=True, help="Of an index, leave the signatures of its children alone.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
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
    """Take signatures of images away: those by one key, or all. Attestations and bills of material stay.

    IMAGE is a reference, or a local image as `imagesig sign` takes it.
    """
    if bool(key_uri) == everything:
        raise InvalidArgument("remove: give either --key PUB or --all")
    settings = key_settings(passphrase_file, timeout=transport.timeout)
    keys = open_public_keys(key_uri, settings=settings) if key_uri else None
    opened = open_images(images, transport)
    documents: list[dict[str, object]] = []
    statuses: list[int] = []

    def take_away(image: Image) -> RemovedImage:
        return remove(image, key=keys, all=everything, recursive=not no_recursive, dry_run=dry_run)

    for index, image in enumerate(opened):
        outcome = attempt(index, image, None, partial(take_away, image))
        result, error = outcome.result, outcome.error
        if error is not None or result is None:
            assert error is not None
            documents.append({"image": shown_name(image), **error_json(error)})
            statuses.append(error.exit_status)
            if output == "text":
                fail(error)
            continue
        documents.append(to_builtins(result))
        for warning in result.warnings:
            note(f"warning: {result.image}: {warning}")
        if output == "text":
            _write_text(result)
    if output == "json":
        write_json("remove", {"images": documents})
    if status := worst(statuses):
        raise click.exceptions.Exit(status)


def _write_text(result: RemovedImage) -> None:
    say(result.pinned)
    for removed in result.removed:
        where = f"  {word(removed.platform)}" if removed.platform else ""
        say(f"  {removed.state:9} {removed.format:7} {removed.digest}{where}  {removed.origin}")
    say(f"  {len(result.removed)} removed, {result.kept} kept")
