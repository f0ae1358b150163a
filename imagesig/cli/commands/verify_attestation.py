"""`imagesig verify-attestation`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from msgspec import Struct

from imagesig.api.verify.verifying import VerificationResult
from imagesig.api.verify.verifying_many import verify_many
from imagesig.cli.help import GroupedCommand
from imagesig.cli.images_from import Images, images_or_workloads_options
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import Name, choose_output, gathered, platform_option
from imagesig.cli.output.failure import note_rejections, note_unverified
from imagesig.cli.output.outcomes import Summary, report, writer_for
from imagesig.cli.output.progress import Bar
from imagesig.cli.output.render import certificate_line, word
from imagesig.cli.output.terminal import file, say
from imagesig.cli.policy_options import policy_of_command, policy_options
from imagesig.cli.settings import key_settings, witnesses_for
from imagesig.cli.transport import transport_options
from imagesig.cli.trust import Trust, threshold_option, trust_options, trusted_keys_option
from imagesig.cli.verifying_processes import workers_for
from imagesig.format_names import ATTESTATION_NAMES
from imagesig.images.open import Transport
from imagesig.in_toto.predicates import short_name
from imagesig.keys.uri import open_public_keys
from imagesig.policy import Identity, Policy
from imagesig.policy.attesters import AttestationQuery
from imagesig.policy.predicate import condition_in


class Attesters(Struct, frozen=True):
    """Who must attest, in place of a policy file."""

    keys: tuple[str, ...]
    threshold: int
    identity: str
    formats: tuple[str, ...]

    def policy(self, trust: Trust) -> Policy:
        identity = Identity.any() if self.identity == "any" else self.identity or None
        return trust.policy(
            self.keys, [], threshold=self.threshold, annotations={}, identity=identity, formats=self.formats
        )


class Asked(Struct, frozen=True):
    """What must be attested."""

    predicate_type: str
    conditions: tuple[str, ...]
    cel: tuple[str, ...]
    every: bool

    def query(self) -> AttestationQuery:
        return AttestationQuery.of(self.predicate_type, map(condition_in, self.conditions), self.cel, self.every)


_attester_options = gathered(
    "attesters",
    Attesters,
    {
        "keys": trusted_keys_option,
        "threshold": threshold_option,
        "identity": click.option(
            "--identity",
            type=Name(),
            default="",
            metavar="REPO[:TAG]",
            help="Name in the signature of an image index that proves BuildKit's statements; 'any' accepts every name.",
        ),
        "formats": click.option(
            "--format",
            "formats",
            multiple=True,
            type=click.Choice([item.name for item in ATTESTATION_NAMES]),
            help="Accept only attestations in this format; repeatable. cosign-x509 means the same as cosign, "
            "bundle-x509 the same as bundle. Default: every format.",
        ),
    },
)
_asked_options = gathered(
    "asked",
    Asked,
    {
        "predicate_type": click.option(
            "--type",
            "predicate_type",
            type=Name(),
            default="",
            metavar="NAME|URI",
            help="Type that must be attested: a URI, or a name such as slsaprovenance1, spdxjson, cyclonedx, vuln, "
            "openvex, custom. Not needed if the policy has requirements for attestations.",
        ),
        "conditions": click.option(
            "--condition",
            "conditions",
            multiple=True,
            metavar="'POINTER TEST VALUE'",
            help="Condition of the predicate, such as '/builder/id equals https://builder.example'; repeatable. "
            "Tests: equals, one_of, present, like, at_least, at_most, younger_than.",
        ),
        "cel": click.option(
            "--cel",
            multiple=True,
            metavar="EXPR",
            help="CEL expression over predicate, subject and signer; repeatable. Needs imagesig[cel].",
        ),
        "every": click.option(
            "--every", is_flag=True, help="Conditions must hold for every attestation of the type by trusted signers."
        ),
    },
)


@click.command(
    "verify-attestation",
    cls=GroupedCommand,
    short_help="Verify attestations of images; print what is attested.",
    headings={
        "Whom to trust": """
            --key --ca --certificate-identity --threshold --identity --format --policy --policy-from
            --allow-unverified --trust-policy --trust-store --scope --notation --passphrase-file
        """,
        "What is attested": "--type --condition --cel --every",
        "Which images": "--images-from --workload --platform",
    },
    example="imagesig verify-attestation --key release.pub --type slsaprovenance1 ghcr.io/acme/app:1.0",
)
@_attester_options
@trust_options
@_asked_options
@images_or_workloads_options
@platform_option
@policy_options
@passphrase_option
@choose_output(
    "text",
    "predicate",
    "json",
    "jsonl",
    help_text="Format of stdout: predicate is each distinct proven predicate, followed by a line break; json is one "
    "document, jsonl one line for each image as soon as it is known.",
)
@transport_options
def command(
    attesters: Attesters,
    trust: Trust,
    asked: Asked,
    images: Images,
    platform: str,
    policy_file: Path | None,
    policy_from: str | None,
    allow_unverified: bool,
    passphrase_file: Path | None,
    output: str,
    transport: Transport,
) -> None:
    """Verify that trusted signers attest something of images, such as their provenance, and print what is attested.

    IMAGE is a reference or a local image, as of `imagesig verify`. Signatures of the image are not read. If no option
    says whom to trust, the default policy applies, as of `imagesig verify`.
    """
    query = asked.query()
    open_keys = partial(open_public_keys, settings=key_settings(passphrase_file, timeout=transport.timeout))
    policy = query.policy(policy_of_command(policy_file, policy_from, lambda: attesters.policy(trust)))
    if not policy.rules:
        # Opened first: an unusable key is one error of the command, not one for every image.
        policy = Policy(policy.default.opened(open_keys))
    summary = Summary("verified")
    show = _write_predicates if output == "predicate" else _write_text
    with workers_for(policy, open_keys, images.total) as workers:
        outcomes = verify_many(
            images.known or images,
            workers.policy,
            workers=workers.count,
            executor=workers.executor,
            platform=platform,
            allow_unverified=allow_unverified,
            transport=transport,
            open_keys=workers.open_keys,
            witnesses=witnesses_for(policy),
            in_order=output != "jsonl",
        )
        writer = writer_for(output, "verify-attestation", show)
        for _ in report(outcomes, writer, summary, Bar(images.total, "verified")):
            pass
    raise click.exceptions.Exit(summary.status)


def _write_predicates(result: VerificationResult) -> None:
    """Writes each distinct predicate once: often a bundle and a classic attestation say the same."""
    note_unverified(result)
    for predicate in dict.fromkeys(statement.predicate for statement in result.statements):
        file(predicate + b"\n")


def _write_text(result: VerificationResult) -> None:
    """Writes the name to deploy and what is attested to stdout, and text that others wrote to stderr."""
    note_unverified(result)
    lines = [result.pinned]
    if result.through_index:
        lines.append(f"  {word(result.platform)} is listed in the index that was attested")
    for statement in result.statements:
        signature = statement.signature
        name = short_name(statement.predicate_type)
        lines.append(f"  attested  {word(name)}  {signature.format:7} {signature.fingerprint}  {statement.authority}")
        if statement.index:
            lines.append(f"    unsigned itself: it is in the signed index {statement.index}")
        if signature.chain:
            lines.append(f"    signer     {certificate_line(signature.chain[0])}")
        lines += [f"    {check.name:10} {check.detail}" for check in signature.checks if check.passed]
    note_rejections(result, "attestation")
    say(*lines, flush=False)
