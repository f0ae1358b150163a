"""Policies: which signatures an image must have, and the verdict. Pure: the caller opens keys and reads the clock."""

from imagesig.policy.authority import KeyLike, KeyReference
from imagesig.policy.enforcement import AUDIT, PERMISSIVE, STRICT, Action, Enforcement
from imagesig.policy.identity import Identity
from imagesig.policy.judge import RuleVerdict, Verdict, judge, judge_rule
from imagesig.policy.policy import AuthorityLike, Policy
from imagesig.policy.requirement import AcceptAnything, Reject, Requirement, Rule, Unsupported
from imagesig.policy.scope import Scope, parse_scope
from imagesig.policy.signed import Signed

__all__ = [
    "AUDIT",
    "PERMISSIVE",
    "STRICT",
    "AcceptAnything",
    "Action",
    "AuthorityLike",
    "Enforcement",
    "Identity",
    "KeyLike",
    "KeyReference",
    "Policy",
    "Reject",
    "Requirement",
    "Rule",
    "RuleVerdict",
    "Scope",
    "Signed",
    "Unsupported",
    "Verdict",
    "judge",
    "judge_rule",
    "parse_scope",
]
