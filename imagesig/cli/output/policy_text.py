"""The output of `imagesig policy`, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from imagesig.api.explaining import ExplainedAuthority, ExplainedRequirement, Explanation
from imagesig.cli.output.render import JSON_VERSION
from imagesig.cli.output.terminal import document as write
from imagesig.cli.output.terminal import note, say
from imagesig.patterns import regex
from imagesig.policy import Policy, Rule, Unsupported
from imagesig.policy.describe import describe_authority

_NAMESPACE = regex(r"docker\.io/(?!library$)([^/:@]+)")
_NO_PROOF = "this is an explanation, not a verification; run `imagesig verify` to verify the image"


class Problem(Struct, frozen=True):
    """A problem with the keys of a policy: of one authority, or between authorities of the rule named `rule`."""

    message: str
    authority: str = ""
    rule: str = ""


def write_policy_json(name: str, policy: Mapping[str, object]) -> None:
    """One document on stdout: `{"imagesig": 1, "command": …, "policy": {…}}`."""
    document = {"imagesig": JSON_VERSION, "command": name, "policy": policy}
    write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")


# --- check --------------------------------------------------------------------------------------------------------


def write_check(file: str, policy: Policy, problems: Sequence[Problem]) -> None:
    count = len(policy.rules)
    say(f"{file}: valid, {count} rule{'' if count == 1 else 's'}")
    for scope, rule in policy.rules.items():
        say(f"  {scope}")
        _write_rule(rule)
        if namespace := _NAMESPACE.fullmatch(str(scope)):
            note(
                f"warning: {rule.name}: {scope} is the namespace of {scope}/…; docker's image {namespace[1]} is "
                f"docker.io/library/{namespace[1]}"
            )
    say("  all other images")
    _write_rule(policy.default)
    for problem in problems:
        note(f"error: {problem.authority or problem.rule}: {problem.message}")


def _write_rule(rule: Rule) -> None:
    for requirement in rule.requirements:
        say(f"    {requirement.describe()}")
        if warning := requirement.caution(alone=len(rule.requirements) == 1):
            note(f"warning: {rule.name}: {warning}")
    if rule.warn:
        say("    only warns: images that fail are accepted without proof")


def check_json(policy: Policy, problems: Sequence[Problem]) -> dict[str, object]:
    return {
        "rules": [{"scope": str(scope), **_rule_json(rule)} for scope, rule in policy.rules.items()],
        "default": _rule_json(policy.default),
        "problems": [
            {"authority": problem.authority, "rule": problem.rule, "message": problem.message} for problem in problems
        ],
    }


def _rule_json(rule: Rule) -> dict[str, object]:
    return {
        "rule": rule.name,
        "warn": rule.warn,
        "requirements": [
            {"text": item.describe(), "supported": type(item) is not Unsupported} for item in rule.requirements
        ],
    }


# --- explain ------------------------------------------------------------------------------------------------------


def write_explanation(explained: Explanation) -> None:
    say(explained.image)
    say(f"  {_NO_PROOF}")
    say(f"  rule       {explained.rule.name}")
    found_rule = False
    for scope, rule in explained.scopes:
        applies = bool(rule) and not found_rule
        state = "first matching rule" if applies else "a rule that does not apply" if rule else "no rule"
        say(f"  {'>' if applies else ' '} scope    {scope}: {state}")
        found_rule = found_rule or applies
    if not found_rule:
        say("  > no scope of the image has a rule: the default applies")
    if explained.rule.warn:
        say("  the rule only warns: an image that fails is accepted without proof")
    for requirement in explained.requirements:
        _write_requirement(requirement)


def _write_requirement(explained: ExplainedRequirement) -> None:
    states = {True: "satisfied by the stored signatures", False: "not satisfied", None: "could not be judged"}
    say(f"  {explained.requirement.describe()}: {states[explained.is_met]}")
    for item in explained.authorities:
        say(f"    {item.authority.name}")
        say(f"      is       {describe_authority(item.authority)}")
        say(f"      has      {_found(item, explained.is_met)}")
    if explained.problem:
        say(f"    {explained.problem}")
    for warning in explained.warnings:
        say(f"    warning: {warning}")
    for rejection in explained.rejections:
        say(f"    - {rejection!s}")


def _found(item: ExplainedAuthority, is_met: bool | None) -> str:
    if item.problem:
        return f"a key that cannot be opened: {item.problem}"
    if is_met is None:
        return "unknown"
    if item.finding is None:
        return "no signature found"
    if item.finding.accepted:
        return f"signed: {', '.join(item.finding.accepted)}"
    return "; ".join(item.finding.reasons) or "no signature found"
