"""Errors for people on stderr and for machines in JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, get_args

from imagesig.cli.output.terminal import note
from imagesig.errors import (
    AllowedUnverified,
    AttachIncomplete,
    ExitStatus,
    Finding,
    ImagesigError,
    NoSignatureAccepted,
    RemovalIncomplete,
)

if TYPE_CHECKING:
    from imagesig.api.verify.verifying import VerificationResult

_SHOWN = 10
"""The most rejected signatures that are shown for a verified image."""
FAILED, USAGE = 1, 2


def worst(statuses: Collection[int]) -> int:
    """The exit status for several images: the most serious one."""
    return next((status for status in get_args(ExitStatus) if status in statuses), 0)


def fail(error: ImagesigError, where: str = "") -> int:
    """Writes the error to stderr with its reasons and hint; returns its exit status. `where` is a place in a file."""
    note(f"error: {where}{': ' if where else ''}{error}")
    if isinstance(error, NoSignatureAccepted):
        for rejection in error.rejections:
            note(f"  - {rejection}")  # all of them: any may be the reason for the refusal
        for finding in error.findings:
            note(f"  needed: {finding}")
    if isinstance(error, AllowedUnverified):
        for reason in error.reasons:
            note(f"  - {reason}")
    if isinstance(error, AttachIncomplete):
        for name in error.attached:
            note(f"  attached: {name}")
        for name in error.missing:
            note(f"  missing:  {name}")
    if isinstance(error, RemovalIncomplete):
        for name in error.removed:
            note(f"  removed: {name}")
        for name in error.left:
            note(f"  left:    {name}")
    for hint in dict.fromkeys(_hints(error)):
        note(f"hint: {hint}")
    return error.exit_status


def note_unverified(result: VerificationResult) -> None:
    """Writes to stderr that an image passes without proof, and what its rule logs instead of enforcing."""
    if not result.verified:
        note(f"warning: {result.image}: not verified, but allowed by rule {result.rule}")
    note(*(f"warning: {result.image}: {warning}" for warning in result.warnings))


def note_rejections(result: VerificationResult) -> None:
    """Writes to stderr the first few rejected signatures of a verified image. There may be a thousand."""
    count = len(result.rejections)
    if not count:
        return
    note(f"{result.image}: {count} other signature{'' if count == 1 else 's'} rejected:")
    note(*(f"  - {rejection}" for rejection in result.rejections[:_SHOWN]))
    if count > _SHOWN:
        note(f"  - and {count - _SHOWN} more; --output json has them all")


def _hints(error: ImagesigError) -> list[str]:
    hints = [error.hint] if error.hint else []
    if isinstance(error, NoSignatureAccepted):
        hints += [rejection.error.hint for rejection in error.rejections if rejection.error.hint]
    return hints


def error_json(error: ImagesigError) -> dict[str, object]:
    """The error for machines: its class, sentence, hint, the reasons if there are several, and what was attached."""
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
        "reasons": list(error.reasons) if isinstance(error, AllowedUnverified) else [],
    }


def findings_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """The findings for each authority that the rule names."""
    return [
        {"authority": item.authority, "accepted": list(item.accepted), "reasons": list(item.reasons)}
        for item in findings
    ]
