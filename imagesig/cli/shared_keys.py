"""The checks of `imagesig policy check` that open keys: keys that cannot be opened, and keys with two names."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from msgspec.structs import replace

from imagesig.cli.output.policy_text import Problem
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.policy import KeyReference, Policy, Rule
from imagesig.policy.authority import Authority, OpenPublicKeys, one_key
from imagesig.policy.signers import Signers
from imagesig.trust import CertificateAuthority, ContentTrust, TrustedKey


class OpenedKeys:
    """The keys of a policy, each opened once: those that `must_open` selects, and those that must be distinct.

    `problems` has the keys that cannot be opened. A key is only a warning if it must be distinct but need not open.
    """

    def __init__(self, open_public_keys: OpenPublicKeys, must_open: Callable[[KeyReference], bool]) -> None:
        self._open_public_keys, self._must_open = open_public_keys, must_open
        self._known: dict[KeyReference, Authority] = {}
        self.problems: list[Problem] = []

    def shared_keys(self, policy: Policy) -> tuple[list[Problem], list[str]]:
        """Rules that need distinct keys and have one twice; and warnings about other or unknown shared keys."""
        conflicts: list[Problem] = []
        warnings: list[str] = []
        for rule in (policy.default, *policy.rules.values()):
            known = len(conflicts) + len(warnings)
            for requirement in rule.proven:
                self._compare(rule, requirement, conflicts, warnings)
            every = dict.fromkeys(self._opened(item, False) for signed in rule.proven for item in signed.authorities)
            if len(conflicts) + len(warnings) == known and (pair := one_key(every)):
                warnings.append(
                    f"{rule.name}: {pair[0]} and {pair[1]} have a key in common, so one signature can satisfy "
                    "several requirements; for several signers write one requirement with all or threshold"
                )
        return conflicts, warnings

    def _compare(self, rule: Rule, requirement: Signers, conflicts: list[Problem], warnings: list[str]) -> None:
        authorities = tuple(self._opened(item, requirement.needed > 1) for item in requirement.authorities)
        try:
            opened = replace(requirement, authorities=authorities)
        except InvalidArgument as error:
            conflicts.append(Problem(str(error), rule=rule.name))
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
            case TrustedKey() | CertificateAuthority() | ContentTrust():
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
