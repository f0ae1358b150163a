"""Another spelling of a host leads to the same registry, and to no broader rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.errors import RefusedByPolicy
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import Policy
from imagesig.policy.requirement import AcceptAnything, Reject, Rule
from imagesig.policy.scope import Scope
from tests.commands import run

ANY, NONE = Rule((AcceptAnything(),), "any"), Rule((Reject("no"),), "none")
SPELLINGS = {
    "upper case": ("registry.example", "REGISTRY.example/team/app:1"),
    "the port of HTTPS": ("registry.example", "registry.example:443/team/app:1"),
    "the port of HTTPS in the policy": ("registry.example:443/team", "registry.example/team/app:1"),
    "a port with a zero": ("registry.example:5000", "registry.example:05000/team/app:1"),
    "an IPv6 address with zeros": ("[2001:db8::1]:5000", "[2001:0db8:0::1]:5000/team/app:1"),
    "an IPv6 address in upper case": ("[2001:db8::a]", "[2001:DB8::A]/team/app:1"),
    "Docker Hub's own host": ("docker.io/library", "registry-1.docker.io/library/alpine:3"),
    "upper case below a wildcard": ("*.example", "registry.EXAMPLE/team/app:1"),
    "upper case in the policy": ("Registry.example/team", "registry.example/team/app:1"),
    "a nearer rule": ("registry.example/team/app", "Registry.example/team/app:1"),
}


def rule_for(policy: Policy, image: str) -> Rule:
    return policy.select(Location(reference=parse_reference(image)))


@pytest.mark.parametrize("case", SPELLINGS)
def test_no_other_spelling_of_a_host_gets_a_broader_rule(case: str) -> None:
    scope, image = SPELLINGS[case]
    policy = Policy(ANY, {Scope("docker", scope): NONE, Scope("docker", "other.example"): ANY})
    with pytest.raises(RefusedByPolicy, match="another spelling"):
        rule_for(policy, image)


def test_where_both_spellings_have_rules_each_gets_its_own() -> None:
    scopes = {Scope("docker", "registry.example"): NONE, Scope("docker", "registry.example:443"): ANY}
    policy = Policy(NONE, scopes)
    assert rule_for(policy, "registry.example:443/a:1") is ANY
    assert rule_for(policy, "registry.example/a:1") is NONE


def test_where_the_same_rule_applies_the_spelling_does_not_matter() -> None:
    assert rule_for(Policy(NONE, {Scope("docker", "registry.example"): NONE}), "REGISTRY.example/a:1") is NONE
    assert rule_for(Policy(ANY, {Scope("docker", "registry.example"): NONE}), "registry.example:5000/a:1") is ANY
    assert rule_for(Policy(ANY, {Scope("oci", "/a"): NONE}), "registry.example/a:1") is ANY


def test_the_command_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'version = 1\n[[rules]]\nscope = "127.0.0.1:5000"\nrequire = "reject"\n'
        '[default]\nrequire = "insecureAcceptAnything"\n'
    )
    done = run("verify", "--policy", "p.toml", "--allow-unverified", "127.0.0.1:05000/team/app:1", cwd=tmp_path)
    assert done.returncode == 12
    assert b"another spelling" in done.stderr
    assert not done.stdout


def test_a_rule_that_rejects_anyway_rejects() -> None:
    assert rule_for(Policy(NONE, {Scope("docker", "registry.example"): ANY}), "REGISTRY.example/a:1") is NONE
