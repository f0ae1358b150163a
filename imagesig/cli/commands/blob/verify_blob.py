"""`imagesig verify-blob`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from imagesig import limits
from imagesig.api.blob.verifying_blob import verify_blob
from imagesig.cli.blobs import blob_argument, blob_of
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import FilePath, Name, output_option
from imagesig.cli.output.render import certificate_line, word, write_json
from imagesig.cli.output.terminal import note, say
from imagesig.cli.policy_options import load_policy
from imagesig.cli.settings import key_settings, witnesses_for
from imagesig.cli.trust import Trust, authorities_option, holders_option, trusted_keys_option
from imagesig.keys.uri import open_public_keys
from imagesig.policy.predicate import condition_in
from imagesig.reading import read_bounded
from imagesig.signature import StatementClaim


@click.command(
    "verify-blob",
    cls=GroupedCommand,
    short_help="Verify the signature of a file.",
    headings={
        "Whom to trust": "--key --ca --certificate-identity --policy --passphrase-file",
        "Signature": "--signature --certificate-chain --bundle",
        "Attestation": "--type --condition --cel",
    },
    example="imagesig verify-blob --key release.pub --bundle app.tar.bundle app.tar",
)
@trusted_keys_option
@authorities_option
@holders_option
@click.option("--policy", "policy_file", type=FilePath(), metavar="FILE", help="Policy file; its default rule applies.")
@click.option("--signature", type=FilePath(), metavar="FILE", help="Signature in base64, or its raw bytes.")
@click.option(
    "--certificate-chain",
    type=FilePath(),
    metavar="FILE",
    help="PEM certificates of the signer, its own first, with --signature.",
)
@click.option("--bundle", type=FilePath(), metavar="FILE", help="Sigstore bundle in place of --signature.")
@click.option(
    "--type",
    "predicate_type",
    type=Name(),
    default="",
    metavar="NAME|URI",
    help="Type that the bundle must attest of the file, in place of a signature.",
)
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="'POINTER TEST VALUE'",
    help="Condition of the predicate, as of verify-attestation; repeatable.",
)
@click.option("--cel", multiple=True, metavar="EXPR", help="CEL expression over predicate, subject and signer.")
@blob_argument
@passphrase_option
@output_option
def command(
    keys: tuple[str, ...],
    authorities: tuple[Path, ...],
    holders: tuple[str, ...],
    policy_file: Path | None,
    signature: Path | None,
    certificate_chain: Path | None,
    bundle: Path | None,
    predicate_type: str,
    conditions: tuple[str, ...],
    cel: tuple[str, ...],
    blob: str,
    passphrase_file: Path | None,
    output: str,
) -> None:
    """Verify that a trusted key signed a file, or what comes on standard input, or attested something of it."""
    if (signature is None) == (bundle is None):
        raise click.UsageError("give one of --signature and --bundle")
    if policy_file is not None and (keys or authorities or holders):
        raise click.UsageError("--policy cannot be combined with --key, --ca and --certificate-identity")
    if policy_file is not None:
        policy = load_policy(policy_file, None)
    else:
        trust = Trust(authorities, holders)
        policy = trust.policy(keys, [], threshold=1, annotations={}, identity=None, formats=())
    settings = key_settings(passphrase_file)
    result = verify_blob(
        blob_of(blob),
        policy,
        signature=_signature(signature),
        bundle=bundle,
        chain=certificate_chain or (),
        predicate_type=predicate_type,
        conditions=map(condition_in, conditions),
        cel=cel,
        open_keys=partial(open_public_keys, settings=settings),
        witnesses=witnesses_for(policy),
    )
    note(*(f"warning: {text}" for text in result.warnings))
    if output == "json":
        write_json("verify-blob", {"blobs": [result.document()]})
        return
    say(result.digest)
    for item in (*result.signatures, *(statement.signature for statement in result.statements)):
        said = f"  {word(item.claim.predicate_type)}" if isinstance(item.claim, StatementClaim) else ""
        say(f"  verified  {item.public_key.fingerprint}  {item.authority}{said}")
        if item.chain:
            say(f"    signer     {certificate_line(item.chain[0])}")


def _signature(path: Path | None) -> bytes | None:
    return None if path is None else read_bounded(path, 2 * limits.SIGNATURE_VALUE_BYTES, "signature", streams=True)
