"""`imagesig trust sign` and `imagesig trust revoke`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from imagesig.api.trust.changing import ChangedTrust
from imagesig.api.trust.revoking import revoke_trust
from imagesig.api.trust.signing import sign_trust
from imagesig.cli.commands.trust.changes import (
    TRUST_CHANGE_HEADINGS,
    TrustChangeOptions,
    change_each,
    trust_change_options,
)
from imagesig.cli.help import GroupedCommand
from imagesig.cli.options import output_option
from imagesig.cli.output.terminal import ask
from imagesig.cli.transport import transport_options
from imagesig.errors import InvalidArgument
from imagesig.images.open import Transport
from imagesig.oci.reference import parse_reference


@click.command(
    "sign",
    cls=GroupedCommand,
    short_help="Sign a tag in the trust data of its repository.",
    headings=TRUST_CHANGE_HEADINGS,
    example="imagesig trust sign registry.example/app:1.0",
)
@click.argument("images", metavar="REPO:TAG[@DIGEST]...", nargs=-1, required=True)
@trust_change_options
@output_option
@transport_options
def sign(images: Sequence[str], options: TrustChangeOptions, output: str, transport: Transport) -> None:
    """Sign tags as `docker trust sign` does; the digest comes from the registry, so no engine is needed.

    A tag is signed in every delegated role whose key is here: in docker's folder, or given with --key. A repository
    without signers is signed with its targets key, and one without trust data gets them.
    """
    with options.opened() as (keys, shared):

        def change(image: str) -> ChangedTrust:
            return sign_trust(image, keys, transport=transport, timeout=transport.timeout, **shared)

        change_each("trust sign", images, change, output)


@click.command(
    "revoke",
    cls=GroupedCommand,
    short_help="Remove tags from the trust data.",
    headings={"What": "--yes", **TRUST_CHANGE_HEADINGS},
    example="imagesig trust revoke registry.example/app:1.0",
)
@click.argument("images", metavar="REPO[:TAG]...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Revoke every tag of a repository without asking.")
@trust_change_options
@output_option
def revoke(images: Sequence[str], yes: bool, options: TrustChangeOptions, output: str) -> None:
    """Remove a tag, or every tag of a repository, from all roles whose keys are here."""
    references = [parse_reference(image) for image in images]
    if any(reference.digest for reference in references):
        raise InvalidArgument("trust revoke: a tag is revoked, not a digest", hint="give REPO:TAG")
    for reference in references:
        if not yes and not reference.tag:
            ask(f"Revoke every tag of {reference.repository}?", hint="to revoke without a question, give --yes")
    with options.opened() as (keys, shared):
        change_each("trust revoke", images, lambda image: revoke_trust(image, keys, **shared), output)
