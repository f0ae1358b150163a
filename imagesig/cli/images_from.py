"""The images of a command: from arguments, a list (`--images-from`) and workload files (`--workload`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from imagesig import limits
from imagesig.cli.options import STDIN, FilePath, gathered, standard_input
from imagesig.errors import InvalidArgument
from imagesig.naming import refuse_key
from imagesig.reading import is_file
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.cli.workloads.file import Workloads


class ListedImage(str):
    """An image as it was written; `where` is the line, such as `images.txt:17`, empty for an argument."""

    where: str

    def __new__(cls, text: str, where: str = "") -> ListedImage:
        self = super().__new__(cls, text)
        self.where = where
        return self


def read_list(stream: BinaryIO, name: str) -> Iterator[ListedImage]:
    """The images of a list, one per line. Blank lines, and `#` after white space with what follows, are ignored.

    Raises:
        InvalidArgument: a line is not text, holds a NUL byte or several words, or is too long; with its number.
    """
    number = 0
    while line := stream.readline(limits.IMAGE_LINE_BYTES + 1):
        number += 1
        where = f"{name}:{number}"
        if len(line) > limits.IMAGE_LINE_BYTES:
            raise InvalidArgument(f"{where}: more than {limits.IMAGE_LINE_BYTES} bytes, one image per line is needed")
        if b"\0" in line:
            raise InvalidArgument(f"{where}: a NUL byte, text is needed", hint="put one image on each line")
        try:
            words = line.decode("utf-8-sig" if number == 1 else "utf-8").split()
        except UnicodeDecodeError:
            raise InvalidArgument(f"{where}: not UTF-8") from None
        comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if comment > 1:
            raise InvalidArgument(f"{where}: {quote(' '.join(words[:comment]))}, one image per line is needed")
        if comment:
            refuse_key(words[0], where, "one image per line is needed", raw=True)
            yield ListedImage(words[0], where)


class Images:
    """The distinct images of one command, in the order in which they are first named. A list is read as it is needed.

    `workloads` are the files of `--workload`. `total` is the largest number there can be, None if unknown.

    Raises:
        click.UsageError: no image, list or workload file was named.
        InvalidArgument, MissingExtra: a workload file cannot be read.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        images_from: str = "",
        workload_files: Sequence[Path] = (),
        buildx_metadata: Sequence[Path] = (),
    ) -> None:
        if not arguments and not images_from and not workload_files and not buildx_metadata:
            raise click.UsageError(f"name an image, or give a list of them: IMAGE... or {_list_options()}")
        if images_from and not os.path.lexists(images_from):
            refuse_key(images_from, "--images-from", "give the path of a file with one image per line", raw=True)
        self.workloads = _read_all(workload_files) if workload_files else ()
        self._arguments = [ListedImage(text) for text in arguments]
        self._images_from = images_from
        mentioned = [
            ListedImage(mention.image, f"{workloads.name}:{mention.line}")
            for workloads in self.workloads
            for mention in workloads.mentions
        ]
        built = [image for path in buildx_metadata for image in _built(path)]
        self._known = list(_distinct([*self._arguments, *mentioned, *built]))

    @property
    def known(self) -> list[ListedImage] | None:
        """All of them; None if there is a list, which is read later."""
        return None if self._images_from else self._known

    @property
    def total(self) -> int | None:
        if not self._images_from:
            return len(self._known)
        listed = None if self._images_from == STDIN else _lines(Path(self._images_from))
        return None if listed is None else len(self._known) + listed

    def __iter__(self) -> Iterator[ListedImage]:
        found = False
        for image in _distinct([*self._known]) if not self._images_from else _distinct(self._all()):
            found = True
            yield image
        if not found:
            raise InvalidArgument(
                "no image was named", hint="check what produced the list: an empty one proves nothing"
            )

    def _all(self) -> Iterator[ListedImage]:
        yield from self._known
        if self._images_from == STDIN:
            with standard_input("--images-from") as stdin:
                yield from read_list(stdin, "stdin")
            return
        path = Path(self._images_from)
        try:
            with path.open("rb") as stream:
                yield from read_list(stream, str(path))
        except OSError as error:
            raise InvalidArgument(f"{path}: cannot be read ({error.strerror})") from error


_listed: dict[str, Callable[[Any], Any]] = {
    "arguments": click.argument("arguments", nargs=-1, metavar="[IMAGE]..."),
    "images_from": click.option(
        "--images-from",
        metavar="FILE",
        default="",
        help="File with one image per line, # for comments; - is stdin. Results are streamed; the list can be of any "
        "length.",
    ),
}
repositories_options = gathered(
    "images",
    Images,
    {
        "arguments": click.argument("arguments", nargs=-1, metavar="[REPO[:TAG]]..."),
        "images_from": click.option(
            "--images-from",
            metavar="FILE",
            default="",
            help="File with one REPO[:TAG] per line, # for comments; - is stdin. Results are streamed.",
        ),
    },
)
"""The arguments and options that name repositories. They become the one argument `images: Images`."""
images_or_workloads_options = gathered(
    "images",
    Images,
    _listed
    | {
        "workload_files": click.option(
            "--workload",
            "workload_files",
            multiple=True,
            type=FilePath(),
            help="Kubernetes or compose file whose images are verified; repeatable.",
        )
    },
)
"""The arguments and options that name images, with `--workload`. They become the one argument `images: Images`."""
images_or_builds_options = gathered(
    "images",
    Images,
    _listed
    | {
        "buildx_metadata": click.option(
            "--buildx-metadata",
            multiple=True,
            type=FilePath(),
            metavar="FILE",
            help="What buildx wrote for --metadata-file: take the images that it pushed; repeatable.",
        )
    },
)
"""The arguments and options that name images, with `--buildx-metadata`. They become the argument `images: Images`."""


def _list_options() -> str:
    """The options of the running command that name lists of images, for people."""
    context = click.get_current_context()
    taken = {name for parameter in context.command.params for name in parameter.opts}
    return " or ".join(name for name in ("--images-from", "--workload", "--buildx-metadata") if name in taken)


def _read_all(paths: Sequence[Path]) -> tuple[Workloads, ...]:
    from imagesig.cli.workloads.file import read_workloads

    return tuple(read_workloads(path) for path in paths)


def _built(path: Path) -> Iterator[ListedImage]:
    from imagesig.docker.buildx_metadata import read_metadata

    for image in read_metadata(path):
        yield from (ListedImage(name, str(path)) for name in image.pushed)


def _distinct(images: Iterable[ListedImage]) -> Iterator[ListedImage]:
    seen: set[int] = set()
    for image in images:
        # A keyed hash instead of the text keeps memory small; the list's author cannot find collisions.
        mark = hash(str(image))
        if mark not in seen:
            seen.add(mark)
            yield image


def _lines(path: Path) -> int | None:
    """How many lines can hold an image, for the progress bar; None for a pipe, which can be read only once."""
    if not is_file(path):
        return None
    count = 0
    with contextlib.suppress(OSError), path.open("rb") as stream:
        while line := stream.readline(limits.IMAGE_LINE_BYTES):
            count += bool(line.strip()) and not line.lstrip().startswith(b"#")
    return count
