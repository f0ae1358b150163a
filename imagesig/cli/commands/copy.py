"""`imagesig copy`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagesig.api.copying import Admit, CopiedImage, copy
from imagesig.api.verify.verifying import verify_by_rule
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import Name, output_option
from imagesig.cli.output.failure import note_unverified
from imagesig.cli.output.progress import blob_progress
from imagesig.cli.output.render import word, write_json
from imagesig.cli.output.terminal import note, say
from imagesig.cli.policy_options import OpenedRules, load_policy, policy_options
from imagesig.cli.settings import key_settings, witnesses_for
from imagesig.cli.transport import copy_transport_options
from imagesig.deadlines import deadline
from imagesig.images.open import Transport

if TYPE_CHECKING:
    from imagesig.images.image import Image


@click.command(
    "copy",
    cls=GroupedCommand,
    short_help="Copy an image with its signatures.",
    headings={
        "What to copy": "--all-platforms --platform --no-signatures",
        "Whom to trust": "--policy --policy-from --allow-unverified --passphrase-file",
    },
    example="imagesig copy ghcr.io/acme/app:1.0 oci-archive:app.tar",
)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option("--all-platforms", is_flag=True, help="Copy the whole index of a multi-platform image.")
@click.option(
    "--platform",
    type=Name(),
    default="",
    metavar="OS/ARCH[/VARIANT]",
    help="Copy this platform of a multi-platform image. Default: Linux on this machine's CPU.",
)
@click.option("--no-signatures", is_flag=True, help="Do not copy signatures and other referrers.")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time limit for the whole copy.",
)
@copy_transport_options
@policy_options
@passphrase_option
@output_option
def command(
    source: str,
    destination: str,
    all_platforms: bool,
    platform: str,
    no_signatures: bool,
    seconds: float | None,
    transport: Transport,
    policy_file: Path | None,
    policy_from: str | None,
    allow_unverified: bool,
    passphrase_file: Path | None,
    output: str,
) -> None:
    """Copy an image with its signatures and other referrers between registries, layouts and archives.

    SRC and DST are references, oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG] or dir:DIRECTORY; SRC may also be
    docker-archive:FILE[:REFERENCE]. Existing content is not re-sent; rerun to resume. With --policy, nothing is
    written unless the policy accepts SRC.
    """
    if policy_file is None and (allow_unverified or policy_from):
        raise click.UsageError("--policy-from and --allow-unverified need --policy FILE")
    admit = None
    if policy_file is not None:
        admit = _admission(policy_file, policy_from, passphrase_file, allow_unverified=allow_unverified)
    with blob_progress() as progress, nullcontext() if seconds is None else deadline(seconds):
        result = copy(
            source,
            destination,
            all_platforms=all_platforms,
            platform=platform,
            signatures=not no_signatures,
            admit=admit,
            timeout=seconds,
            transport=transport,
            progress=progress,
        )
    for warning in result.warnings:
        note(f"warning: {result.source}: {warning}")
    if output == "json":
        write_json("copy", {"images": [result.document()]})
    else:
        _write_text(result)


def _admission(
    policy_file: Path, policy_from: str | None, passphrase_file: Path | None, *, allow_unverified: bool
) -> Admit:
    """A function that raises unless the policy accepts the image."""
    policy = load_policy(policy_file, policy_from)
    rules = OpenedRules(policy, key_settings(passphrase_file))
    witnesses = witnesses_for(policy)

    def admit(image: Image) -> None:
        rule = rules.rule_for(image)
        result = verify_by_rule(image, rule, allow_unverified=allow_unverified, witnesses=witnesses)
        note_unverified(result)

    return admit


def _write_text(result: CopiedImage) -> None:
    say(result.pinned)
    say(f"  as        {result.destination}")
    if result.platform:
        say(f"  platform  {word(result.platform)}")
    for manifest in result.manifests:
        label = f"  {word(manifest.label)}" if manifest.label else ""
        say(f"  {manifest.state:9} {manifest.kind:9} {manifest.digest}{label}")
    blobs = result.blobs
    say(f"  blobs     {blobs.sent} sent ({blobs.sent_bytes} bytes), {blobs.mounted} mounted, {blobs.present} present")
