"""The budget of one image: requests, bytes, values, certificates and signature checks, added over all its parts.

Everyone who may push to the repository can add signatures, so limits for single items are not enough: costs are added
for the whole image. `spend` adds a cost and checks the deadline. Every loop over untrusted items calls it.

The budget decides only whether there is a result, never which one. So code that calls `spend` is still pure.
"""

from __future__ import annotations

import contextvars
from contextlib import AbstractContextManager
from enum import Enum

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import BudgetExceeded


class Cost(Enum):
    """The kinds of costs. The value is the name for people."""

    REQUESTS = "requests"
    BYTES = "bytes of signatures"
    STATEMENT_BYTES = "bytes of attestations"
    STATEMENT_NODES = "JSON values in predicates"
    MANIFEST_BYTES = "bytes of manifests that refer to it"
    LISTED_NODES = "JSON values in lists of its referrers"
    NODES = "JSON, CBOR and ASN.1 values"
    CERTIFICATES = "certificates"
    CERTIFICATE_CHECKS = "signatures of certificates checked"
    SIGNATURE_CHECKS = "signatures checked with trusted keys"

    __hash__ = object.__hash__  # speed: every cost is looked up three times; Enum's own is Python (benchmarks/rows.py)


ALLOWANCE = {
    Cost.REQUESTS: limits.IMAGE_REQUESTS,
    Cost.BYTES: limits.SIGNATURE_BYTES_PER_IMAGE,
    Cost.STATEMENT_BYTES: limits.STORED_ATTESTATION_BYTES_PER_IMAGE,
    Cost.STATEMENT_NODES: 2 * limits.ATTESTATION_NODES,
    Cost.MANIFEST_BYTES: limits.MANIFEST_BYTES_PER_IMAGE,
    Cost.LISTED_NODES: limits.LISTED_NODES_PER_IMAGE,
    Cost.NODES: limits.IMAGE_NODES,
    Cost.CERTIFICATES: limits.IMAGE_CERTIFICATES,
    Cost.CERTIFICATE_CHECKS: limits.IMAGE_CERTIFICATE_CHECKS,
    Cost.SIGNATURE_CHECKS: limits.IMAGE_SIGNATURE_CHECKS,
}

_spent: contextvars.ContextVar[dict[Cost, int] | None] = contextvars.ContextVar("imagesig_effort", default=None)


class _OneImage(AbstractContextManager[None]):
    __slots__ = ("_token",)

    def __enter__(self) -> None:
        spent = _spent.get()
        self._token = _spent.set({} if spent is None else spent)

    def __exit__(self, *_: object) -> None:
        _spent.reset(self._token)


def one_image() -> AbstractContextManager[None]:
    """Adds all costs in the block to one image's budget.

    An inner block uses the budget of the outer block.
    """
    return _OneImage()


def spend(cost: Cost, amount: int, what: object) -> None:
    """Adds a cost before the work. Outside of `one_image` it only checks the deadline.

    `what` is for errors. A refused cost is not added, so a large item leaves the budget for smaller ones.

    Raises:
        BudgetExceeded: the image would cost more than `ALLOWANCE`.
        DeadlineExceeded: the deadline passed.
    """
    remaining(what)
    spent = _spent.get()
    if spent is None:
        return
    total = spent.get(cost, 0) + amount
    if total > ALLOWANCE[cost]:
        raise BudgetExceeded(
            f"{what}: this image has more than {ALLOWANCE[cost]} {cost.value}",
            hint="remove signatures that do not belong to the image: imagesig inspect lists them",
        )
    spent[cost] = total
