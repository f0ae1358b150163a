"""The policy for a query about attestations, made from the policy that says whom to trust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from imagesig.errors import InvalidArgument
from imagesig.format_names import ATTESTATION_READERS
from imagesig.in_toto.predicates import predicate_type as uri_of
from imagesig.in_toto.predicates import short_name
from imagesig.policy.attested import Attested
from imagesig.policy.policy import Policy
from imagesig.policy.predicate import Condition, condition_of
from imagesig.policy.requirement import Reject, Requirement, Rule
from imagesig.policy.signed import Signed
from imagesig.text import quote
from imagesig.trust import ContentTrust


class AttestationQuery(Struct, frozen=True):
    """The attestations that a caller requires of an image, in addition to its rule.

    Without a `predicate_type` the rule alone applies.

    Raises:
        InvalidArgument: a type that is not known, or conditions without a type.
    """

    predicate_type: str = ""
    conditions: tuple[Condition, ...] = ()
    cel: tuple[str, ...] = ()
    every: bool = False

    @classmethod
    def of(
        cls,
        predicate_type: str,
        conditions: Iterable[Condition | Mapping[str, object]],
        cel: str | Iterable[str],
        every: bool,
    ) -> AttestationQuery:
        """The query with the values of a caller."""
        made = tuple(item if isinstance(item, Condition) else condition_of(item) for item in conditions)
        expressions = (cel,) if isinstance(cel, str) else tuple(cel)
        if not predicate_type and (made or expressions or every):
            raise InvalidArgument("predicate type: conditions are about one type, and none is given")
        return cls(uri_of(predicate_type) if predicate_type else "", made, expressions, every)

    def policy(self, policy: Policy) -> Policy:
        """The policy for the query: each rule is replaced by `rule(…)` of it."""
        rules = {scope: self.rule(item) for scope, item in policy.rules.items()}
        return replace(policy, default=self.rule(policy.default), rules=rules)

    def rule(self, rule: Rule) -> Rule:
        """The rule with requirements for attestations only.

        They are its own requirements for attestations of the type, with the conditions of the query added. If it has
        none, the authorities of its requirements for signatures must attest the type, as many as must sign. A rule
        without an authority that may attest the type refuses every image.
        """
        if rule.refuses_all:
            return rule
        asked: tuple[Requirement, ...] = tuple(
            self._with_conditions(item)
            for item in rule.attested
            if not self.predicate_type or item.predicate_type == self.predicate_type
        )
        if not asked and self.predicate_type:
            asked = tuple(map(self._attesters, rule.signed))
        return replace(rule, requirements=asked or (Reject(self._no_attester(rule)),))

    def _no_attester(self, rule: Rule) -> str:
        types = ", ".join(dict.fromkeys(short_name(item.predicate_type) for item in rule.attested)) or "none"
        wanted = short_name(self.predicate_type) if self.predicate_type else "anything"
        missing = "" if self.predicate_type else "; no type is asked for: --type, or predicate_type="
        return f"no authority of it may attest {wanted} (types that it requires: {types}){missing}"

    def _with_conditions(self, requirement: Attested) -> Attested:
        return replace(
            requirement,
            conditions=(*requirement.conditions, *self.conditions),
            cel=(*requirement.cel, *self.cel),
            every=requirement.every or self.every,
        )

    def _attesters(self, requirement: Signed) -> Attested | Reject:
        """The same authorities as attesters; `Reject` if the requirement needs what attestations do not have."""
        if requirement.annotations:
            named = ", ".join(map(quote, requirement.annotations))
            return Reject(f"it needs the annotations {named} in signatures, and attestations have none")
        known = tuple(item.name for item in ATTESTATION_READERS)
        formats = tuple(name for name in requirement.formats if name in known)
        if requirement.formats and not formats:
            accepted = ", ".join(requirement.formats)
            return Reject(f"it accepts the formats {accepted}, and attestations have {', '.join(known)}")
        if any(type(item) is ContentTrust for item in requirement.authorities):
            return Reject("it names a trust server, which signs no attestations")
        return Attested(
            requirement.authorities,
            requirement.threshold,
            formats,
            requirement.timestamps,
            requirement.enforcement,
            predicate_type=self.predicate_type,
            conditions=self.conditions,
            cel=self.cel,
            every=self.every,
            identity=requirement.identity,
        )
