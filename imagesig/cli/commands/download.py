"""`imagesig download`."""

from __future__ import annotations

from collections.abc import Callable

import click

from imagesig.api.attached.downloading import What, each_download
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import Name
from imagesig.cli.output.terminal import file, note
from imagesig.cli.transport import open_images, transport_options
from imagesig.effort import one_image
from imagesig.errors import Rejection
from imagesig.images.open import Transport

_SHOWN = 10
"""The most artifacts that are named because they are not written."""

type_option = click.option(
    "--type",
    "predicate_type",
    type=Name(),
    default="",
    metavar="NAME|URI",
    help="Only attestations that claim this type.",
)


@click.group("download", short_help="Write attached artifacts to stdout, unverified.")
def command() -> None:
    """Write the attestations, SBOMs or signatures of an image to stdout, as they are stored. Nothing is verified."""


def _written(what: What, image: str, predicate_type: str, transport: Transport) -> None:
    (opened,) = open_images([image], transport)
    unread: list[Rejection] = []
    written: list[bytes] = []
    with one_image():
        for found in each_download(opened, what, predicate_type):
            if isinstance(found, Rejection):
                unread.append(found)
                continue
            if not found.signed:
                note(f"note: {found.digest} is an unsigned statement: {found.origin}")
            if what is not What.SBOM:
                file(found.line + b"\n")
            elif found.content not in written:  # often a bundle and a classic attestation hold the same one
                file(b"\n" + found.content if written else found.content)
                written.append(found.content)
    for item in unread[:_SHOWN]:
        note(f"error: not written: {item}")
    if len(unread) > _SHOWN:
        note(f"error: not written: {len(unread) - _SHOWN} more")
    if unread:
        raise click.exceptions.Exit(unread[0].error.exit_status)


def _subcommand(what: What, help_text: str, short_help: str) -> Callable[..., object]:
    @click.argument("image", metavar="IMAGE")
    @transport_options
    def run(image: str, transport: Transport, predicate_type: str = "") -> None:
        _written(what, image, predicate_type, transport)

    run.__doc__ = help_text
    options = run if what is What.SIGNATURE else type_option(run)
    headings = {} if what is What.SIGNATURE else {"Which": "--type"}
    return command.command(
        what.value,
        cls=GroupedCommand,
        short_help=short_help,
        headings=headings,
        example=f"imagesig download {what.value} ghcr.io/acme/app:1.0",
    )(options)


_subcommand(
    What.ATTESTATION,
    """Write each attestation in one line: a Sigstore bundle, a DSSE envelope, or a statement of BuildKit.

    BuildKit's statements are unsigned; stderr says which they are.
    """,
    "Write stored attestations.",
)
_subcommand(
    What.SBOM,
    """Write each distinct SBOM: one that is attached, or the predicate of an attestation or of BuildKit's statement.

    Several are separated by a line break.
    """,
    "Write stored SBOMs.",
)
_subcommand(
    What.SIGNATURE,
    """Write each signature in one line: a Sigstore bundle or a Notary Project envelope as it is.

    A classic signature is written as `cosign download signature` does: `Base64Signature` and `Payload`.
    """,
    "Write stored signatures.",
)
