"""What a rule does if a check fails that it may log or skip."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.policy.exact import check_kind
from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, EXPIRY, REVOCATION, TIMESTAMP_REVOCATION


class Action(Enum):
    """What a failed check does: it rejects the signature, is logged only, or is not made."""

    ENFORCE = "enforce"
    LOG = "log"
    SKIP = "skip"


class Enforcement(Struct, frozen=True):
    """The action for each check that has a choice; every other check is enforced.

    Spec: Notary Project trust-store-trust-policy, "Signature Verification".

    Raises:
        InvalidArgument: a value is no `Action`, or authenticity is skipped.
    """

    authenticity: Action = Action.ENFORCE
    authentic_timestamp: Action = Action.ENFORCE
    expiry: Action = Action.ENFORCE
    revocation: Action = Action.ENFORCE

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_kind(getattr(self, name), (Action,), f"enforcement: {name}")
        if self.authenticity is Action.SKIP:
            raise InvalidArgument("enforcement: authenticity cannot be skipped", hint="log it: Action.LOG")

    def __str__(self) -> str:
        """For people: every check with its action."""
        names = ((name.replace("_", " "), getattr(self, name)) for name in self.__struct_fields__)
        return ", ".join(f"{name} {action.value}" for name, action in names)

    def action(self, check: str) -> Action:
        """The action for the check with this name."""
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
