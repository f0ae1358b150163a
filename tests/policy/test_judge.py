"""The verdict of a whole rule: who is asked, and what is verified."""

from __future__ import annotations

import pytest
from msgspec import Struct

from imagesig.errors import (
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
    Rejection,
    SignatureInvalid,
    Unreachable,
)
from imagesig.policy import AcceptAnything, Reject, Rule, Signed, Unsupported
from imagesig.policy.judge import judge_rule
from imagesig.policy.verdict import RuleVerdict, Verdict
from imagesig.trust import TrustedKey
from tests.makers import private_key

SIGNED = Signed((TrustedKey("key", (private_key().public_key,)),))


class Shown(Struct):
    """Evidence that has these verdicts for requirements for signatures, one after the other."""

    verdicts: list[Verdict]

    def signatures(self, requirement: Signed) -> Verdict:
        assert self.verdicts, f"asked for signatures by {requirement.describe()}"
        return self.verdicts.pop(0)


class Unsigned:
    def signatures(self, _requirement: Signed) -> Verdict:
        raise NoSignatures("none")


PROOF, NO_PROOF = Verdict((), (), (), True), Verdict((), (), (), False)


def test_a_rule_is_verified_if_every_requirement_for_signatures_is() -> None:
    assert judge_rule(Rule((SIGNED, AcceptAnything())), Shown([PROOF])).verified
    assert not judge_rule(Rule((SIGNED,)), Shown([NO_PROOF])).verified
    assert not judge_rule(Rule((SIGNED, SIGNED)), Shown([PROOF, NO_PROOF])).verified


def test_a_rule_that_accepts_anything_asks_for_no_evidence_and_proves_nothing() -> None:
    assert not judge_rule(Rule((AcceptAnything(),)), Shown([])).verified


@pytest.mark.parametrize("rejecting", [Reject("no"), Unsupported("it asks for Fulcio")])
def test_a_rule_that_rejects_asks_for_no_evidence(rejecting: Reject) -> None:
    for requirements in ((rejecting,), (SIGNED, rejecting), (AcceptAnything(), SIGNED, rejecting)):
        with pytest.raises(RefusedByPolicy, match=f"app: rule line 1: {rejecting.reason}"):
            judge_rule(Rule(requirements, "line 1"), Shown([]), "app")


def test_what_the_evidence_raises_is_the_verdict() -> None:
    with pytest.raises(NoSignatures):
        judge_rule(Rule((AcceptAnything(), SIGNED)), Unsigned())


def test_a_rule_that_only_warns_keeps_the_failure_and_proves_nothing() -> None:
    verdict = judge_rule(Rule((SIGNED,), warn=True), Unsigned())
    assert isinstance(verdict.failure, NoSignatures)
    assert not verdict.verified
    assert verdict.warnings == ("none",)


def test_a_rule_that_only_warns_hides_no_error_other_than_a_refusal() -> None:
    class Unreached:
        def signatures(self, _requirement: Signed) -> Verdict:
            raise Unreachable("no answer")

    with pytest.raises(Unreachable):
        judge_rule(Rule((SIGNED,), warn=True), Unreached())


def test_the_rejections_of_a_failure_come_before_those_of_a_verdict() -> None:
    ours, theirs = (Rejection(name, SignatureInvalid("bad")) for name in ("ours", "theirs"))
    verdict = Verdict((), (theirs,), (), False)
    assert RuleVerdict((verdict,)).rejections == (theirs,)
    assert RuleVerdict((verdict,), NoSignatureAccepted("none", rejections=(ours,))).rejections == (ours,)
    assert RuleVerdict((verdict,), NoSignatures("none")).rejections == (theirs,)
    assert RuleVerdict(failure=NoSignatures("none")).rejections == ()
