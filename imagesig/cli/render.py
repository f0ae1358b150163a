"""Results for machines (stable JSON) and untrusted text for terminals."""

from __future__ import annotations

import json

import click

from imagesig.crypto.certificate import Certificate
from imagesig.signature import Claim

JSON_VERSION = 1


def write_json(command: str, items: list[dict[str, object]], member: str = "images") -> None:
    """One document on stdout: `{"imagesig": 1, "command": …, "images": […]}`. Members are added, never changed."""
    document = {"imagesig": JSON_VERSION, "command": command, member: items}
    click.echo(json.dumps(document, indent=2, ensure_ascii=True))


def write_json_error(command: str, error: dict[str, object]) -> None:
    """The document of a command that ended before it had results: the error stands where the results would."""
    results: dict[str, object] = {} if command == "key" else {"images": []}
    click.echo(json.dumps({"imagesig": JSON_VERSION, "command": command, **results, **error}, indent=2))


def claim_json(claim: Claim, digest: str) -> dict[str, object]:
    """What was claimed of the image with this digest."""
    annotations = next((dict(subject.annotations) for subject in claim.subjects if subject.digest == digest), {})
    return {
        "identity": claim.reference,
        "annotations": annotations,
        "subjects": [subject.digest for subject in claim.subjects],
    }


def certificate_json(certificate: Certificate) -> dict[str, object]:
    """One certificate; its names are what it says of itself."""
    return {
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
    }


def certificate_line(certificate: Certificate) -> str:
    return f"{certificate.subject}, until {certificate.not_after:%Y-%m-%d}, {certificate.fingerprint}"


def safe_text(untrusted: str) -> str:
    """Text from an artefact that cannot move the cursor or hide what else is on the screen."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in untrusted)
