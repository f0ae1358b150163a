"""Errors for people on stderr and for machines in JSON."""

from __future__ import annotations

from collections.abc import Collection
from itertools import zip_longest
from typing import TYPE_CHECKING, get_args

from imagesig.cli.output.terminal import note
from imagesig.errors import (
    AllowedUnverified,
    AttachIncomplete,
    ExitStatus,
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
        for name, reason in zip_longest(error.missing, error.reasons, fillvalue=""):
            note(f"  missing:  {name}{': ' if reason else ''}{reason}")
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


def note_rejections(result: VerificationResult, what: str = "signature") -> None:
    """Writes to stderr the first few rejected signatures of a verified image, or attestations. There may be many."""
    count = len(result.rejections)
    if not count:
        return
    note(f"{result.image}: {count} other {what}{'' if count == 1 else 's'} rejected:")
    note(*(f"  - {rejection}" for rejection in result.rejections[:_SHOWN]))
    if count > _SHOWN:
        note(f"  - and {count - _SHOWN} more; --output json has them all")


def _hints(error: ImagesigError) -> list[str]:
    hints = [error.hint] if error.hint else []
    if isinstance(error, NoSignatureAccepted):
        hints += [rejection.error.hint for rejection in error.rejections if rejection.error.hint]
    return hints
