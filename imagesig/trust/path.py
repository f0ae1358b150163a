"""Bounded search for paths between certificates. It checks signatures only with verified keys.

The certificates of a signature are untrusted: ten with the same name would make paths between all of them. So names are
compared first, which is cheap, and signatures are checked from the trusted certificates downwards. Each check uses a
key below a trusted certificate, so an unrelated certificate fails its first check. The search ends after
`limits.PATH_CHECKS` failures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.effort import Cost, spend
from imagesig.errors import BudgetExceeded, LimitExceeded, MalformedError, SignatureRejected

MayIssue = Callable[[Certificate, int], object]
"""The rule for a step: raises `SignatureRejected` or `MalformedError` unless the certificate may issue others. The
number is that of the issuers between it and the first certificate of the path."""


class Paths(Struct, frozen=True):
    """Verified links: the issuers of each certificate. `problem` is the first refused step."""

    may_issue: MayIssue
    issuers: Mapping[Certificate, Sequence[Certificate]]
    problem: SignatureRejected | MalformedError | None = None

    def to(self, leaf: Certificate, trusted: Iterable[Certificate]) -> Iterator[tuple[Certificate, ...]]:
        """The paths from the leaf to the first trusted certificate, leaf first; shorter paths come first.

        A trusted leaf is a path. The search ends after `limits.PATH_STEPS` steps.
        """
        ends = frozenset(trusted)
        unfinished: list[tuple[Certificate, ...]] = [(leaf,)]
        steps = 0
        for path in unfinished:
            if path[-1] in ends:
                yield path
                continue
            if len(path) >= limits.CHAIN_CERTIFICATES:
                continue
            for issuer in self.issuers.get(path[-1], ()):
                steps += 1
                if steps > limits.PATH_STEPS:
                    return
                if issuer not in path and self._may_issue(issuer, len(path) - 1):
                    unfinished.append((*path, issuer))

    def _may_issue(self, issuer: Certificate, below: int) -> bool:
        return _refusal(self.may_issue, issuer, below) is None


def find_paths(
    leaf: Certificate, others: Sequence[Certificate], trusted: Sequence[Certificate], may_issue: MayIssue
) -> Paths:
    """Every verified link on paths from trusted certificates down to the leaf.

    `others` may be steps of a path. They may be unread (`Certificate.unread`); they are read after their verification.

    Raises:
        MalformedError: a verified certificate cannot be read.
        LimitExceeded: too many certificates name an issuer that did not sign them.
    """
    children = _children(leaf, others, trusted)
    issuers: dict[Certificate, list[Certificate]] = {}
    problem: SignatureRejected | MalformedError | None = None
    verified = [item for item in dict.fromkeys(trusted) if item.subject_der in children]
    ends, seen = frozenset(trusted), set(verified)
    wrong_left = limits.PATH_CHECKS + len(verified)  # the policy itself may have several with one name
    for issuer in verified:
        refusal = _refusal(may_issue, issuer, 0)
        if refusal is not None:
            problem = problem or refusal
            continue
        for child in children.get(issuer.subject_der, ()):
            if child == issuer or (child in ends and child.is_self_signed):
                continue  # a root needs no issuer
            if not child.is_issued_by(issuer):
                wrong_left -= 1
                if wrong_left < 0:
                    raise LimitExceeded(
                        f"certificates of {leaf.label}: too many of them name an issuer that did not sign them"
                    )
                continue
            child.check_readable()
            issuers.setdefault(child, []).append(issuer)
            if child not in seen:
                seen.add(child)
                verified.append(child)
    return Paths(may_issue, issuers, problem)


def _children(
    leaf: Certificate, others: Sequence[Certificate], trusted: Sequence[Certificate]
) -> dict[bytes, list[Certificate]]:
    """The certificates that may be above the leaf, judged by names alone, by the name of their issuer."""
    spend(Cost.NODES, len(others) + len(trusted), "certificates")
    by_subject: dict[bytes, list[Certificate]] = {}
    for item in dict.fromkeys((*trusted, *others)):
        by_subject.setdefault(item.subject_der, []).append(item)
    found: dict[bytes, list[Certificate]] = {}
    above = [leaf]
    reached = {leaf}
    for item in above:
        found.setdefault(item.issuer_der, []).append(item)
        for issuer in by_subject.get(item.issuer_der, ()):
            if issuer not in reached:
                reached.add(issuer)
                above.append(issuer)
    return found


def _refusal(may_issue: MayIssue, issuer: Certificate, below: int) -> SignatureRejected | MalformedError | None:
    try:
        may_issue(issuer, below)
    except BudgetExceeded:
        raise
    except (SignatureRejected, MalformedError) as error:
        return error
    return None


def climb(leaf: Certificate, others: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """The leaf, its issuer, the issuer's issuer and so on, as far as they are in `others`, which has any order.

    It goes upwards, because there is no trusted certificate to start from. So use it only for certificates that the
    user chose, such as those beside a key; a signature's own need `find_paths`. Signatures tell an authority from its
    renewal with the same name. It stops after `limits.CERTIFICATES` wrong signatures.
    """
    by_subject: dict[bytes, list[Certificate]] = {}
    for item in others:
        by_subject.setdefault(item.subject_der, []).append(item)
    chain, wrong = [leaf], 0
    while len(chain) < limits.CHAIN_CERTIFICATES:
        for issuer in by_subject.get(chain[-1].issuer_der, ()):
            if issuer in chain:
                continue
            if chain[-1].is_issued_by(issuer):
                chain.append(issuer)
                break
            wrong += 1
            if wrong > limits.CERTIFICATES:
                return tuple(chain)
        else:
            break
    return tuple(chain)
