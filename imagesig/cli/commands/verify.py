"""`imagesig verify`."""

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
from imagesig.cli.options import Name, format_option, gathered, parse_annotations, platform_option
from imagesig.cli.output.failure import note_rejections, note_unverified
from imagesig.cli.output.outcomes import (
    FOR_CI_SYSTEMS,
    ReportWriter,
    Summary,
    Writer,
    report,
    verify_output_option,
    writer_for,
)
from imagesig.cli.output.progress import Bar
from imagesig.cli.output.render import certificate_line, word
from imagesig.cli.output.terminal import file, note, say
from imagesig.cli.policy_options import policy_of_command, policy_options
from imagesig.cli.settings import key_settings, witnesses_for
from imagesig.cli.transport import transport_options
from imagesig.cli.trust import (
    Trust,
    TrustServerOptions,
    threshold_option,
    trust_options,
    trust_server_options,
    trusted_keys_option,
    uses_trust_server,
)
from imagesig.cli.verifying_processes import workers_for
from imagesig.images.open import Transport
from imagesig.keys.uri import open_public_keys
from imagesig.policy import Identity, Policy


class Demands(Struct, frozen=True):
    """What the options require of every image's signatures, in place of a policy file."""

    keys: tuple[str, ...]
    threshold: int
    annotations: tuple[str, ...]
    identity: str
    formats: tuple[str, ...]

    def policy(self, trust: Trust, trust_server: TrustServerOptions) -> Policy:
        return trust.policy(
            self.keys,
            [trust_server.authority()] if trust_server.is_given else [],
            threshold=self.threshold,
            annotations=parse_annotations(self.annotations),
            identity=Identity.any() if self.identity == "any" else self.identity or None,
            formats=self.formats,
        )


_demand_options = gathered(
    "demands",
    Demands,
    {
        "keys": trusted_keys_option,
        "threshold": threshold_option,
        "annotations": click.option(
            "--annotation",
            "annotations",
            multiple=True,
            metavar="NAME=VALUE",
            help="Annotation that must be part of the signature.",
        ),
        "identity": click.option(
            "--identity",
            type=Name(),
            default="",
            metavar="REPO[:TAG]",
            help="Name that must be signed; 'any' accepts every name.",
        ),
        "formats": format_option(
            "formats",
            "Accept only signatures in this format; repeatable. cosign-x509 means the same as cosign, bundle-x509 the "
            "same as bundle. Default: every format.",
        ),
    },
)


@click.command(
    "verify",
    cls=GroupedCommand,
    short_help="Verify images; print pinned names.",
    headings={
        "Whom to trust": """
            --key --ca --certificate-identity --threshold --annotation --identity --format --policy
            --policy-from --allow-unverified --trust-policy --trust-store --scope --notation --passphrase-file
        """,
        "Docker Content Trust": """
            --notary-server --pin --signer --trust-on-first-use --notary-ca --offline
        """,
        "Which images": "--images-from --workload --print-pinned --platform",
    },
    example="imagesig verify --key release.pub ghcr.io/acme/app:1.0",
)
@_demand_options
@trust_options
@trust_server_options
@images_or_workloads_options
@click.option(
    "--print-pinned", is_flag=True, help="Print the --workload file with digests, if all images are verified."
)
@platform_option
@policy_options
@passphrase_option
@verify_output_option
@transport_options
def command(
    demands: Demands,
    trust: Trust,
    trust_server: TrustServerOptions,
    images: Images,
    print_pinned: bool,
    platform: str,
    policy_file: Path | None,
    policy_from: str | None,
    allow_unverified: bool,
    passphrase_file: Path | None,
    output: str,
    transport: Transport,
) -> None:
    """Verify that images are signed as required by a policy or by the given keys, and print the names to deploy.

    IMAGE is a reference such as ghcr.io/acme/app:1.0, or a local image: oci:DIRECTORY[:TAG|@DIGEST],
    oci-archive:FILE[:TAG|@DIGEST], docker-archive:FILE[:REFERENCE|@DIGEST] or dir:DIRECTORY.

    If no option says whom to trust, the default policy applies: the file named by IMAGESIG_POLICY, else
    ~/.config/imagesig/policy.toml, else /etc/imagesig/policy.toml. `imagesig policy init` makes one.
    """
    if print_pinned and (len(images.workloads) != 1 or output != "text"):
        raise click.UsageError("--print-pinned prints one file: give exactly one --workload, and no --output")
    open_keys = partial(open_public_keys, settings=key_settings(passphrase_file, timeout=transport.timeout))
    policy = policy_of_command(policy_file, policy_from, lambda: demands.policy(trust, trust_server))
    if not policy.rules:
        # Opened first: an unusable key is one error of the command, not one for every image.
        policy = Policy(policy.default.opened(open_keys))
    summary = Summary("verified")
    digests: dict[str, str] = {}
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
            trust_servers=trust_server.servers() if uses_trust_server(policy) else None,
            in_order=output != "jsonl",
        )
        for outcome in report(outcomes, _writer(output, quiet=print_pinned), summary, Bar(images.total, "verified")):
            if print_pinned and outcome.result is not None:
                digests[str(outcome.image)] = outcome.result.digest
    if print_pinned and not summary.status:
        file(images.workloads[0].pinned(digests))
    raise click.exceptions.Exit(summary.status)


def _writer(output: str, *, quiet: bool) -> Writer[VerificationResult]:
    if output in FOR_CI_SYSTEMS:
        # speed: few commands write a report (benchmarks/test_cli.py)
        from imagesig.cli.output.reports import REPORTS

        return ReportWriter(REPORTS[output])
    return writer_for(output, "verify", _say_nothing if quiet else _write_text)


def _say_nothing(_result: VerificationResult) -> None:
    """With `--print-pinned`, stdout holds only the file."""


def _write_text(result: VerificationResult) -> None:
    """Writes the name to deploy and what was verified to stdout, and text that others wrote to stderr."""
    note_unverified(result)
    lines = [result.pinned]
    if result.through_index:
        lines.append(f"  {word(result.platform)} is listed in the index that was signed")
    for signature in result.signatures:
        if not signature.authority:
            note(
                f"  - {signature.origin}: no trusted authority certified its signer, {signature.public_key.fingerprint}"
            )
            continue
        lines.append(f"  verified  {signature.format:7} {signature.public_key.fingerprint}  {signature.authority}")
        if signature.chain:
            lines.append(f"    signer     {certificate_line(signature.chain[0])}")
        lines += [f"    {check.name:10} {check.detail}" for check in signature.checks if check.passed]
    note_rejections(result)
    # speed: a system call for each image releases the lock that the verifying threads want (benchmarks/test_fleet.py)
    say(*lines, flush=False)
