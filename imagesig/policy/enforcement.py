"""What a rule does when a check fails that it need not enforce."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, EXPIRY, REVOCATION, TIMESTAMP_REVOCATION


class Action(Enum):
    ENFORCE = "enforce"
    LOG = "log"
    SKIP = "skip"


class Enforcement(Struct, frozen=True):
    """An action for each check that has a choice; every other check is enforced.

    Spec: Notary Project trust-store-trust-policy, "Signature Verification".
    """

    authenticity: Action = Action.ENFORCE
    authentic_timestamp: Action = Action.ENFORCE
    expiry: Action = Action.ENFORCE
    revocation: Action = Action.ENFORCE

    def action(self, check: str) -> Action:
        """The action for a check of that name."""
        return {
            AUTHENTICITY: self.authenticity,
            AUTHENTIC_TIMESTAMP: self.authentic_timestamp,
            TIMESTAMP_REVOCATION: self.authentic_timestamp,
            EXPIRY: self.expiry,
            REVOCATION: self.revocation,
        }.get(check, Action.ENFORCE)


STRICT = Enforcement()
PERMISSIVE = Enforcement(authentic_timestamp=Action.LOG, expiry=Action.LOG, revocation=Action.LOG)
AUDIT = Enforcement(Action.LOG, Action.LOG, Action.LOG, Action.LOG)
