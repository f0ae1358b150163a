"""Which keys, how many of them, under which name, with which annotations."""

from __future__ import annotations

import pickle
from itertools import permutations
from time import process_time

import pytest
from msgspec.structs import replace

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType
from imagesig.errors import (
    Expired,
    IdentityMismatch,
    InvalidArgument,
    KeyMismatch,
    NoSignatureAccepted,
    NotTrusted,
    SubjectMismatch,
)
from imagesig.keys.file.private_key import PrivateKey
from imagesig.oci.annotations import Annotations
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import (
    AUDIT,
    PERMISSIVE,
    AcceptAnything,
    Identity,
    KeyReference,
    Policy,
    Reject,
    Rule,
    Scope,
    Signed,
)
from imagesig.policy.judge import judge
from imagesig.policy.requirement import formats_of
from imagesig.policy.scope import scopes_of
from imagesig.policy.verdict import Verdict
from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, EXPIRY, Check, Claim, Examined, Subject
from imagesig.trust import CertificateAuthority, TrustedKey
from tests.chains import root
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


def rule(policy: Policy) -> Signed:
    (requirement,) = policy.select(Location(reference=IMAGE)).signed
    return requirement


def verdict(policy: Policy, *signatures: Examined) -> Verdict:
    return judge(Subject(DIGEST), IMAGE, rule(policy), signatures)


def accepted(policy: Policy, *signatures: Examined) -> int:
    """How many were accepted; raises if that is not enough."""
    made = verdict(policy, *signatures)
    if made.failure:
        raise made.failure
    return len(made.accepted)


def test_any_of_is_satisfied_by_one_key() -> None:
    assert accepted(Policy.any_of(A.public_key, B.public_key), examined(B)) == 1


@pytest.mark.parametrize("kind", [list, tuple, set])
def test_a_list_of_keys_is_not_taken_for_all_of_them(kind: type) -> None:
    keys = [private_key().public_key, PrivateKey.generate(KeyType.ED25519).public_key]
    with pytest.raises(InvalidArgument, match=f"all_of with a {kind.__name__} of keys") as caught:
        Policy.all_of(kind(keys))
    assert "*keys" in caught.value.hint
    assert Policy.all_of(*keys) != Policy.any_of(kind(keys))


def test_all_of_needs_every_key() -> None:
    policy = Policy.all_of(A.public_key, B.public_key)
    assert accepted(policy, examined(A), examined(B)) == 2
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted signers, found 1"):
        accepted(policy, examined(A), examined(A))


def test_a_threshold_counts_distinct_keys() -> None:
    policy = Policy.at_least(2, A.public_key, B.public_key, C.public_key)
    assert accepted(policy, examined(A), examined(C)) == 2
    with pytest.raises(NoSignatureAccepted):
        accepted(policy, examined(A), examined(A), examined(A))


def test_all_versions_of_a_rotated_key_are_one_signer() -> None:
    rotated = TrustedKey("vault", (A.public_key, B.public_key))
    assert rule(Policy.all_of(rotated, C.public_key)).needed == 2


def test_keys_that_share_a_public_key_are_one_signer() -> None:
    first = (A.public_key, B.public_key)
    second = (B.public_key, C.public_key)
    for keys in ((first, second), (A.public_key, C.public_key, (A.public_key, C.public_key))):
        assert len(rule(Policy.any_of(*keys)).anchors.keys) == 1
        with pytest.raises(InvalidArgument, match="distinct"):
            Policy.all_of(*keys)
        with pytest.raises(InvalidArgument, match="distinct"):
            Policy.at_least(2, *keys)


def test_a_key_that_is_given_twice_under_one_name_is_one_signer() -> None:
    policy = Policy.at_least(2, A.public_key, A.public_key, B.public_key)
    assert accepted(policy, examined(A), examined(B)) == 2
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted signers, found 1"):
        accepted(policy, examined(A), examined(A))


def test_a_policy_without_keys_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Policy.any_of()
    for threshold in (None, 0, 1):
        with pytest.raises(InvalidArgument):
            Signed((), threshold)


