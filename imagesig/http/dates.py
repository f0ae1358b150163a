"""Dates and waiting times that a server sends. No value that it sends raises."""

from __future__ import annotations

from datetime import UTC, datetime

_CHARACTERS = 64
"""The longest form of a date (RFC 9110 section 5.6.7) has 35."""
_SECONDS = 10**9


def date_of(text: str) -> datetime | None:
    """The time in a header such as `Date`; None if there is none."""
    import email.utils

    try:
        return email.utils.parsedate_to_datetime(text[:_CHARACTERS]).astimezone(UTC)
    except Exception:  # noqa: BLE001 - the parser raises IndexError, OverflowError and others for the same reason
        return None


def wait_of(text: str, now: float) -> float | None:
    """The seconds that `Retry-After` asks for, as a number or as a date after `now`; None if it asks for none.

    Spec: RFC 9110 section 10.2.3. `now` is in seconds since 1970.
    """
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < len(str(_SECONDS)) else float(_SECONDS)
    date = date_of(text) if text else None
    return None if date is None else max(date.timestamp() - now, 0.0)
