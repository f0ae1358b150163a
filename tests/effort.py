"""What work cost, counted instead of timed: the sums that `spend` is told of, however often the module imported it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from imagesig import effort
from imagesig.effort import Cost


@contextmanager
def counted() -> Iterator[Counter[Cost]]:
    """The costs of the block, as of one image; what was checked before and is remembered is forgotten first."""
    from imagesig.crypto import certificate
    from imagesig.trust import profile

    certificate._is_signed_by.cache_clear()
    profile.check_code_signing_chain.cache_clear()
    spent: Counter[Cost] = Counter()
    with effort.one_image():
        try:
            yield spent
        finally:
            spent.update(effort._spent.get() or {})