def test_a_requirement_knows_its_certificate_authorities_and_what_is_not_open() -> None:
    authority, key = CertificateAuthority("ca", root().chain), TrustedKey("key", (A.public_key,))
    requirement = Signed((key, authority, KeyReference("release.pub")))
    assert requirement.certificate_authorities == (authority,)
    assert requirement.references == (KeyReference("release.pub"),)


@pytest.mark.parametrize("threshold", [0, -1, 3])
def test_a_threshold_that_cannot_be_met_is_refused(threshold: int) -> None:
    with pytest.raises(InvalidArgument):
        Policy.at_least(threshold, A.public_key, B.public_key)


def test_a_key_that_is_not_opened_is_refused_until_it_is_opened() -> None:
    selected = Policy.any_of("release.pub").select(Location())
    with pytest.raises(InvalidArgument, match="not opened"):
        _ = selected.signed[0].anchors
    opened = selected.opened(lambda _text: (A.public_key,))
    assert opened.signed[0].anchors.keys[0].name == "release.pub"


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


def test_an_exact_identity_needs_a_format_that_names_the_repository() -> None:
    with pytest.raises(IdentityMismatch, match="names no repository"):
        Identity.exactly(NAME).match(None, parse_reference(f"{NAME}:1.0"), DIGEST)


def test_any_identity_compares_nothing() -> None:
    assert Identity.any().match("whatever", parse_reference(f"{NAME}:1.0"), DIGEST)


def test_an_identity_with_a_digest_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Identity.exactly(f"{NAME}@{DIGEST}")


# --- rules and scopes -------------------------------------------------------------------------------------------------


def test_the_scopes_of_an_image_go_from_its_tag_to_every_domain_above_it() -> None:
    location = Location(reference=parse_reference("yet.another.example.com:8443/ns/repo:tag"))
    assert [scope.name for scope in scopes_of(location)] == [
        "yet.another.example.com:8443/ns/repo:tag",
        "yet.another.example.com:8443/ns/repo",
        "yet.another.example.com:8443/ns",
        "yet.another.example.com:8443",
        "*.another.example.com",
        "*.example.com",
        "*.com",
        "",
    ]


def test_the_most_specific_rule_wins_and_nothing_is_inherited() -> None:
    near, far = Rule((Signed((TrustedKey("near", (A.public_key,)),)),)), Rule((AcceptAnything(),))
    policy = Policy(rules={Scope("docker", "registry.example/team"): near, Scope("docker", "registry.example"): far})
    assert policy.select(Location(reference=IMAGE)) is near
    assert policy.select(Location(reference=parse_reference("registry.example/other:1"))) is far


def test_an_image_without_a_rule_is_rejected() -> None:
    selected = Policy(rules={Scope("docker", "a.example"): Rule((AcceptAnything(),))}).select(Location(reference=IMAGE))
    assert isinstance(selected.requirements[0], Reject)


def test_a_rule_without_requirements_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no requirement"):
        Rule(())


def test_a_key_outside_its_window_is_refused_unless_expiry_is_logged() -> None:
    expired = Check.failed(EXPIRY, Expired("the key counted until yesterday"))
    signature = replace(examined(A), checks=(expired,))
    with pytest.raises(NoSignatureAccepted):
        accepted(Policy.any_of(A.public_key), signature)
    logged = replace(rule(Policy.any_of(A.public_key)), enforcement=PERMISSIVE)
    made = judge(Subject(DIGEST), IMAGE, logged, [signature])
    assert made.failure is None
    assert made.verified
    assert made.warnings == ("layer 0: the key counted until yesterday",)


def test_an_uncertified_signer_passes_an_audit_without_proof() -> None:
    stranger = replace(examined(A), authority="", checks=(Check.failed(AUTHENTICITY, NotTrusted("a stranger")),))
    audited = replace(rule(Policy.any_of(A.public_key)), enforcement=AUDIT)
    made = judge(Subject(DIGEST), IMAGE, audited, [stranger])
    assert made.failure is None
    assert not made.verified
    assert judge(Subject(DIGEST), IMAGE, rule(Policy.any_of(A.public_key)), [stranger]).failure


def test_one_public_key_under_two_authorities_is_one_signer() -> None:
    policy = Policy.at_least(2, A.public_key, B.public_key)
    twice = (examined(A), replace(examined(A), authority=B.public_key.fingerprint))
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted signers, found 1"):
        accepted(policy, *twice)


