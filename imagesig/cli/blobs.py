"""Blobs on the command line: their argument, and the files that a command writes for them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from imagesig.api.blob.reading_blob import BlobLike
from imagesig.cli.options import STDIN
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call
from imagesig.text import quote
from imagesig.writing import replace_file

_MODE = 0o644

blob_argument = click.argument("blob", metavar="FILE|-")
certificate_option = click.option("--certificate", is_flag=True, help="Put the key's certificate into the bundle.")


def blob_of(argument: str) -> BlobLike:
    """What the argument names: a file, or standard input.

    Raises:
        InvalidArgument: standard input is closed.
    """
    if argument != STDIN:
        return Path(argument)
    if sys.stdin is None:
        raise InvalidArgument("standard input is closed; a blob is needed there")
    return sys.stdin.buffer


def write_file(path: Path, content: bytes, option: str) -> None:
    """Writes a file that others may read, in one step. `option` names it in errors.

    Raises:
        InvalidArgument: it cannot be written.
    """

    def explain(error: Exception) -> ImagesigError | None:
        if not isinstance(error, OSError):
            return None
        return InvalidArgument(f"{option} {quote(str(path))}: cannot be written: {error.strerror}")

    with external_call(f"{option} {quote(str(path))}", explain):
        replace_file(path, content, _MODE)
