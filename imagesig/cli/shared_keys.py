"""What `imagesig policy check` finds by opening keys: those that cannot be opened, and those under two names."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from msgspec.structs import replace

from imagesig.cli.output.policy_text import Problem
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.policy import KeyReference, Policy, Rule, Signed
from imagesig.policy.authority import Authority, OpenPublicKeys, one_key
from imagesig.trust import CertificateAuthority, TrustedKey


class OpenedKeys:
    """The keys of a policy, each opened once: those that `must_open` names, and those that must be distinct.

    Of the latter one that cannot be opened is a warning, unless it must be opened.
    """

    def __init__(self, open_public_keys: OpenPublicKeys, must_open: Callable[[KeyReference], bool]) -> None:
        self._open_public_keys, self._must_open = open_public_keys, must_open
        self._known: dict[KeyReference, Authority] = {}
        self.problems: list[Problem] = []

    def shared_keys(self, policy: Policy) -> tuple[list[Problem], list[str]]:
        """The rules that need distinct keys and name one twice, and warnings about what is harmless or unknown."""
        wrong: list[Problem] = []
        warnings: list[str] = []
        for rule in (policy.default, *policy.rules.values()):
            known = len(wrong) + len(warnings)
            for requirement in rule.signed:
                self._compare(rule, requirement, wrong, warnings)
            every = dict.fromkeys(self._opened(item, False) for signed in rule.signed for item in signed.authorities)
            if len(wrong) + len(warnings) == known and (pair := one_key(every)):
                warnings.append(
                    f"{rule.name}: {pair[0]} and {pair[1]} have a key in common, so that one signature may meet "
                    "several requirements; for several signers write one requirement with all or threshold"
                )
        return wrong, warnings

    def _compare(self, rule: Rule, requirement: Signed, wrong: list[Problem], warnings: list[str]) -> None:
        authorities = tuple(self._opened(item, requirement.needed > 1) for item in requirement.authorities)
        try:
            opened = replace(requirement, authorities=authorities)
        except InvalidArgument as error:
            wrong.append(Problem(str(error), rule=rule.name))
            return
        if pair := one_key(authorities):
            warnings.append(f"{rule.name}: {pair[0]} and {pair[1]} have a key in common, so they are one signer")
        certificates: dict[object, CertificateAuthority] = {}
        for item in opened.certificate_authorities:
            same = certificates.setdefault((frozenset(item.certificates), item.holders, item.role), item)
            if same.name != item.name:
                warnings.append(f"{rule.name}: {same.name} and {item.name} trust the same certificates and holders")
        closed = [item.name or item.text for item in opened.references if not self._must_open(item)]
        if closed and opened.needed > 1:
            warnings.append(
                f"{rule.name}: {', '.join(closed)} cannot be opened, so it is not known whether the keys are distinct; "
                "--open-keys says why"
            )

    def _opened(self, item: Authority, must_differ: bool) -> Authority:
        match item:
            case TrustedKey() | CertificateAuthority():
                return item
            case KeyReference():
                if item not in self._known and (must_differ or self._must_open(item)):
                    self._known[item] = self._open(item)
                return self._known.get(item, item)
            case _:
                assert_never(item)

    def _open(self, reference: KeyReference) -> Authority:
        try:
            return reference.opened(self._open_public_keys)
        except ImagesigError as error:
            if self._must_open(reference):
                self.problems.append(Problem(str(error), authority=reference.name or reference.text))
            return reference
