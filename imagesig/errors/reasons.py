"""Why signatures do not count: one rejected signature, and the signatures of one authority."""

from __future__ import annotations

from typing import TYPE_CHECKING, NewType

from msgspec import Struct

if TYPE_CHECKING:
    from imagesig.errors import ImagesigError
else:
    ImagesigError = NewType("ImagesigError", object)  # for inspect.signature: the tree imports this module


class Rejection(Struct, frozen=True):
    """One rejected signature: where it was found, why, and the trusted authority that made it, if one did."""

    origin: str
    error: ImagesigError
    authority: str = ""

    def __post_init__(self) -> None:
        self.error.without_frames()

    def __str__(self) -> str:
        return f"{self.origin}: {self.error}"

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {"origin": self.origin, "error": type(self.error).__name__, "message": str(self.error)}


class Finding(Struct, frozen=True):
    """The signatures of one authority of a rule: origins of those that were accepted, reasons for the others.

    If both are empty, there was no signature by this authority.
    """

    authority: str
    accepted: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.accepted:
            return f"{self.authority}: signed"
        return f"{self.authority}: {'; '.join(dict.fromkeys(self.reasons)) or 'no signature found'}"

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {"authority": self.authority, "accepted": list(self.accepted), "reasons": list(self.reasons)}


def plain(item: str | Rejection | Finding) -> object:
    """The item as JSON has it."""
    return item if isinstance(item, str) else item.document()
