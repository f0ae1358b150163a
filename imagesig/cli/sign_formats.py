"""The formats that `imagesig sign` writes, with the expiry and timestamp service of notation signatures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from imagesig.cli.expiry import DURATION, expiring
from imagesig.cli.options import FilePath, Name, format_option, gathered
from imagesig.cli.timestamp import timestamped
from imagesig.format_names import NAMES
from imagesig.formats import DEFAULT_FORMATS, Format, select_formats


def _formats(
    names: Sequence[str], expiry: timedelta | None, timestamp_url: str, timestamp_root: Path | None
) -> tuple[str | Format, ...]:
    chosen = select_formats(names or DEFAULT_FORMATS)
    if expiry is not None:
        chosen = expiring(chosen, expiry)
    if timestamp_url or timestamp_root is not None:
        chosen = timestamped(chosen, timestamp_url, timestamp_root)
    return chosen if names else DEFAULT_FORMATS  # then `sign` knows that the user chose none


sign_format_options = gathered(
    "formats",
    _formats,
    {
        "names": format_option(
            "names",
            "Format to sign in; repeatable. "
            f"Default: {' and '.join(item.name for item in NAMES if item.signs_by_default)}.",
        ),
        "expiry": click.option(
            "--expiry",
            type=DURATION,
            help="Lifetime of notation signatures, e.g. 12h30m (notation formats only).",
        ),
        "timestamp_url": click.option(
            "--timestamp-url",
            type=Name(),
            default="",
            metavar="URL",
            help="RFC 3161 timestamp service for notation signatures.",
        ),
        "timestamp_root": click.option(
            "--timestamp-root",
            type=FilePath(),
            help="Root certificates the timestamp service must chain to.",
        ),
    },
)
"""They become the one argument `formats`."""
