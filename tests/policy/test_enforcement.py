"""What a rule may log or skip: each check by its own action, and every other check enforced."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.policy import AUDIT, PERMISSIVE, STRICT, Action, Enforcement
from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, EXPIRY, REVOCATION, TIMESTAMP_REVOCATION

OWN = {
    "authenticity": {AUTHENTICITY},
    "authentic_timestamp": {AUTHENTIC_TIMESTAMP, TIMESTAMP_REVOCATION},
    "expiry": {EXPIRY},
    "revocation": {REVOCATION},
}
CHECKS = {*set().union(*OWN.values()), "signature", "subject", "identity", "annotation", ""}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("action", [Action.LOG, Action.SKIP])
def test_an_action_is_for_its_own_checks_alone(name: str, action: Action) -> None:
    if (name, action) == ("authenticity", Action.SKIP):
        with pytest.raises(InvalidArgument, match="cannot be skipped"):
            Enforcement(**{name: action})
        return
    enforcement = Enforcement(**{name: action})
    assert {check for check in CHECKS if enforcement.action(check) is action} == OWN[name]
    assert {check for check in CHECKS if enforcement.action(check) is Action.ENFORCE} == CHECKS - OWN[name]


def test_the_named_ones_are_the_specifications() -> None:
    assert {check: STRICT.action(check) for check in CHECKS} == dict.fromkeys(CHECKS, Action.ENFORCE)
    every = set().union(*OWN.values())
    assert {check for check in CHECKS if AUDIT.action(check) is Action.LOG} == every
    assert {check for check in CHECKS if PERMISSIVE.action(check) is Action.LOG} == every - {AUTHENTICITY}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("value", ["log", None, True, "enforce"])
def test_an_action_is_one_of_three(name: str, value: object) -> None:
    with pytest.raises(InvalidArgument):
        Enforcement(**{name: value})  # type: ignore[arg-type]