# --- one signer that fits several authorities -----------------------------------------------------------------------


def shared(*names: str, threshold: int | None = None) -> Policy:
    """Authorities that share a root, every one of them needed unless a threshold says otherwise."""
    authorities = tuple(CertificateAuthority(name, root().chain) for name in names)
    return Policy(Rule((Signed(authorities, threshold),)))


def by(key: PrivateKey, *names: str, checks: tuple[Check, ...] = (), digest: str = DIGEST) -> Examined:
    """A signature that these authorities vouch for, in this order."""
    first, *others = (
        replace(item, authority=name, checks=(*item.checks, *checks))
        for item in [examined(key, digest=digest)]
        for name in names
    )
    return replace(first, by_others=tuple(others))


@pytest.mark.parametrize("order", list(permutations((by(A, "x", "y"), by(B, "x")))), ids=["wide first", "narrow first"])
def test_a_signature_of_two_authorities_is_credited_to_the_one_that_has_no_other(
    order: tuple[Examined, ...],
) -> None:
    made = verdict(shared("x", "y"), *order)
    assert made.failure is None
    assert {item.authority: item.public_key for item in made.accepted} == {"x": B.public_key, "y": A.public_key}
    assert [finding.accepted for finding in made.findings] == [("layer 0",), ("layer 0",)]


def test_one_signature_is_credited_to_one_authority_and_the_other_has_the_reason() -> None:
    made = verdict(shared("x", "y"), by(A, "x", "y"))
    assert "needs 2 trusted signers, found 1" in str(made.failure)
    assert len(made.accepted) == 1
    assert str(made.findings[1]) == "y: layer 0 fits, but is credited to x: one signer is credited once"


def test_one_key_is_credited_to_one_authority_however_often_it_signs() -> None:
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted signers, found 1"):
        accepted(shared("x", "y"), by(A, "x", "y"), by(A, "y", "x"), by(A, "y"))
    with pytest.raises(NoSignatureAccepted, match="needs 3 trusted signers, found 2"):
        accepted(shared("x", "y", "z", threshold=3), *(by(key, "x", "y", "z") for key in (A, B, A, B)))
    assert accepted(shared("x", "y", "z"), *(by(key, "x", "y", "z") for key in (A, B, C))) == 3


@pytest.mark.parametrize("order", list(permutations((by(A, "ca"), by(B, "ca"), examined(A)))))
def test_a_key_with_a_certificate_is_credited_where_it_is_needed(order: tuple[Examined, ...]) -> None:
    policy = Policy.all_of(A.public_key, CertificateAuthority("ca", root().chain))
    made = verdict(policy, *order)
    assert made.failure is None
    assert verdict(policy, *(item for item in order if item.public_key == A.public_key)).failure


def test_a_signature_that_one_authority_no_longer_certifies_may_fit_another() -> None:
    late = Check.failed(AUTHENTIC_TIMESTAMP, Expired("its intermediate has expired"))
    good, bad = by(A, "y"), by(A, "x", checks=(late,))
    signature = replace(bad, by_others=(good,))
    made = verdict(shared("x", "y", threshold=1), signature)
    assert made.failure is None
    assert [item.authority for item in made.accepted] == ["y"]
    assert made.rejections == ()
    assert made.findings[0].reasons[0] == "its intermediate has expired"
    assert verdict(shared("x", "y"), signature, by(B, "y")).failure


def test_a_signature_that_fits_no_authority_is_one_rejection() -> None:
    made = verdict(shared("x", "y"), by(A, "x", "y", digest=OTHER_DIGEST))
    assert len(made.rejections) == 1
    assert "1 signature rejected" in str(made.failure)
    assert all(OTHER_DIGEST in finding.reasons[0] for finding in made.findings)


def test_a_flood_of_signatures_does_not_make_judging_slow() -> None:
    names = [f"ca {number}" for number in range(20)]
    flood = [by(A, *names)] * 1000 + [by(B, *names)] * 1000
    started = process_time()
    assert verdict(shared(*names), *flood).failure
    assert process_time() - started < 5


