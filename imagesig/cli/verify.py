"""`imagesig verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from imagesig.api.verifying import VerificationResult, verify_by_rule
from imagesig.cli.failure import error_json, exit_status, fail, findings_json, worst
from imagesig.cli.options import (
    format_option,
    open_images,
    parse_annotations,
    passphrase_option,
    transport_options,
)
from imagesig.cli.policy_options import OpenedRules, policy_of_command, policy_options
from imagesig.cli.progress import progress
from imagesig.cli.render import certificate_json, certificate_line, claim_json, safe_text, write_json
from imagesig.cli.reports import REPORTS, report_option, safe_lines
from imagesig.cli.settings import key_settings, witnesses_for
from imagesig.cli.trust import Trust, trust_options
from imagesig.concurrency import for_each
from imagesig.errors import ImagesigError
from imagesig.images.image import Image
from imagesig.policy import Identity, Policy


@dataclass(frozen=True, slots=True)
class _Outcome:
    image: Image
    result: VerificationResult | None
    error: ImagesigError | None


@click.command("verify")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Public key file or key URI; repeat for several.")
@trust_options
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--threshold", type=click.IntRange(min=1), default=1, show_default=True, help="Distinct keys needed.")
@click.option("--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="Must have been signed along.")
@click.option("--identity", default="", metavar="REPO[:TAG]", help="Name that must be signed; 'any' for any.")
@click.option("--platform", default="", metavar="OS/ARCH", help="Verify this child of a multi-platform image.")
@format_option
@policy_options
@passphrase_option
@report_option
@transport_options
def command(
    keys: tuple[str, ...],
    trust: Trust,
    images: tuple[str, ...],
    threshold: int,
    annotations: tuple[str, ...],
    identity: str,
    platform: str,
    formats: tuple[str, ...],
    policy_file: Path | None,
    policy_from: str,
    allow_unproved: bool,
    passphrase_file: Path | None,
    output: str,
    plain_http: bool,
    registry_ca: Path | None,
    timeout: float,
    signature_repository: str,
) -> None:
    """Verify that images are signed as a policy or the keys given demand, and print the names to deploy.

    IMAGE is a reference such as ghcr.io/acme/app:1.0, or a local image: oci:DIRECTORY[:TAG|@DIGEST],
    oci-archive:FILE[:TAG|@DIGEST], docker-archive:FILE[:REFERENCE|@DIGEST] or dir:DIRECTORY.
    """
    settings = key_settings(passphrase_file)

    def policy_of_options() -> Policy:
        return trust.policy(
            keys,
            threshold=threshold,
            annotations=parse_annotations(annotations),
            identity=Identity.any() if identity == "any" else identity or None,
            formats=formats,
        )

    policy = policy_of_command(policy_file, policy_from, policy_of_options)
    rules = OpenedRules(policy, settings)
    if not policy.rules:
        rules.open_default()
    opened = open_images(
        images,
        plain_http=plain_http,
        registry_ca=registry_ca,
        timeout=timeout,
        signature_repository=signature_repository,
    )
    witnesses = witnesses_for(policy)

    def verify_one(image: Image) -> _Outcome:
        try:
            rule = rules.rule_for(image)
            result = verify_by_rule(image, rule, platform=platform, allow_unproved=allow_unproved, witnesses=witnesses)
            return _Outcome(image, result, None)
        except ImagesigError as error:
            return _Outcome(image, None, error)

    with progress(len(opened), "verified"):
        outcomes = for_each(opened, verify_one)
    if output == "json":
        write_json("verify", [_outcome_json(outcome) for outcome in outcomes])
    elif output in REPORTS:
        click.echo(REPORTS[output](outcomes))
    for outcome in outcomes:
        if outcome.error is not None:
            fail(outcome.error)
        elif outcome.result is not None and output == "text":
            _write_text(outcome.result)
    raise click.exceptions.Exit(worst([exit_status(outcome.error) for outcome in outcomes if outcome.error]))


def _write_text(result: VerificationResult) -> None:
    click.echo(result.pinned)
    if result.through_index:
        click.echo(f"  {result.platform} is listed in the index that was signed")
    if not result.proved:
        click.echo(f"warning: {result.image}: not proved, rule {result.rule} lets it pass", err=True)
    for warning in result.warnings:
        click.echo(f"warning: {result.image}: {safe_lines(warning)}", err=True)
    for signature in result.signatures:
        click.echo(f"  verified  {signature.format:7} {signature.public_key.fingerprint}  {signature.authority}")
        if signature.chain:
            click.echo(f"    signer     {safe_text(certificate_line(signature.chain[0]))}")
        for check in signature.checks:
            click.echo(f"    {check.name:10} {check.detail}")
    if result.rejections:
        click.echo(f"  {len(result.rejections)} other signatures did not count:")
    for rejection in result.rejections:
        click.echo(f"    - {rejection}")


def _outcome_json(outcome: _Outcome) -> dict[str, object]:
    if outcome.result is None:
        assert outcome.error is not None
        return {"image": str(outcome.image), "verified": False, **error_json(outcome.error)}
    result = outcome.result
    return {
        "image": result.image,
        "verified": result.proved,
        "proved": result.proved,
        "rule": result.rule,
        "warnings": list(result.warnings),
        "findings": findings_json(result.findings),
        "digest": result.digest,
        "pinned": result.pinned,
        "platform": result.platform,
        "through_index": result.through_index,
        "signatures": [
            {
                "format": signature.format,
                "origin": signature.origin,
                "key": signature.authority,
                "public_key": signature.public_key.fingerprint,
                "algorithm": str(signature.algorithm),
                "certificates": [certificate_json(certificate) for certificate in signature.chain],
                **claim_json(signature.claim, result.digest),
                "checks": [
                    {"name": check.name, "passed": check.passed, "detail": check.detail} for check in signature.checks
                ],
            }
            for signature in result.signatures
        ],
        "rejections": [
            {"origin": item.origin, "error": type(item.error).__name__, "message": str(item.error)}
            for item in result.rejections
        ],
    }
