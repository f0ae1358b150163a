"""Blobs on the command line: their argument, and the files that a command writes for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from imagesig.api.blob.reading_blob import BlobLike
from imagesig.cli.options import STDIN, stdin_buffer
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call
from imagesig.reading import exists, is_file
from imagesig.text import quote
from imagesig.writing import replace_file, shared_mode

blob_argument = click.argument("blob", metavar="FILE|-")
certificate_option = click.option("--certificate", is_flag=True, help="Put the key's certificate into the bundle.")


def blob_of(argument: str) -> BlobLike:
    """What the argument names: a file, or standard input.

    Raises:
        InvalidArgument: standard input is closed.
    """
    if argument != STDIN:
        return Path(argument)
    return stdin_buffer("blob")


def check_outputs(outputs: Mapping[str, Path | None], *inputs: str) -> None:
    """Returns if each output, by its option, is a file of its own: no other output, and no input of the command.

    Raises:
        InvalidArgument: two are one file, which would be lost.
    """
    taken = {place for name in inputs for place in (os.path.realpath(name), _place(name))}
    for option, path in outputs.items():
        if path is None:
            continue
        if _place(path) in taken:
            raise InvalidArgument(
                f"{option} {quote(str(path))}: would replace a file that the command reads or writes, "
                "a file of its own is needed",
                hint="give another name",
            )
        taken.add(_place(path))


def _place(path: str | Path) -> str:
    """Where a file is written: a link in the last part of the path is replaced, not followed."""
    folder, name = os.path.split(path)
    return str(Path(os.path.realpath(folder)) / name)


def write_file(path: Path, content: bytes, option: str) -> None:
    """Writes a file that others may read, in one step. `option` names it in errors.

    Raises:
        InvalidArgument: it cannot be written, or something else has its name: root would replace a device.
    """
    if exists(path) and not is_file(path):
        raise InvalidArgument(
            f"{option} {quote(str(path))}: is a folder, pipe, socket or device, a regular file is needed",
            hint="give the name of a file",
        )

    def explain(error: Exception) -> ImagesigError | None:
        if not isinstance(error, OSError):
            return None
        return InvalidArgument(f"{option} {quote(str(path))}: cannot be written: {error.strerror}")

    with external_call(f"{option} {quote(str(path))}", explain):
        replace_file(path, content, shared_mode())
