"""imagesig's own policy files: what they mean, and every wrong one refused with its line and the reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from imagesig.errors import InvalidArgument
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import (
    AUDIT,
    PERMISSIVE,
    AcceptAnything,
    Action,
    Identity,
    KeyReference,
    Policy,
    Reject,
    Scope,
    Signed,
)
from imagesig.policy.files.document import read_toml
from imagesig.policy.files.parse import parse_policy
from imagesig.trust import CertificateAuthority, Role, TrustedKey, Window
from imagesig.trust.holder import Holder, HolderKind
from tests.policy.files.documents import certificate, pem, policy_of, policy_of_toml

HEAD = 'version = 1\n[authorities]\na = { key_file = "a.pub" }\nb = { key_uri = "hashivault://b" }\n'


def requirement_of(text: str) -> Signed:
    """The requirement of a default rule that has this one."""
    (requirement,) = policy_of_toml(f"{HEAD}[default]\nrequire = [{{ {text} }}]\n").default.signed
    return requirement


def select(policy: Policy, reference: str) -> Any:
    return policy.select(Location(reference=parse_reference(reference)))


@pytest.mark.parametrize("subject", ["release", "CN", "CN=a,", "=x", "CN=a;O"])
def test_a_holder_that_is_no_distinguished_name_is_refused_as_that(subject: str) -> None:
    authority = {"ca_pem": certificate(), "holders": [{"subject": subject}]}
    with pytest.raises(InvalidArgument, match=r"a distinguished name .RFC 4514. is needed"):
        policy_of({"version": 1, "authorities": {"ca": authority}})


def test_everything_in_a_policy_may_be_described_and_the_document_may_name_its_schema() -> None:
    policy_of(
        {
            "$schema": "https://example/schema.json",
            "version": 1,
            "description": "the policy",
            "authorities": {"a": {"key_file": "a.pub", "description": "the key"}},
            "timestamp_authorities": {"tsa": {"ca_pem": certificate(2), "description": "the service"}},
            "rules": [{"scope": "registry.example", "require": [{"any": ["a"]}], "description": "the rule"}],
        }
    )


# --- what it means ------------------------------------------------------------------------------------------------


def test_an_empty_policy_rejects_every_image() -> None:
    for policy in (policy_of({"version": 1}), policy_of_toml("version = 1")):
        rule = select(policy, "registry.example/app:1")
        assert {type(item) for item in rule.requirements} == {Reject}


def test_a_policy_whose_scopes_do_not_match_rejects() -> None:
    policy = policy_of_toml(f'{HEAD}[[rules]]\nscope = "registry.example/prod"\nrequire = [{{ any = ["a"] }}]\n')
    assert select(policy, "registry.example/prod/app:1").signed
    for other in ("registry.example/production:1", "registry.example:5000/prod/app:1", "prod/app:1"):
        assert isinstance(select(policy, other).requirements[0], Reject), other


def test_the_most_specific_scope_wins_and_it_alone() -> None:
    policy = policy_of(
        {
            "version": 1,
            "authorities": {"a": {"key_file": "a.pub"}, "b": {"key_file": "b.pub"}},
            "default": "insecureAcceptAnything",
            "rules": [
                {"scope": "registry.example", "require": "reject"},
                {"scope": ["registry.example/team", "*.example.com"], "require": [{"any": ["a"]}]},
                {"scope": "registry.example/team/app:1", "require": [{"all": ["a", "b"]}, {"any": ["b"]}]},
            ],
        }
    )
    assert len(select(policy, "registry.example/team/app:1").requirements) == 2
    assert len(select(policy, "registry.example/team/app:2").signed[0].authorities) == 1
    assert isinstance(select(policy, "registry.example/other:1").requirements[0], Reject)
    assert select(policy, "x.example.com:5000/a:1").signed
    assert isinstance(select(policy, "elsewhere.example/a:1").requirements[0], AcceptAnything)


def test_a_rule_is_named_by_its_scope_file_and_line() -> None:
    policy = policy_of_toml(f'{HEAD}\n[[rules]]\nscope = "registry.example"\nrequire = "reject"\n')
    assert select(policy, "registry.example/a:1").name == "registry.example (policy.toml:6)"


def test_any_all_and_threshold_count_authorities() -> None:
    assert requirement_of('any = ["a", "b"]').threshold == 1
    assert requirement_of('all = ["a", "b"]').threshold is None
    assert requirement_of('threshold = 2, of = ["a", "b"]').threshold == 2


def test_keys_are_references_until_their_rule_applies_and_files_are_relative_to_the_policy() -> None:
    first, second = requirement_of('all = ["a", "b"]').authorities
    assert first == KeyReference("/etc/imagesig/a.pub", "a")
    assert second == KeyReference("hashivault://b", "b")


def test_a_key_has_a_window_and_a_fingerprint() -> None:
    fingerprint = "sha256:" + "12" * 32
    policy = policy_of_toml(
        "version = 1\n[authorities.a]\n"
        f'key_file = "/a.pub"\nfingerprint = "{fingerprint}"\n'
        'not_before = 2026-01-01T00:00:00Z\nnot_after = "2027-01-01T00:00:00+01:00"\n'
        '[default]\nrequire = [{ any = ["a"] }]\n'
    )
    (key,) = policy.default.signed[0].authorities
    assert isinstance(key, KeyReference)
    assert key.fingerprint == fingerprint
    assert key.window == Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC))


def test_inline_keys_may_be_all_versions_of_one_signer() -> None:
    policy = policy_of(
        {
            "version": 1,
            "authorities": {"a": {"key_pem": pem(1) + pem(2)}},
            "default": {"require": [{"any": ["a"]}]},
        }
    )
    (key,) = policy.default.signed[0].authorities
    assert isinstance(key, TrustedKey)
    assert (key.name, len(key.public_keys)) == ("a", 2)


def test_a_certificate_authority_has_a_role_and_holders() -> None:
    files = {"/etc/imagesig/roots.pem": certificate().encode()}
    text = (
        'version = 1\n[authorities.corp]\nca_file = "roots.pem"\nrole = "signingAuthority"\n'
        'holders = [{ subject = "CN=build,O=Acme" }, { email = "ci@acme.example" }]\n'
        '[timestamp_authorities.tsa]\nca_file = "roots.pem"\n'
        '[default]\nrequire = [{ any = ["corp"], timestamps = { any = ["tsa"], after_expiry_only = true } }]\n'
    )
    policy = parse_policy(read_toml(text.encode(), "p"), folder="/etc/imagesig", read_file=files.__getitem__)
    (requirement,) = policy.default.signed
    (authority,) = requirement.authorities
    assert isinstance(authority, CertificateAuthority)
    assert authority.role is Role.SIGNING_AUTHORITY
    assert authority.holders == (
        Holder(HolderKind.SUBJECT, "CN=build,O=Acme"),
        Holder(HolderKind.EMAIL, "ci@acme.example"),
    )
    assert requirement.timestamps is not None
    assert requirement.timestamps.after_expiry_only


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ('"matchImage"', Identity.of_image()),
        ('"any"', Identity.any()),
        ('"matchRepoDigestOrExact"', Identity.match_repo_digest_or_exact()),
        ('{ type = "matchRepository" }', Identity.match_repository()),
        ('{ type = "exactName", name = "a.example/b" }', Identity.exactly("a.example/b")),
        ('{ type = "exactReference", reference = "a.example/b:1" }', Identity.exact_reference("a.example/b:1")),
        ('{ type = "exactRepository", repository = "a.example/b" }', Identity.exact_repository("a.example/b")),
        (
            '{ type = "remapIdentity", prefix = "mirror.example", signed_prefix = "docker.io" }',
            Identity.remap_identity("mirror.example", "docker.io"),
        ),
    ],
)
def test_an_identity_is_a_name_or_a_table(text: str, identity: Identity) -> None:
    assert requirement_of(f'any = ["a"], identity = {text}').identity == identity


def test_enforcement_is_a_level_with_exceptions() -> None:
    assert requirement_of('any = ["a"], enforcement = "audit"').enforcement == AUDIT
    changed = requirement_of('any = ["a"], enforcement = { level = "permissive", expiry = "skip" }').enforcement
    assert changed.expiry is Action.SKIP
    assert changed.revocation is PERMISSIVE.revocation


def test_a_local_place_is_a_scope_of_its_transport() -> None:
    policy = policy_of_toml(f'{HEAD}[[rules]]\nscope = ["oci:/images", "dir:"]\nrequire = [{{ any = ["a"] }}]\n')
    assert set(policy.rules) == {Scope("oci", "/images"), Scope("dir")}
    assert policy.select(Location("oci", path="/images/team/x")).signed
    assert not policy.select(Location("oci", path="/imagesx")).signed


# --- what is wrong ------------------------------------------------------------------------------------------------

KEYS = 'version = 1\nauthorities.a = { key_file = "a.pub" }\n'
RULE = KEYS + '[[rules]]\nscope = "registry.example"\n'
REQUIRE = KEYS + "[default]\nrequire = [\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "the field 'version' is missing"),
        ("version = 2", 1, "version 2, version 1 is needed"),
        ("version = true", 1, "a boolean, a whole number is needed"),
        ("version = 1\n\nrule = []", 3, "rule: unknown field"),
        ("version = 1\nversion = 1", 2, "occurs twice"),
        ("version = 1\n[authorities.a]\n[authorities.a]", 3, "occurs twice"),
        ("version = 1\nrules = []", 2, "the list is empty"),
        ("version = 1\nauthorities = 3", 2, "a number, a table is needed"),
        # authorities
        (
            "version = 1\n[authorities]\na = {}",
            3,
            "one of key_file, key_uri, key_pem, ca_file, ca_pem, content_trust is needed",
        ),
        ("version = 1\n[authorities.a]\nkey_file = 'a'\nkey_uri = 'env://A'", 4, "cannot be combined with 'key_file'"),
        ("version = 1\n[authorities.a]\nkey_file = ''", 3, "empty, text is needed"),
        ("version = 1\n[authorities.a]\nkey_uri = 'a.pub'", 3, "'a.pub', a URI is needed"),
        ("version = 1\n[authorities.a]\nkey_pem = 'a.pub'", 3, "PEM text is needed"),
        ("version = 1\n[authorities.a]\nkey_pem = ' '", 3, "PEM text is needed"),
        ("version = 1\n[authorities.a]\nkey_file = 'a'\nrole = 'ca'", 4, "not allowed together with 'key_file'"),
        ("version = 1\n[authorities.a]\nkey_file = 'a'\nfingerprint = 'sha256:ab'", 4, "64 hex digits are needed"),
        ("version = 1\n[authorities.a]\nkey_file = 'a'\nnot_after = 2027-01-01", 4, "a time with its offset"),
        ("version = 1\n[authorities.a]\nkey_file = 'a'\nnot_after = 2027-01-01T00:00:00", 4, "with its offset"),
        (
            "version = 1\n[authorities.a]\nkey_file = 'a'\nnot_after = '2027-13-01T00:00:00Z'",
            4,
            "a valid time is needed",
        ),
        (
            "version = 1\n[authorities.a]\nkey_file = 'a'\nnot_before = 2027-01-01T00:00:00Z\n"
            "not_after = 2026-01-01T00:00:00Z",
            5,
            "before not_before",
        ),
        ("version = 1\n[authorities.a]\nca_pem = 'roots.pem'", 3, "certificates in PEM are needed"),
        ("version = 1\n[authorities.a]\nca_file = 'roots.pem'", 3, "files cannot be read here"),
        ("version = 1\n[authorities.'a b']\nkey_file = 'x'", 2, "the name 'a b' has other characters"),
        ("version = 1\n[authorities.a]\nkey_fil = 'x'", 3, "unknown field"),
        # rules and scopes
        (KEYS + "[[rules]]\nrequire = 'reject'", 3, "the field 'scope' is missing"),
        (KEYS + "[[rules]]\nscope = 'alpine'\nrequire = 'reject'", 4, "write docker.io/library/alpine"),
        (KEYS + "[[rules]]\nscope = 'https://registry.example'\nrequire = 'reject'", 4, "scope"),
        (KEYS + "[[rules]]\nscope = 'oci:images'\nrequire = 'reject'", 4, "scope"),
        (KEYS + "[[rules]]\nscope = '*'\nrequire = 'reject'", 4, "scope '*'"),
        (KEYS + "[[rules]]\nscope = '*.example.com/a'\nrequire = 'reject'", 4, "without port and path"),
        (KEYS + "[[rules]]\nscope = []\nrequire = 'reject'", 4, "the list is empty"),
        (
            KEYS + "[[rules]]\nscope = ['a.example',\n'a.example']\nrequire = 'reject'",
            5,
            "already has a rule, in line 4",
        ),
        (RULE, 3, "the field 'require' is missing"),
        (RULE + "require = 'accept'", 5, "one of reject, insecureAcceptAnything is needed"),
        (RULE + "require = 'reject'\nwarn = true", 6, "is not allowed together with"),
        (RULE + "require = 'reject'\nwarn = 1", 6, "true or false is needed"),
        (RULE + "require = []", 5, "the list is empty"),
        (RULE + "require = ['reject']", 5, "text, a table is needed"),
        # requirements
        (REQUIRE + "{},\n]", 5, "one of any, all, threshold is needed"),
        (REQUIRE + "{ any = ['a'], all = ['a'] },\n]", 5, "cannot be combined with 'any'"),
        (REQUIRE + "{ any = [\n'nobody'] },\n]", 6, "no authority has the name 'nobody'"),
        (REQUIRE + "{ any = ['a', 'a'] },\n]", 5, "is listed twice"),
        (REQUIRE + "{ any = 'a' },\n]", 5, "text, a list is needed"),
        (REQUIRE + "{ threshold = 2, of = ['a'] },\n]", 5, "2, but 'of' lists only 1"),
        (REQUIRE + "{ threshold = 0, of = ['a'] },\n]", 5, "1 or more is needed"),
        (REQUIRE + "{ threshold = 1 },\n]", 5, "'threshold' also needs 'of'"),
        (REQUIRE + "{ any = ['a'], of = ['a'] },\n]", 5, "not allowed together with 'any'"),
        (REQUIRE + "{ any = ['a'], annotations = {} },\n]", 5, "the table is empty"),
        (REQUIRE + "{ any = ['a'], annotations = { build = 7 } },\n]", 5, "as the value of an annotation"),
        (REQUIRE + "{ any = ['a'], formats = ['cosine'] },\n]", 5, "one of cosign, bundle"),
        (REQUIRE + "{ any = ['a'], identity = 'exactName' },\n]", 5, "exactName needs a table with type, name"),
        (
            REQUIRE + "{ any = ['a'], identity = { type = 'exactReference', reference = 'a.example/b' } },\n]",
            5,
            "a tag",
        ),
        (REQUIRE + "{ any = ['a'], identity = { type = 'any', name = 'x' } },\n]", 5, "name: unknown field"),
        (
            REQUIRE + "{ any = ['a'], timestamps = { any = ['tsa'] } },\n]",
            5,
            "timestamp authority has the name 'tsa'",
        ),
        (REQUIRE + "{ any = ['a'], enforcement = 'lax' },\n]", 5, "one of strict, permissive, audit"),
        (REQUIRE + "{ any = ['a'], enforcement = { authenticity = 'skip' } },\n]", 5, "cannot be skipped"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        policy_of_toml(text)
    assert str(caught.value).startswith(f"policy.toml:{line}: ")
    assert reason in str(caught.value)


def test_a_misspelt_field_is_guessed() -> None:
    with pytest.raises(InvalidArgument) as caught:
        policy_of_toml(REQUIRE + "{ anny = ['a'] },\n]")
    assert "did you mean 'any'?" in caught.value.hint


def test_one_key_under_two_names_cannot_meet_a_threshold_of_two() -> None:
    authorities = {"a": {"key_pem": pem(1)}, "b": {"key_pem": pem(1) + pem(2)}}
    document = {
        "version": 1,
        "authorities": authorities,
        "default": {"require": [{"threshold": 2, "of": ["a", "b"]}]},
    }
    with pytest.raises(InvalidArgument, match="distinct"):
        policy_of(document)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"default": [{"type": "reject"}]}, "containers/image's policy.json"),
        ({"version": "1.0", "trustPolicies": []}, "trust policy of the Notary Project"),
    ],
)
def test_the_policy_of_another_tool_is_recognised(document: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        policy_of(document)


def condition_of(test: str) -> str:
    """The condition `/at TEST` of a requirement for attestations, as text."""
    head = f'{HEAD}[[default.require]]\nany = ["a"]\npredicate_type = "vuln"\n'
    (requirement,) = policy_of_toml(f'{head}conditions = [{{ pointer = "/at", {test} }}]\n').default.attested
    return str(requirement.conditions[0])


@pytest.mark.parametrize("test", ["at_least", "at_most"])
def test_a_limit_may_be_a_time_of_toml_like_the_times_of_a_key(test: str) -> None:
    assert condition_of(f"{test} = 2027-01-31T00:00:00Z") == f"/at {test} '2027-01-31T00:00:00+00:00'"
    assert condition_of(f"{test} = 2027-01-31T02:00:00.5+02:00") == f"/at {test} '2027-01-31T02:00:00.500000+02:00'"
    for wrong in ("2027-01-31T00:00:00", "2027-01-31", "12:00:00"):
        with pytest.raises(InvalidArgument, match="with its offset"):
            condition_of(f"{test} = {wrong}")


@pytest.mark.parametrize("test", ["equals", "one_of", "like", "younger_than"])
def test_a_text_is_never_made_of_a_time_of_toml(test: str) -> None:
    with pytest.raises(InvalidArgument, match=test):
        condition_of(f"{test} = 2027-01-31T00:00:00Z")


@pytest.mark.parametrize("value", ['""', "1", '"vulnerability"'])
def test_an_error_about_a_type_names_its_place_once(value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        policy_of_toml(f'{HEAD}[[default.require]]\nany = ["a"]\npredicate_type = {value}\n')
    assert str(refused.value).count("predicate_type") == 1
