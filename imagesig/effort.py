"""What one image may cost: requests, bytes, values, certificates and signature checks, counted over all its parts.

An image's signatures are written by anybody who may push to its repository. Limits on single items do not help where
there may be a thousand of them, so everything that costs is counted for the image as a whole. `spend` counts, and ends
work whose deadline has passed: every loop over what others wrote calls it.

Results never depend on what was counted, only whether there is one: code that spends is still a pure function.
"""

from __future__ import annotations

import contextvars
from contextlib import AbstractContextManager
from enum import Enum

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import BudgetExceeded


class Cost(Enum):
    """What is counted; the value is its name for people."""

    REQUESTS = "requests"
    BYTES = "bytes of signatures"
    MANIFEST_BYTES = "bytes of manifests that refer to it"
    LISTED_NODES = "JSON values in lists of its referrers"
    NODES = "JSON, CBOR and ASN.1 values"
    CERTIFICATES = "certificates"
    CERTIFICATE_CHECKS = "signatures of certificates checked"
    SIGNATURE_CHECKS = "signatures checked with trusted keys"


ALLOWANCE = {
    Cost.REQUESTS: limits.IMAGE_REQUESTS,
    Cost.BYTES: limits.SIGNATURE_BYTES_PER_IMAGE,
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
    """Everything in the block is done for one image, and its costs are counted together.

    They are counted from nothing, but for a block inside of another one: that belongs to the image of the outer block.
    """
    return _OneImage()


def spend(cost: Cost, amount: int, what: object) -> None:
    """Counts what is about to be paid. Outside of `one_image` only the deadline is looked at.

    `what` is for people. What is refused is not counted: a large item does not use up what smaller ones need.

    Raises:
        BudgetExceeded: the image would cost more than `ALLOWANCE` has for it.
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
            hint="remove what does not belong to the image: imagesig inspect shows what is stored there",
        )
    spent[cost] = total
