"""Splits the arguments of `docker build` and `bake`: those for buildx, our `--sign-*`, and the outputs."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.text import quote

SIGN = "--sign-"
"""Each option of `imagesig sign` with this prefix is ours: `--sign-key URI` is `--key URI`."""
_FLAGS = frozenset({"sign-no-recursive", "sign-allow-open-permissions", "sign-plain-http"})
_WITHOUT_VALUE = (
    *_FLAGS,
    *("check", "compress", "debug", "disable-content-trust", "force-rm", "help", "load", "no-cache", "print"),
    *("pull", "push", "quiet", "rm", "squash"),
)
"""Options without a value. Every other one takes the next argument if it has no `=`."""
_SHORT_WITHOUT_VALUE = "Dhq"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
"""What Go's `strconv.ParseBool` takes for true, and for false; docker refuses everything else."""


class BuildRequest(Struct, frozen=True):
    """A build that is signed: `arguments` for buildx, `signing` as options of `imagesig sign`.

    `pushes` says whether the images go to registries, `archives` are the local images that are written, and
    `metadata_file` is the user's own, or empty; then `arguments` name none, not even an empty one.
    """

    arguments: tuple[str, ...]
    signing: tuple[str, ...]
    pushes: bool
    archives: tuple[str, ...]
    metadata_file: str


class _Option(Struct, frozen=True):
    """One option or operand: its name without dashes (empty for an operand), its value, and the arguments it is."""

    name: str
    value: str
    arguments: tuple[str, ...]


def has_signing(arguments: Sequence[str]) -> bool:
    """Whether one of the options is ours."""
    return any(option.name.startswith("sign-") for option in _options(arguments))


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether the help was asked for."""
    return any(option.name in ("help", "h") for option in _options(arguments))


def build_request(subcommand: str, arguments: Sequence[str]) -> BuildRequest:
    """Splits the arguments of `build` or `bake`. A bake is signed in registries only.

    Raises:
        InvalidArgument: no image is built, or no output of the build can be signed.
    """
    options = list(_options(arguments))
    ours = [item for item in options if item.name.startswith("sign-")]
    if instead := next((f"--{item.name}" for item in options if _builds_nothing(item)), ""):
        raise InvalidArgument(
            f"signing the build: {instead} builds no image", hint="to only check or print, leave --sign-key out"
        )
    outputs = [_output(text) for text in _output_texts(subcommand, options)]
    pushed = [item.value in _TRUE for item in options if item.name == "push"][-1:] == [True]
    pushes = pushed or any(_pushes(output) for output in outputs)
    archives: tuple[str, ...] = ()
    if subcommand == "build":
        archives = tuple(_archive(output) for output in outputs if output.get("type") == "oci")
    if not pushes and not archives:
        raise InvalidArgument(
            "signing the build: the image stays in the engine, which stores no signatures; a registry or archive is "
            "needed",
            hint="add --push, or -o type=oci,dest=FILE (with the containerd image store or a docker-container builder)",
        )
    metadata_file = "".join([item.value for item in options if item.name == "metadata-file"][-1:])
    dropped = ours if metadata_file else [*ours, *(item for item in options if item.name == "metadata-file")]
    return BuildRequest(
        tuple(text for item in options if item not in dropped for text in item.arguments),
        tuple(_ours(item) for item in ours if item.name not in _FLAGS or _is_true(item)),
        pushes,
        archives,
        metadata_file,
    )


def _builds_nothing(option: _Option) -> bool:
    """Whether buildx is asked for something else than an image. It pushes the result of a check all the same."""
    if option.name == "call":
        return option.value.partition(",")[0] not in ("", "build")
    return option.name == "list" or (option.name in ("check", "print") and option.value not in _FALSE)


def _is_true(flag: _Option) -> bool:
    if flag.value not in _TRUE | _FALSE:
        raise InvalidArgument(f"signing the build: --{flag.name}={quote(flag.value)}, true or false is needed")
    return flag.value in _TRUE


def _ours(option: _Option) -> str:
    name = f"--{option.name.removeprefix('sign-')}"
    return name if option.name in _FLAGS else f"{name}={option.value}"


def _output_texts(subcommand: str, options: Sequence[_Option]) -> Iterator[str]:
    """The outputs of `build` (`-o`), or those that `bake` gets with `--set TARGET.output=…`."""
    for item in options:
        if subcommand == "build" and item.name in ("output", "o"):
            yield item.value
        setting, _, value = item.value.partition("=")
        if subcommand == "bake" and item.name == "set" and setting.endswith(".output"):
            yield value


def _options(arguments: Sequence[str]) -> Iterator[_Option]:
    left = list(arguments)
    while left:
        text = left.pop(0)
        if text == "--":
            yield _Option("", "", (text, *left))
            return
        if text.startswith("--"):
            name, equals, value = text[2:].partition("=")
            if equals:
                yield _Option(name, value, (text,))
            elif name in _WITHOUT_VALUE:
                yield _Option(name, "true", (text,))
            else:
                following = left[:1]
                del left[:1]
                yield _Option(name, "".join(following), (text, *following))
        elif text.startswith("-") and text != "-":
            yield from _short(text, left)
        else:
            yield _Option("", text, (text,))


def _short(text: str, left: list[str]) -> Iterator[_Option]:
    """A cluster of short options: `-q`, `-q=false`, `-tNAME`, `-t=NAME`, `-qt NAME`."""
    for at, letter in enumerate(text[1:], 2):
        if letter in _SHORT_WITHOUT_VALUE and text[at : at + 1] == "=":
            yield _Option(letter, text[at + 1 :], (f"-{letter}{text[at:]}",))
            return
        if letter in _SHORT_WITHOUT_VALUE:
            yield _Option(letter, "true", (f"-{letter}",))
            continue
        rest = text[at:].removeprefix("=")
        value = rest or (left.pop(0) if left else "")
        yield _Option(letter, value, (f"-{letter}", value))
        return


def _output(text: str) -> dict[str, str]:
    """The fields of one output; a path alone has the type `local`, as for buildx."""
    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise InvalidArgument(f"output {quote(text)}: not fields separated by commas") from None
    if len(fields) == 1 and "=" not in fields[0]:
        return {"type": "registry" if fields[0] == "registry" else "local", "dest": fields[0]}
    pairs = (field.partition("=") for field in fields)
    return {name.strip().lower(): value for name, _, value in pairs}


def _pushes(output: dict[str, str]) -> bool:
    return output.get("type") == "registry" or (output.get("type") == "image" and output.get("push") in _TRUE)


def _archive(output: dict[str, str]) -> str:
    """The local image that the output writes, as imagesig names it."""
    path = output.get("dest", "")
    if path in ("", "-"):
        raise InvalidArgument(
            "signing the build: the archive goes to stdout, a file is needed", hint="write -o type=oci,dest=FILE"
        )
    return f"oci:{path}" if output.get("tar", "true") not in _TRUE else f"oci-archive:{path}"
