"""Errors for people on stderr, and their exit status."""

from __future__ import annotations

from collections.abc import Sequence

import click

from imagesig.errors import (
    AttachIncomplete,
    Finding,
    ImageNotFound,
    ImagesigError,
    InvalidArgument,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
    RemovalIncomplete,
    Unproved,
)

FAILED, USAGE, NO_SIGNATURES, IMAGE_NOT_FOUND, NOT_ACCEPTED, UNPROVED = 1, 2, 10, 11, 12, 13
_WORST_FIRST = (FAILED, USAGE, NOT_ACCEPTED, NO_SIGNATURES, IMAGE_NOT_FOUND, UNPROVED)


def exit_status(error: ImagesigError) -> int:
    """The exit status that stands for this error."""
    if isinstance(error, NoSignatures):
        return NO_SIGNATURES
    if isinstance(error, ImageNotFound):
        return IMAGE_NOT_FOUND
    if isinstance(error, NoSignatureAccepted | RefusedByPolicy):
        return NOT_ACCEPTED
    if isinstance(error, Unproved):
        return UNPROVED
    return USAGE if isinstance(error, InvalidArgument) else FAILED


def worst(statuses: list[int]) -> int:
    """One exit status for several images: the most serious one."""
    return next((status for status in _WORST_FIRST if status in statuses), 0)


def fail(error: ImagesigError, where: str = "") -> int:
    """Writes the error to stderr with its reasons and hint; returns its exit status. `where` is a place in a file."""
    click.echo(f"error: {where}{': ' if where else ''}{error}", err=True)
    if isinstance(error, NoSignatureAccepted):
        for rejection in error.rejections:
            click.echo(f"  - {rejection}", err=True)
        for finding in error.findings:
            click.echo(f"  needed: {finding}", err=True)
    if isinstance(error, Unproved):
        for reason in error.reasons:
            click.echo(f"  - {reason}", err=True)
    if isinstance(error, AttachIncomplete):
        for name in error.attached:
            click.echo(f"  attached: {name}", err=True)
        for name in error.missing:
            click.echo(f"  missing:  {name}", err=True)
    if isinstance(error, RemovalIncomplete):
        for name in error.removed:
            click.echo(f"  removed: {name}", err=True)
        for name in error.left:
            click.echo(f"  left:    {name}", err=True)
    for hint in dict.fromkeys(_hints(error)):
        click.echo(f"hint: {hint}", err=True)
    return exit_status(error)


def _hints(error: ImagesigError) -> list[str]:
    hints = [error.hint] if error.hint else []
    if isinstance(error, NoSignatureAccepted):
        hints += [rejection.error.hint for rejection in error.rejections if rejection.error.hint]
    return hints


def error_json(error: ImagesigError) -> dict[str, object]:
    """The error for machines: its class, sentence, hint, the reasons where there are several, and what was attached."""
    rejections = error.rejections if isinstance(error, NoSignatureAccepted) else ()
    parts: dict[str, object] = {}
    if isinstance(error, AttachIncomplete):
        parts = {"attached": list(error.attached), "missing": list(error.missing)}
    return {
        "error": type(error).__name__,
        "message": str(error),
        "hint": error.hint,
        "retryable": error.retryable,
        "rejections": [
            {"origin": item.origin, "error": type(item.error).__name__, "message": str(item.error)}
            for item in rejections
        ],
        **parts,
        "findings": findings_json(error.findings if isinstance(error, NoSignatureAccepted) else ()),
        "reasons": list(error.reasons) if isinstance(error, Unproved) else [],
    }


def findings_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """What was found of each authority that the rule names."""
    return [
        {"authority": item.authority, "accepted": list(item.accepted), "reasons": list(item.reasons)}
        for item in findings
    ]
