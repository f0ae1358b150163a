"""The verdict on attestations: subject, type, conditions, who signed, and what must hold for every one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

import imagesig.policy.judge_statements as module
from imagesig.crypto.algorithms import signing_algorithms
from imagesig.errors import (
    ConditionFailed,
    FormatViolation,
    InvalidArgument,
    PredicateMismatch,
    Rejection,
    SignatureInvalid,
    SubjectMismatch,
)
from imagesig.policy import Attested, Condition, Policy, Reject, Rule, Signed
from imagesig.policy.attesters import AttestationQuery
from imagesig.policy.judge import judge
from imagesig.policy.judge_statements import StatementJudge
from imagesig.policy.verdict import RuleVerdict, Verdict
from imagesig.signature import Check, Claim, Examined, StatementClaim, Subject
from imagesig.trust import ContentTrust, TrustedKey
from tests.makers import private_key

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
TYPE = "https://slsa.dev/provenance/v1"
KEYS = tuple(TrustedKey(name, (private_key(number=number).public_key,)) for number, name in enumerate("abc"))
BUILDER = Condition("/builder", "equals", "x")


def attested(
    predicate: object = None,
    *,
    by: TrustedKey = KEYS[0],
    of: Sequence[str] = (DIGEST,),
    type_: str = TYPE,
    claim: Claim | None = None,
    origin: str = "place",
) -> Examined:
    content = predicate if isinstance(predicate, bytes) else json.dumps({} if predicate is None else predicate).encode()
    subjects = tuple(map(Subject, of))
    made = claim or StatementClaim(subjects, predicate_type=type_, predicate=content, statement_type="v1")
    check = Check("signature", True, "made")
    return Examined(
        "bundle", origin, by.name, by.public_keys[0], signing_algorithms(by.public_keys[0].key_type)[0], made, (check,)
    )


def wants(threshold: int | None = 1, **options: object) -> Attested:
    return Attested(KEYS, threshold, predicate_type=TYPE, **options)  # type: ignore[arg-type]


def verdict(requirement: Attested, *examined: Examined, rejections: Sequence[Rejection] = ()) -> Verdict:
    found = StatementJudge(requirement, Subject(DIGEST), NOW)
    for item in examined:
        found.add(item)
    for rejection in rejections:
        found.reject(rejection)
    return found.verdict("app")


def reasons(requirement: Attested, *examined: Examined) -> list[type[Exception]]:
    judged = verdict(requirement, *examined)
    assert judged.failure is not None
    assert not judged.accepted
    return [type(item.error) for item in judged.rejections]


def test_one_attestation_of_the_type_by_a_trusted_key_is_enough() -> None:
    judged = verdict(wants(), attested({"builder": "x"}), attested({}, by=KEYS[1]))
    assert judged.failure is None
    assert judged.verified
    assert len(judged.accepted) == 2


@pytest.mark.parametrize("subjects", [(DIGEST,), (OTHER, DIGEST), (*(f"sha256:{n:064x}" for n in range(1000)), DIGEST)],
                         ids=["one", "two", "many"])  # fmt: skip
def test_any_subject_may_be_the_image(subjects: Sequence[str]) -> None:
    assert verdict(wants(), attested(of=subjects)).failure is None


@pytest.mark.parametrize("subjects", [(), (OTHER,)], ids=["none", "another"])
def test_an_attestation_of_something_else_is_rejected(subjects: Sequence[str]) -> None:
    assert reasons(wants(), attested(of=subjects)) == [SubjectMismatch]


@pytest.mark.parametrize("type_", ["https://slsa.dev/provenance/v0.2", f"{TYPE}/", TYPE.upper(), ""])
def test_an_attestation_of_another_type_is_rejected(type_: str) -> None:
    assert reasons(wants(), attested(type_=type_)) == [PredicateMismatch]


def test_a_signature_is_no_attestation_and_an_attestation_is_no_signature() -> None:
    assert reasons(wants(), attested(claim=Claim((Subject(DIGEST),)))) == [FormatViolation]
    judged = judge(Subject(DIGEST), None, Signed(KEYS), [attested()], image="app")
    assert [type(item.error) for item in judged.rejections] == [FormatViolation]
    assert judged.failure is not None


def test_the_two_kinds_of_accepted_claims_are_kept_apart() -> None:
    signed = judge(Subject(DIGEST), None, Signed(KEYS), [attested(claim=Claim((Subject(DIGEST),)))])
    made = RuleVerdict((signed, verdict(wants(), attested(origin="here"), attested(origin="there"))))
    assert [type(item.claim) for item in made.accepted] == [Claim]
    assert [item.origin for item in made.statements] == ["here", "there"]


def test_a_condition_decides_for_each_attestation() -> None:
    judged = verdict(wants(conditions=(BUILDER,)), attested({"builder": "y"}, by=KEYS[1]), attested({"builder": "x"}))
    assert judged.failure is None
    assert [item.authority for item in judged.accepted] == ["a"]
    assert [type(item.error) for item in judged.rejections] == [ConditionFailed]


def test_conditions_must_hold_for_one_attestation_together() -> None:
    both = wants(conditions=(BUILDER, Condition("/source", "equals", "s")))
    assert reasons(both, attested({"builder": "x"}), attested({"source": "s"})) == [ConditionFailed] * 2


@pytest.mark.parametrize(
    "predicate",
    [b'{"builder":"y","builder":"x"}', b'{"builder":"x","a":{"b":1,"b":2}}', b'{"builder":NaN}', b"", b"null", b"[]"],
)
def test_a_predicate_that_two_readers_may_understand_differently_meets_no_condition(predicate: bytes) -> None:
    assert reasons(wants(conditions=(BUILDER,)), attested(predicate)) == [ConditionFailed]


def test_a_predicate_is_parsed_once_and_only_if_a_condition_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(module, "parse_predicate", lambda content: parsed.append(content) or {"builder": "x"})
    assert verdict(wants(), attested(b"not JSON")).failure is None
    assert parsed == []
    assert verdict(wants(conditions=(BUILDER, BUILDER), cel=("predicate.builder == 'x'",)), attested(b"1")).verified
    assert parsed == [b"1"]


def test_a_predicate_of_an_attestation_that_fails_otherwise_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "parse_predicate", pytest.fail)
    requirement = wants(conditions=(BUILDER,))
    assert reasons(requirement, attested(of=(OTHER,)), attested(type_="https://other.example")) == [
        SubjectMismatch,
        PredicateMismatch,
    ]


def test_every_attestation_of_the_type_must_fit_if_that_is_asked_for() -> None:
    requirement = wants(conditions=(BUILDER,), every=True)
    good, bad = attested({"builder": "x"}), attested({"builder": "y"}, by=KEYS[1])
    assert verdict(requirement, good).failure is None
    failure = verdict(requirement, good, bad).failure
    assert failure is not None
    assert "every attestation" in str(failure)
    assert reasons(requirement, good, bad) == [ConditionFailed]


def test_every_attestation_must_fit_whichever_of_its_authorities_is_looked_at_first() -> None:
    requirement = wants(conditions=(BUILDER,), every=True)
    bad = attested({"builder": "y"}, by=KEYS[1])
    revoked = replace(bad, authority="a", checks=(Check.failed("revocation", SignatureInvalid("revoked")),))
    for first, other in ((revoked, bad), (bad, revoked)):
        failure = verdict(requirement, attested({"builder": "x"}), replace(first, by_others=(other,))).failure
        assert failure is not None
        assert "every attestation" in str(failure)


@pytest.mark.parametrize(
    "foreign",
    [attested({"builder": "y"}, of=(OTHER,)), attested({"builder": "y"}, type_="https://other.example")],
    ids=["of another image", "of another type"],
)
def test_what_is_not_about_the_image_and_the_type_does_not_have_to_fit(foreign: Examined) -> None:
    requirement = wants(conditions=(BUILDER,), every=True)
    stranger = Rejection("place", SignatureInvalid("nobody trusted"))
    assert verdict(requirement, attested({"builder": "x"}), foreign, rejections=[stranger]).failure is None


def test_a_threshold_is_of_distinct_keys_whose_attestations_fit() -> None:
    requirement = wants(2, conditions=(BUILDER,))
    good = attested({"builder": "x"})
    assert verdict(requirement, good, attested({"builder": "x"}, by=KEYS[1])).failure is None
    assert verdict(requirement, good, good, attested({"builder": "x"}, origin="again")).failure is not None
    assert verdict(requirement, good, attested({"builder": "y"}, by=KEYS[1])).failure is not None


def test_cel_sees_the_predicate_the_subject_and_the_signer() -> None:
    text = f"predicate.n == 9007199254740993 && subject.digest == '{DIGEST}' && signer.name == 'b'"
    requirement = wants(cel=(text,))
    assert verdict(requirement, attested({"n": 2**53 + 1}, by=KEYS[1])).failure is None
    assert reasons(requirement, attested({"n": 2**53 + 1})) == [ConditionFailed]
    assert reasons(requirement, attested({"n": 2**53}, by=KEYS[1])) == [ConditionFailed]


@pytest.mark.parametrize(
    "options",
    [
        {"predicate_type": "provenance"},
        {"predicate_type": ""},
        {"predicate_type": 1},
        {"predicate_type": TYPE, "conditions": ({"pointer": "/a", "equals": 1},)},
        {"predicate_type": TYPE, "cel": "true"},
        {"predicate_type": TYPE, "cel": ("",)},
        {"predicate_type": TYPE, "every": 1},
        {"predicate_type": TYPE, "threshold": 4},
        {"predicate_type": TYPE, "formats": ("notation",)},
        {"predicate_type": TYPE, "authorities": (ContentTrust(first_use=True),)},
        {"predicate_type": "https://sigstore.dev/cosign/sign/v1"},
    ],
)
def test_a_requirement_without_a_meaning_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        Attested(**({"authorities": KEYS} | options))  # type: ignore[arg-type]


def test_an_expression_is_compiled_before_any_image_is_read() -> None:
    with pytest.raises(InvalidArgument, match="cel"):
        Rule((wants(cel=("predicate.",)),)).opened(lambda _text: ())


# --- the question, and the rule that answers it -----------------------------------------------------------------------


def question(predicate_type: str = TYPE, **options: object) -> AttestationQuery:
    return AttestationQuery.of(predicate_type, options.get("conditions", ()), (), bool(options.get("every")))  # type: ignore[arg-type]


def test_the_signers_of_a_rule_are_its_attesters() -> None:
    (made,) = question(conditions=[{"pointer": "/builder", "equals": "x"}]).rule(Rule((Signed(KEYS, 2),))).attested
    assert made == wants(2, conditions=(BUILDER,))


def test_a_requirement_for_the_type_takes_the_place_of_the_signers() -> None:
    rule = Rule((Signed(KEYS), wants(3), Attested(KEYS, predicate_type="vuln")))
    assert question(every=True).rule(rule).requirements == (wants(3, every=True),)
    assert AttestationQuery().rule(rule).requirements == rule.requirements[1:]


@pytest.mark.parametrize(
    "requirement",
    [
        Attested(KEYS, predicate_type="vuln"),
        Signed(KEYS, annotations={"a": "b"}),  # type: ignore[arg-type]
        Signed(KEYS, formats=("notation",)),
        Signed((*KEYS, ContentTrust(first_use=True))),
        Reject(),
    ],
    ids=["another type", "annotations", "notation", "trust server", "reject"],
)
def test_a_rule_that_names_no_attester_refuses_every_image(requirement: Signed | Attested | Reject) -> None:
    assert question().rule(Rule((requirement,))).refuses_all
    assert question().policy(Policy(Rule((requirement,)))).default.refuses_all


def test_conditions_without_a_type_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="type"):
        question("", every=True)
