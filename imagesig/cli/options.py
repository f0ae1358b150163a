"""Types and builders of options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from imagesig.errors import InvalidArgument
from imagesig.external import external_call
from imagesig.format_names import NAMES
from imagesig.naming import is_raw_key, refuse_key
from imagesig.text import holds_key, quote

_Command = TypeVar("_Command", bound=Callable[..., object])

_JSON_COMMAND = "imagesig.json_command"
STDIN = "-"
"""The file that a command reads from standard input."""


def json_command(ctx: click.Context, typed: Sequence[str]) -> str:
    """The command that was asked for JSON, such as `policy check`; empty if none was.

    `typed` are all arguments: click reads no value if one of the options does not exist.
    """
    if _JSON_COMMAND not in ctx.meta and any(item.callback is _remember_output for item in ctx.command.params):
        words = [*typed, "--"]
        words = words[: words.index("--")]
        values = [word.removeprefix("--output=") for word in words if word.startswith("--output=")]
        values += [value for word, value in pairwise(words) if word == "--output"]
        _remember_output(ctx, ctx.command.params[0], *values[-1:] or [""])
    name: str = ctx.meta.get(_JSON_COMMAND, "")
    return name


def only_one(_ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str:
    """The value of an option that is `multiple`, to refuse it if it is repeated: click would ignore all but the last.

    Empty without a value.
    """
    if len(values) > 1:
        times = f"{parameter.opts[0]} is given {len(values)} times, one is needed"
        raise click.UsageError(f"{times}: run the command once for each")
    return values[0] if values else ""


def _remember_output(ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value == "json":
        root = ctx.find_root().command_path
        ctx.meta[_JSON_COMMAND] = ctx.command_path.removeprefix(root).strip()  # all contexts of one run share it
    return value


class FilePath(click.Path):
    """The path of a file or folder that the command reads. A private key given by mistake is refused, never shown."""

    def __init__(self, *, folder: bool = False, file: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=folder, file_okay=file)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = os.fsdecode(value)
        if (holds_key(text) or is_raw_key(text)) and not os.path.lexists(text):
            refuse_key(text, param.opts[0] if param else "file", "give the path of a file", raw=True)
        return super().convert(value, param, ctx)


class Name(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A name, such as a platform or a scope. A private key given by mistake is refused, never shown."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        refuse_key(value, param.opts[0] if param else "name", "give a name")
        return value


def choose_output(*choices: str, help_text: str = "What to write to stdout.") -> Callable[[_Command], _Command]:
    """The option `--output`, with the first choice as its default."""
    return click.option(
        "--output",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help=help_text,
        is_eager=True,  # an error in another option is a document too
        callback=_remember_output,
    )


output_option = choose_output("text", "json")
no_recursive_option = click.option("--no-recursive", is_flag=True, help="Sign only the index, not the images it lists.")
platform_option = click.option(
    "--platform",
    type=Name(),
    default="",
    metavar="OS/ARCH[/VARIANT]",
    help="Verify this platform of a multi-platform image.",
)


def gathered(
    name: str, make: Callable[..., object], options: Mapping[str, Callable[[Any], Any]]
) -> Callable[[_Command], _Command]:
    """Options whose values become one argument of the command: `make` gets each under the name of its parameter."""

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def wrapped(*arguments: Any, **values: Any) -> object:
            own = {option: values.pop(option) for option in options}
            return command(*arguments, **{name: make(**own)}, **values)

        for option in reversed(tuple(options.values())):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


def format_option(name: str, help_text: str) -> Callable[[_Command], _Command]:
    """The option `--format`, whose values are the command's argument `name`."""
    choices = click.Choice([item.name for item in NAMES])
    return click.option("--format", name, multiple=True, type=choices, help=help_text)


def parse_annotations(items: Sequence[str]) -> dict[str, str]:
    """`name=value` pairs. Raises `InvalidArgument` for anything else and for a name given twice."""
    annotations: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidArgument(f"annotation {quote(item)}: NAME=VALUE is needed")
        if name in annotations:
            raise InvalidArgument(f"annotation {quote(name)}: given twice")
        annotations[name] = value
    return annotations


STDIN = "-"
"""The name of standard input where a file is named."""


def stdin_buffer(what: str) -> BinaryIO:
    """Standard input as bytes. `what` names what is read there. Raises `InvalidArgument` if it is closed."""
    if sys.stdin is None:
        raise InvalidArgument(f"{what}: standard input is closed", hint="name a file, or connect standard input")
    return sys.stdin.buffer


@contextmanager
def standard_input(what: str) -> Iterator[BinaryIO]:
    """The same, for a block that reads it; an error of the system becomes an `InvalidArgument`."""
    with external_call(what, lambda error: _unreadable(what, error)):
        yield stdin_buffer(what)


def _unreadable(what: str, error: Exception) -> InvalidArgument | None:
    if not isinstance(error, OSError | ValueError):
        return None
    return InvalidArgument(f"{what}: standard input cannot be read ({type(error).__name__})")
