"""`imagesig generate-payload`."""

from __future__ import annotations

import click

from imagesig.api.sign.signing_elsewhere import generate_payload
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import Name, output_option, parse_annotations
from imagesig.cli.output.render import write_json
from imagesig.cli.output.terminal import file, note
from imagesig.cli.transport import open_images, transport_options
from imagesig.images.open import Transport

annotation_option = click.option(
    "--annotation",
    "annotations",
    multiple=True,
    metavar="NAME=VALUE",
    help="Annotation to include in the payload; repeatable.",
)
identity_option = click.option(
    "--identity",
    type=Name(),
    default="",
    metavar="REPO[:TAG]",
    help="Name in the payload instead of the image's own name.",
)


@click.command(
    "generate-payload",
    cls=GroupedCommand,
    short_help="Print the bytes to sign with a key that is elsewhere.",
    headings={"Payload": "--annotation --identity"},
    example="imagesig generate-payload ghcr.io/acme/app:1.0 > payload.json",
)
@click.argument("image", metavar="IMAGE")
@annotation_option
@identity_option
@output_option
@transport_options
def command(image: str, annotations: tuple[str, ...], identity: str, output: str, transport: Transport) -> None:
    """Print the bytes to sign for an image, for keys that only openssl or a REST service reaches.

    Sign exactly these bytes, without a newline at their end, and store the result with `imagesig attach`.
    """
    (opened,) = open_images([image], transport)
    made = generate_payload(opened, annotations=parse_annotations(annotations), identity=identity)
    for warning in made.warnings:
        note(f"warning: {made.image}: {warning}")
    if output == "json":
        write_json("generate-payload", {"images": [made.document()]})
    else:
        file(made.payload)