def test_a_stated_size_and_media_type_must_be_the_images() -> None:
    policy = Policy.any_of(A.public_key)
    claim = Claim((Subject(DIGEST, "application/x", 7),), f"{NAME}:1.0")
    stating = replace(examined(A), claim=claim)
    for actual in (Subject(DIGEST, "application/y", 7), Subject(DIGEST, "application/x", 8)):
        assert judge(actual, IMAGE, rule(policy), [stating]).failure
    assert not judge(Subject(DIGEST, "application/x", 7), IMAGE, rule(policy), [stating]).failure


def test_a_stated_size_of_none_is_compared_too_and_a_missing_one_is_not() -> None:
    policy = Policy.any_of(A.public_key)
    for stated, fits in ((0, False), (-1, True), (7, True)):
        stating = replace(examined(A), claim=Claim((Subject(DIGEST, "application/x", stated),), f"{NAME}:1.0"))
        made = judge(Subject(DIGEST, "application/x", 7), IMAGE, rule(policy), [stating])
        assert (made.failure is None) == fits


def test_an_annotation_that_was_signed_as_needed_is_a_check_that_passed() -> None:
    policy = Policy.any_of(A.public_key, annotations={"a": "b"})
    claim = Claim((Subject(DIGEST, annotations=Annotations({"a": "b", "c": "d"})),), f"{NAME}:1.0")
    made = verdict(policy, replace(examined(A), claim=claim))
    (signature,) = made.accepted
    assert [check.detail for check in signature.checks if check.name == "annotation"] == ["a=b"]
    assert all(check.passed for check in signature.checks)
    assert made.warnings == ()


def test_findings_have_the_signatures_of_every_authority() -> None:
    policy = Policy.all_of(A.public_key, B.public_key, C.public_key)
    made = verdict(policy, examined(A), examined(B, digest=OTHER_DIGEST))
    by_name = {finding.authority: finding for finding in made.findings}
    assert by_name[A.public_key.fingerprint].accepted == ("layer 0",)
    assert OTHER_DIGEST in by_name[B.public_key.fingerprint].reasons[0]
    assert str(by_name[C.public_key.fingerprint]).endswith("no signature found")


def test_a_pinned_key_uri_opens_the_pinned_key_only() -> None:
    pinned = KeyReference("vault", fingerprint=A.public_key.fingerprint)
    assert pinned.opened(lambda _text: (B.public_key, A.public_key)).public_keys == (A.public_key,)
    with pytest.raises(KeyMismatch):
        pinned.opened(lambda _text: (B.public_key,))


def test_an_opened_key_has_the_name_that_was_given_or_else_its_text() -> None:
    for name, expected in (("", "release.pub"), ("release", "release")):
        opened = KeyReference("release.pub", name).opened(lambda _text: (A.public_key,))
        assert (opened.name, opened.public_keys) == (expected, (A.public_key,))


def test_the_name_of_a_file_in_place_of_an_authority_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidArgument) as failed:
        Signed(("release.pub",))
    assert "KeyReference(NAME)" in failed.value.hint


@pytest.mark.parametrize("given", [object(), None, 7, "text", type("Key", (TrustedKey,), {})("x", (A.public_key,))])
def test_an_authority_of_an_unknown_kind_is_refused(given: object) -> None:
    with pytest.raises(InvalidArgument, match="unknown kind"):
        Signed((given,))  # type: ignore[arg-type]


@pytest.mark.parametrize("certificates", [(), ("x",), (root().certificate, "x"), ("x", root().certificate), None])
def test_an_authority_has_certificates_and_nothing_else(certificates: object) -> None:
    with pytest.raises(InvalidArgument):
        Signed((CertificateAuthority("ca", certificates),))  # type: ignore[arg-type]


def test_the_formats_of_several_requirements_are_all_that_one_of_them_counts() -> None:
    key = TrustedKey("key", (A.public_key,))
    every, cosign, bundle = Signed((key,)), Signed((key,), formats=("cosign",)), Signed((key,), formats=("bundle",))
    assert formats_of([cosign, bundle]) == ("cosign", "bundle")
    assert formats_of([cosign, every]) == formats_of([every, cosign]) == formats_of([]) == ()
