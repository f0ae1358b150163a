"""`imagesig download`."""

from __future__ import annotations

from collections.abc import Callable

import click

from imagesig.api.attached.downloading import What, download
from imagesig.cli.help import GroupedCommand
from imagesig.cli.output.terminal import file, file_of_others, note
from imagesig.cli.transport import open_images, transport_options
from imagesig.images.open import Transport

type_option = click.option(
    "--type", "predicate_type", default="", metavar="URI", help="Only attestations that claim this type."
)


@click.group("download", short_help="Write attached artifacts to stdout, unverified.")
def command() -> None:
    """Write the attestations, SBOMs or signatures of an image to stdout, as they are stored. Nothing is verified."""


def _written(what: What, image: str, predicate_type: str, transport: Transport) -> None:
    (opened,) = open_images([image], transport)
    for found in download(opened, what.value, predicate_type=predicate_type):
        if not found.signed:
            note(f"note: {found.digest} is an unsigned statement: {found.origin}")
        if what is What.SBOM:
            file_of_others(found.content)
        else:
            file(found.line + b"\n")


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
    "Write each SBOM: one that is attached as such, or the predicate of an attestation or of BuildKit's statement.",
    "Write stored SBOMs.",
)
_subcommand(
    What.SIGNATURE,
    """Write each signature in one line: a Sigstore bundle or a Notary Project envelope as it is.

    A classic signature is written as `cosign download signature` does: `Base64Signature` and `Payload`.
    """,
    "Write stored signatures.",
)
