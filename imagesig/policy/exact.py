"""Type checks for policies that a caller builds by hand.

A value of another type, or of a subclass, would be compared or judged by code that was not written for it.
"""

from __future__ import annotations

from collections.abc import Collection

from imagesig.errors import InvalidArgument
from imagesig.text import quote


def check_kind(value: object, kinds: Collection[type], what: str) -> None:
    """Returns if the type of `value` is exactly one of the kinds.

    Raises:
        InvalidArgument: it is another type, or a subclass.
    """
    if type(value) not in kinds:
        known = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidArgument(
            f"{what}: the kind {type(value).__name__} of {quote(value)} is unknown, {known} is needed"
        )


def checked_tuple(value: object, what: str) -> tuple[object, ...]:
    """The items of a tuple or list.

    Raises:
        InvalidArgument: it is neither.
    """
    if not isinstance(value, tuple | list):
        raise InvalidArgument(f"{what}: {quote(value)}, a tuple is needed")
    return tuple(value)
