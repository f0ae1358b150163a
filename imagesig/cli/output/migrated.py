"""The report of a migration: a line for each tag, and how many have which outcome."""

from __future__ import annotations

from typing import get_args

from imagesig.api.outcome import Outcome
from imagesig.api.trust.migrating import MigratedTag
from imagesig.cli.output.outcomes import Summary
from imagesig.cli.output.render import word
from imagesig.cli.output.terminal import say
from imagesig.errors import Expired, ImagesigError, Label, NoSignatureAccepted

LABELS = {"migrated": "migrated", "present": "already signed", "planned": "planned", "unsigned": "nobody signed"}
"""The words for the states of a tag."""
EXPIRED = "expired"


class MigrationSummary(Summary):
    """How many tags have which outcome; `moved` tags are among them: the registry's tag means another digest now."""

    moved: int = 0

    def count(self, outcome: Outcome[MigratedTag]) -> None:
        result, error = outcome.result, outcome.error
        if result is not None:
            self.moved += result.moved
        self.add(error, LABELS[result.state] if result else EXPIRED if _is_expired(error) else "")

    def document(self) -> dict[str, int]:
        return {**super().document(), "moved": self.moved}

    def __str__(self) -> str:
        order = (*LABELS.values(), EXPIRED, *get_args(Label))
        counted = ", ".join(f"{self.counts[label]} {label}" for label in order if label in self.counts)
        return f"{self.total} tags: {counted}; {self.moved} moved in the registry"


def write_migrated(result: MigratedTag) -> None:
    """One tag in lines for people."""
    signers = f"  signed by {', '.join(map(word, result.signers))}" if result.signers else ""
    say(f"{LABELS[result.state]:14} {result.image}  {result.digest}{signers}".rstrip())
    if result.moved:
        say(f"  moved        the registry's tag means {result.registry_digest} now")
    if result.expired:
        say(f"  expired      its trust data were valid until {result.expired}; accepted by --accept-expired")


def _is_expired(error: ImagesigError | None) -> bool:
    rejections = error.rejections if isinstance(error, NoSignatureAccepted) else ()
    return bool(rejections) and all(isinstance(item.error, Expired) for item in rejections)
