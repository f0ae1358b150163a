"""Which keys, how many of them, under which name, with which annotations."""

from __future__ import annotations

import pickle

import pytest

from imagesig.crypto.algorithms import ECDSA_SHA256
from imagesig.errors import IdentityMismatch, InvalidArgument, NoSignatureAccepted, SubjectMismatch
from imagesig.keys.private_key import PrivateKey
from imagesig.oci.annotations import Annotations
from imagesig.oci.reference import parse_reference
from imagesig.policy import Identity, Policy, Rule, judge
from imagesig.signature import Check, Claim, Examined, Subject
from imagesig.trust import TrustedKey
from tests.makers import DIGEST, NAME, OTHER_DIGEST, private_key

A, B, C = (private_key(number=number) for number in (1, 2, 3))
IMAGE = parse_reference(f"{NAME}:1.0")


def examined(
    key: PrivateKey, *, digest: str = DIGEST, reference: str | None = f"{NAME}:1.0", **annotations: str
) -> Examined:
    subject = Subject(digest, annotations=Annotations(annotations))
    name = key.public_key.fingerprint
    check = Check("signature", True, "made for a test")
    return Examined("cosign", "layer 0", name, key.public_key, ECDSA_SHA256, Claim((subject,), reference), (check,))


def rule(policy: Policy) -> Rule:
    return policy.select(IMAGE)


def accepted(policy: Policy, *signatures: Examined) -> int:
    return len(judge(DIGEST, IMAGE, rule(policy), signatures)[0])


def test_any_of_is_satisfied_by_one_key() -> None:
    assert accepted(Policy.any_of(A.public_key, B.public_key), examined(B)) == 1


def test_all_of_needs_every_key() -> None:
    policy = Policy.all_of(A.public_key, B.public_key)
    assert accepted(policy, examined(A), examined(B)) == 2
    with pytest.raises(NoSignatureAccepted, match="1 of the 2"):
        accepted(policy, examined(A), examined(A))


def test_a_threshold_counts_distinct_keys() -> None:
    policy = Policy.at_least(2, A.public_key, B.public_key, C.public_key)
    assert accepted(policy, examined(A), examined(C)) == 2
    with pytest.raises(NoSignatureAccepted):
        accepted(policy, examined(A), examined(A), examined(A))


def test_all_versions_of_a_rotated_key_are_one_signer() -> None:
    rotated = TrustedKey("vault", (A.public_key, B.public_key))
    selected = rule(Policy.all_of(rotated, C.public_key))
    assert selected.threshold == 2


def test_keys_that_share_a_public_key_are_one_signer() -> None:
    first = (A.public_key, B.public_key)
    second = (B.public_key, C.public_key)
    assert rule(Policy.all_of(first, second)).threshold == 1
    with pytest.raises(InvalidArgument, match="distinct"):
        rule(Policy.at_least(2, first, second))
    assert rule(Policy.all_of(A.public_key, C.public_key, (A.public_key, C.public_key))).threshold == 1


def test_a_policy_without_keys_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Policy.any_of()


@pytest.mark.parametrize("threshold", [0, -1, 3])
def test_a_threshold_that_cannot_be_met_is_refused(threshold: int) -> None:
    with pytest.raises(InvalidArgument):
        Policy.at_least(threshold, A.public_key, B.public_key)


def test_a_key_that_was_not_opened_is_refused_and_resolve_opens_it() -> None:
    policy = Policy.any_of("release.pub")
    with pytest.raises(InvalidArgument, match="not opened"):
        policy.select(None)
    assert policy.resolve(lambda _text: (A.public_key,)).select(None).anchors.keys[0].name == "release.pub"


def test_pem_text_is_a_key() -> None:
    assert rule(Policy.any_of(A.public_key.pem)).anchors.keys[0].public_keys == (A.public_key,)


def test_something_that_is_no_key_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Policy.any_of(("text", "more"))  # type: ignore[arg-type]


def test_a_signature_for_another_digest_is_refused_with_both() -> None:
    with pytest.raises(NoSignatureAccepted) as refused:
        accepted(Policy.any_of(A.public_key), examined(A, digest=OTHER_DIGEST))
    (rejection,) = refused.value.rejections
    assert isinstance(rejection.error, SubjectMismatch)
    assert DIGEST in str(rejection.error)
    assert OTHER_DIGEST in str(rejection.error)


def test_required_annotations_must_have_been_signed_with_these_values() -> None:
    policy = Policy.any_of(A.public_key, annotations={"build": "7"})
    assert accepted(policy, examined(A, build="7", more="x")) == 1
    for wrong in (examined(A), examined(A, build="8")):
        with pytest.raises(NoSignatureAccepted):
            accepted(policy, wrong)


def test_a_policy_and_its_rule_pickle() -> None:
    policy = Policy.any_of(A.public_key, annotations={"a": "b"}, identity=NAME)
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert pickle.loads(pickle.dumps(rule(policy))) == rule(policy)


# --- identities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed", "asked"),
    [
        (f"{NAME}:1.0", f"{NAME}:1.0"),
        (NAME, f"{NAME}:1.0"),
        (f"{NAME}:1.0", f"{NAME}@{DIGEST}"),
        (f"{NAME}:2.0", f"{NAME}@{DIGEST}"),
        (f"{NAME}:2.0", f"{NAME}:1.0@{DIGEST}"),
        ("index.docker.io/library/busybox:1", "busybox:1"),
        ("busybox", "docker.io/library/busybox:1"),
        (f"{NAME}@{DIGEST}", f"{NAME}:1.0"),
    ],
)
def test_names_that_fit_the_image(signed: str, asked: str) -> None:
    assert Identity.of_image().match(signed, parse_reference(asked), DIGEST)


@pytest.mark.parametrize(
    ("signed", "asked"),
    [
        (f"{NAME}:2.0", f"{NAME}:1.0"),
        ("registry.example/team/other:1.0", f"{NAME}:1.0"),
        ("other.example/team/app:1.0", f"{NAME}:1.0"),
        ("registry.example:5000/team/app:1.0", f"{NAME}:1.0"),
        ("", f"{NAME}:1.0"),
        ("NOT A NAME", f"{NAME}:1.0"),
        (f"{NAME}@{OTHER_DIGEST}", f"{NAME}:1.0"),
    ],
)
def test_names_that_do_not_fit_the_image(signed: str, asked: str) -> None:
    with pytest.raises(IdentityMismatch):
        Identity.of_image().match(signed, parse_reference(asked), DIGEST)


def test_an_exact_identity_is_for_images_that_moved() -> None:
    identity = Identity.exactly(NAME)
    assert identity.match(f"{NAME}:1.0", parse_reference("mirror.example/app:1.0"), DIGEST)
    with pytest.raises(IdentityMismatch):
        identity.match("mirror.example/app:1.0", parse_reference("mirror.example/app:1.0"), DIGEST)
    with pytest.raises(IdentityMismatch):
        Identity.exactly(f"{NAME}:1.0").match(f"{NAME}:2.0", None, DIGEST)


def test_an_exact_identity_wants_a_format_that_names_the_repository() -> None:
    with pytest.raises(IdentityMismatch, match="names no repository"):
        Identity.exactly(NAME).match(None, parse_reference(f"{NAME}:1.0"), DIGEST)


def test_any_identity_compares_nothing() -> None:
    assert Identity.any().match("whatever", parse_reference(f"{NAME}:1.0"), DIGEST)


def test_an_identity_with_a_digest_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Identity.exactly(f"{NAME}@{DIGEST}")
