"""`imagesig inspect`."""

from __future__ import annotations

import click

from imagesig.api.inspecting import InspectedAttestation, InspectedImage, inspect
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import output_option
from imagesig.cli.output.failure import fail
from imagesig.cli.output.render import certificate_line, word, write_json
from imagesig.cli.output.terminal import say
from imagesig.cli.transport import open_images, transport_options
from imagesig.formats.format import readable_hint
from imagesig.images.open import Transport


@click.command(
    "inspect",
    cls=GroupedCommand,
    short_help="Show stored signatures, unverified.",
    headings={},
    example="imagesig inspect ghcr.io/acme/app:1.0",
)
@click.argument("image", metavar="IMAGE")
@output_option
@transport_options
def command(image: str, output: str, transport: Transport) -> None:
    """Show the signatures that are stored for an image. Nothing is verified; do not trust it."""
    (opened,) = open_images([image], transport)
    found = inspect(opened, allow_incomplete=True)
    if output == "json":
        write_json("inspect", {"images": [found.document()]})
    else:
        _write_text(found)
    if found.failure:
        raise click.exceptions.Exit(fail(found.failure))


def _write_text(found: InspectedImage) -> None:
    say(found.pinned)
    if found.failure:
        say("  some content could not be read: there may be more signatures")
    if not found.signatures and not found.failure:
        say("  no signatures")
    if not found.signatures and not found.attestations:
        return
    say("  these claims are NOT verified; use `imagesig verify`")
    for signature in found.signatures:
        where = f"  {word(signature.platform)}" if signature.platform else ""
        say(f"  {signature.format or 'unknown':7} {signature.digest}{where}")
        say(f"    stored      {signature.origin}")
        if signature.key_hint:
            say(f"    key hint    {readable_hint(signature.key_hint)}")
        if signature.claim and signature.claim.reference is not None:
            say(f"    signed as   {signature.claim.reference}")
        for certificate in signature.chain:
            say(f"    certificate {certificate_line(certificate)}")
        for name, value in signature.attributes.items():
            say(f"    attribute   {name}={value}")
        for name, value in signature.annotations.items():
            say(f"    annotation  {name}={value}")
        if signature.problem:
            say(f"    problem     {signature.problem}")
    for attestation in found.attestations:
        _write_attestation(attestation)


def _write_attestation(attestation: InspectedAttestation) -> None:
    where = f"  {word(attestation.platform)}" if attestation.platform else ""
    say(f"  {attestation.format or 'unknown':7} {attestation.digest}{where}  attestation")
    say(f"    stored      {attestation.origin}")
    if attestation.predicate_type:
        say(f"    type        {attestation.predicate_type}")
    if attestation.key_hint:
        say(f"    key hint    {readable_hint(attestation.key_hint)}")
    if attestation.problem:
        say(f"    problem     {attestation.problem}")
