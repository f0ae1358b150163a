"""`imagesig sign`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from imagesig.api.outcome import Outcome, shown_name
from imagesig.api.signed_image import SignedImage
from imagesig.api.signing import sign
from imagesig.api.signing_many import sign_many
from imagesig.cli.expiry import DURATION, expiring
from imagesig.cli.images_from import Images, images_from_option
from imagesig.cli.options import (
    FilePath,
    Name,
    certificate_chain_option,
    expect_option,
    open_images,
    parse_annotations,
    passphrase_option,
    permissions_option,
    sign_format_option,
    transport_options,
)
from imagesig.cli.output.failure import error_json
from imagesig.cli.output.outcomes import Summary, fleet_output_option, report, writer_for
from imagesig.cli.output.progress import Bar, image_progress
from imagesig.cli.output.render import word
from imagesig.cli.output.terminal import note, say
from imagesig.cli.settings import key_settings
from imagesig.cli.timestamp import timestamped
from imagesig.formats import DEFAULT_FORMATS, select_formats
from imagesig.images.open import Transport
from imagesig.keys.uri import open_key


@click.command("sign")
@click.option("--key", "key_uri", required=True, metavar="KEY_URI", help="Private key: a file or a key URI.")
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@images_from_option
@sign_format_option
@click.option("--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="Sign this along; repeatable.")
@click.option(
    "--identity", type=Name(), default="", metavar="REPO[:TAG]", help="Name to sign instead of the image's own."
)
@click.option(
    "--expiry",
    type=DURATION,
    help="How long notation signatures count, such as 12h30m; other formats have no expiry.",
)
@click.option(
    "--timestamp-url",
    type=Name(),
    default="",
    metavar="URL",
    help="RFC 3161 service that witnesses notation signatures.",
)
@click.option(
    "--timestamp-root",
    type=FilePath(),
    help="File with the root certificates that must vouch for that service.",
)
@click.option("--no-recursive", is_flag=True, help="Of an index, sign only the index and not its children.")
@click.option(
    "--replace",
    multiple=True,
    metavar="KEY",
    help="Public key of an old signer: then take away its signatures that say the same; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be signed; sign and write nothing.")
@certificate_chain_option
@expect_option
@permissions_option
@passphrase_option
@fleet_output_option
@transport_options
def command(
    key_uri: str,
    images: tuple[str, ...],
    images_from: str,
    formats: tuple[str, ...],
    annotations: tuple[str, ...],
    identity: str,
    expiry: timedelta | None,
    timestamp_url: str,
    timestamp_root: Path | None,
    no_recursive: bool,
    replace: tuple[str, ...],
    dry_run: bool,
    expect: Path | None,
    allow_open_permissions: bool,
    certificate_chain: Path | None,
    passphrase_file: Path | None,
    output: str,
    plain_http: bool,
    registry_ca: Path | None,
    timeout: float,
    signature_repository: str,
) -> None:
    """Sign images and store the signatures beside them.

    IMAGE is a reference such as ghcr.io/acme/app:1.0, or a local image: oci:DIRECTORY[:TAG|@DIGEST],
    oci-archive:FILE[:TAG|@DIGEST], docker-archive:FILE[:REFERENCE|@DIGEST] or dir:DIRECTORY.
    """
    named = Images(images, images_from)
    chosen = select_formats(formats or DEFAULT_FORMATS)
    if expiry is not None:
        chosen = expiring(chosen, expiry)
    if timestamp_url or timestamp_root is not None:
        chosen = timestamped(chosen, timestamp_url, timestamp_root)
    options: dict[str, Any] = {
        "formats": chosen,
        "annotations": parse_annotations(annotations),
        "identity": identity,
        "recursive": not no_recursive,
        "dry_run": dry_run,
    }
    settings = key_settings(
        passphrase_file, allow_open_permissions=allow_open_permissions, expect=expect, timeout=timeout
    )
    transport = Transport(plain_http, registry_ca, None, timeout, signature_repository)
    summary = Summary("planned" if dry_run else "signed")
    writer = writer_for(output, "sign", _write_text, _entry)
    with open_key(key_uri, chain=certificate_chain, settings=settings) as key:
        if named.known is None:
            outcomes = sign_many(named, key, transport=transport, replace=replace, **options)
            bar = Bar(named.total, "signed")
        else:
            # All or nothing until the first signature is attached: arguments are few enough to be drafted together.
            opened = open_images(
                named.known,
                plain_http=plain_http,
                registry_ca=registry_ca,
                timeout=timeout,
                signature_repository=signature_repository,
            )
            with image_progress(len(opened), "signed") as progress:
                signed = sign(opened, key, replace=replace, progress=progress, **options)
            outcomes = (Outcome(named.known[index], index, result) for index, result in enumerate(signed))
            bar = Bar(0, "signed")
        for outcome in report(outcomes, writer, summary, bar):
            for warning in outcome.result.warnings if outcome.result else ():
                note(f"warning: {shown_name(outcome.image)}: {warning}")
    raise click.exceptions.Exit(summary.status)


def _entry(outcome: Outcome[SignedImage]) -> dict[str, object]:
    if outcome.result is None:
        assert outcome.error is not None
        return {"image": shown_name(outcome.image), "signed": False, **error_json(outcome.error)}
    document: dict[str, object] = to_builtins(outcome.result)
    return document


def _write_text(result: SignedImage) -> None:
    say(f"{result.pinned}")
    say(f"  key       {result.public_key}  {result.key_id}")
    say(f"  identity  {result.identity or '(none)'}")
    for signature in result.signatures:
        where = f"  {word(signature.platform)}" if signature.platform else ""
        say(f"  {signature.state:9} {signature.format:7} {signature.digest}{where}")
    for removed in result.removed:
        where = f"  {word(removed.platform)}" if removed.platform else ""
        say(f"  {removed.state:9} {removed.format:7} {removed.digest}{where}  {removed.origin}")
