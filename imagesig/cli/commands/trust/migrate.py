"""`imagesig trust migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagesig.api.outcome import shown_name
from imagesig.api.trust.migrating import migrate_trust
from imagesig.cli.help import GroupedCommand
from imagesig.cli.images_from import Images, repositories_options
from imagesig.cli.key_options import KeyOptions, key_uri_option, signing_key_options
from imagesig.cli.options import FilePath, no_recursive_option
from imagesig.cli.output.migrated import MigrationSummary, write_migrated
from imagesig.cli.output.outcomes import fleet_output_option, report, writer_for
from imagesig.cli.output.progress import Bar
from imagesig.cli.output.terminal import note
from imagesig.cli.sign_formats import sign_format_options
from imagesig.cli.transport import transport_options
from imagesig.cli.trust import TrustServerOptions, trust_server_options
from imagesig.formats import Format
from imagesig.images.open import Transport

if TYPE_CHECKING:
    from imagesig.api.options import MigrateTrustOptions


@click.command(
    "migrate",
    cls=GroupedCommand,
    short_help="Sign the tags of trust data in today's formats.",
    headings={
        "Key": "--key --certificate-chain --expect --allow-open-permissions --passphrase-file",
        "Trust data": "--pin --signer --trust-on-first-use --from --accept-expired",
        "Trust server": "--notary-server --notary-ca --offline",
        "Signature": "--format --expiry --timestamp-url --timestamp-root --dry-run",
        "Which images": "--images-from --no-recursive",
    },
    example="imagesig trust migrate --pin root.pub --key hashivault://release registry.example/app",
)
@key_uri_option
@repositories_options
@trust_server_options
@click.option(
    "--from",
    "backup",
    type=FilePath(folder=True, file=False),
    metavar="FOLDER",
    help="Read the trust data here, not from a server: a backup of its files, or docker's ~/.docker/trust.",
)
@click.option(
    "--accept-expired", is_flag=True, help="Use expired trust data, such as those of a server that has ended."
)
@sign_format_options
@no_recursive_option
@click.option("--dry-run", is_flag=True, help="Show what would be signed, without signing or writing.")
@signing_key_options
@fleet_output_option
@transport_options
def migrate(
    key_uri: str,
    images: Images,
    trust_server: TrustServerOptions,
    backup: Path | None,
    accept_expired: bool,
    formats: tuple[str | Format, ...],
    no_recursive: bool,
    dry_run: bool,
    key_options: KeyOptions,
    output: str,
    transport: Transport,
) -> None:
    """Sign every tag that the trust data of repositories name, in today's formats.

    The digest is the one that the trust data name, not the one of the registry's tag. The annotation
    imagesig.content-trust.signers names the signers. Running it again completes what failed and adds nothing else.

    The exit status is 0 if every signed tag is migrated, 10 if a repository has no trust data or a named tag is not in
    them, 11 if a digest is gone from the registry, and 12 if trust data have expired, lack a signer or cannot be
    verified.
    """
    trust = trust_server.authority("trust migrate: needs")
    options: MigrateTrustOptions = {
        "formats": formats,
        "recursive": not no_recursive,
        "dry_run": dry_run,
        "accept_expired": accept_expired,
        "trust_servers": trust_server.servers(backup),
        "transport": transport,
    }
    summary, writer = MigrationSummary("migrated"), writer_for(output, "trust migrate", write_migrated)
    with key_options.open(key_uri, timeout=transport.timeout) as key:
        outcomes = migrate_trust(images, key, trust, **options)
        for outcome in report(outcomes, writer, summary, Bar(None, "migrated")):
            for warning in outcome.result.warnings if outcome.result else ():
                note(f"warning: {shown_name(outcome.image)}: {warning}")
    raise click.exceptions.Exit(summary.status)
