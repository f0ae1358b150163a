"""The lifetime of signatures, as people type it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import click
from msgspec.structs import replace

from imagesig.errors import InvalidArgument
from imagesig.formats import Format
from imagesig.formats.notation import Notation
from imagesig.patterns import regex
from imagesig.text import quote

_DURATION = regex(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?", re.ASCII)


class _Duration(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(value)
        hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
        duration = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if not duration:
            self.fail(f"{quote(value)} is not a duration such as 12h30m, 90m or 24h", param, ctx)
        return duration


DURATION = _Duration()


def expiring(formats: Sequence[Format], expiry: timedelta) -> tuple[Format, ...]:
    """The same formats; notation's get this expiry. Raises `InvalidArgument` without a notation format."""
    if not any(isinstance(item, Notation) for item in formats):
        names = ", ".join(item.name for item in formats)
        raise InvalidArgument(
            f"--expiry: {names} signatures have no expiry", hint="add --format notation-jws, or leave --expiry out"
        )
    return tuple(replace(item, expiry=expiry) if isinstance(item, Notation) else item for item in formats)
