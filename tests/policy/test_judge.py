"""The verdict of a whole rule: who is asked, and what is verified."""

from __future__ import annotations

import pytest

from imagesig.errors import NoSignatures, RefusedByPolicy
from imagesig.policy import AcceptAnything, Reject, Rule, Signed, Unsupported
from imagesig.policy.judge import Verdict, judge_rule
from imagesig.trust import TrustedKey
from tests.makers import private_key

SIGNED = Signed((TrustedKey("key", (private_key().public_key,)),))


def proves(_requirement: Signed) -> Verdict:
    return Verdict((), (), (), True)


def passes(_requirement: Signed) -> Verdict:
    return Verdict((), (), (), False)


def nobody(_requirement: Signed) -> Verdict:
    raise AssertionError("asked for signatures")


def test_a_rule_is_verified_if_every_requirement_for_signatures_is() -> None:
    assert judge_rule(Rule((SIGNED, AcceptAnything())), proves).verified
    assert not judge_rule(Rule((SIGNED,)), passes).verified
    verdicts = iter([proves(SIGNED), passes(SIGNED)])
    assert not judge_rule(Rule((SIGNED, SIGNED)), lambda _: next(verdicts)).verified


def test_a_rule_that_accepts_anything_asks_nobody_and_proves_nothing() -> None:
    assert not judge_rule(Rule((AcceptAnything(),)), nobody).verified


@pytest.mark.parametrize("rejecting", [Reject("no"), Unsupported("it asks for Fulcio")])
def test_a_rule_that_rejects_asks_nobody(rejecting: Reject) -> None:
    for requirements in ((rejecting,), (SIGNED, rejecting), (AcceptAnything(), SIGNED, rejecting)):
        with pytest.raises(RefusedByPolicy, match=f"app: rule line 1: {rejecting.reason}"):
            judge_rule(Rule(requirements, "line 1"), nobody, "app")


def test_what_looking_raises_is_the_verdict() -> None:
    def unsigned(_requirement: Signed) -> Verdict:
        raise NoSignatures("none")

    with pytest.raises(NoSignatures):
        judge_rule(Rule((AcceptAnything(), SIGNED)), unsigned)
