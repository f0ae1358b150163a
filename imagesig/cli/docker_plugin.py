"""`docker-imagesig`, a plugin of docker: `docker imagesig …`, and `docker build` if it is the builder's alias.

Spec: docker/cli, cli-plugins: the first argument `docker-cli-plugin-metadata` asks what the plugin is; otherwise the
arguments are docker's own options, the plugin's name, and what follows it. With the alias, `docker build …` comes as
`imagesig build …` and `docker builder …` as `imagesig …`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from imagesig.version import __version__

METADATA = {
    "SchemaVersion": "0.1.0",
    "Vendor": "imagesig",
    "Version": __version__,
    "ShortDescription": "Sign and verify container images",
}
_NAMES = ("imagesig", "trust")
_TAKES_VALUE = ("--config", "--context", "--host", "--log-level", "--tlscacert", "--tlscert", "--tlskey")
_LETTERS = {"c": "--context", "H": "--host", "l": "--log-level"}
_BUILDS = ("build", "bake")
_BUILDX = (*_BUILDS, "create", "du", "history", "imagetools", "ls", "prune", "rm", "stop", "use")
"""Commands of buildx that imagesig does not have. Without the builder's alias, nothing else leads to buildx."""


def main() -> None:
    """Runs the command that docker was asked for, and ends the process."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["docker-cli-plugin-metadata"]:
        import json

        print(json.dumps(METADATA))
        return
    options, name, rest = split(arguments)
    environ = {**os.environ, **chosen_config(options)}
    os.environ.update(environ)
    if not name:
        sys.exit("docker-imagesig: docker runs this program: docker imagesig …, after imagesig docker install")
    if name == "trust":
        rest = ["trust", *rest]
    elif rest[:1] and rest[0] in _BUILDS and signs(rest[1:]):
        _run(lambda: _build(options, rest[0], rest[1:], environ))
    elif is_buildx(rest, environ):
        _become([*options, "buildx", *rest], environ | default_builder(rest, options, environ))
    sys.argv = ["imagesig", *rest]
    _run(None)


def split(arguments: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """docker's own options, the plugin's name (empty if it is missing), and the arguments after it.

    `docker help NAME` gives a plugin its own words: the help of the command is asked for.
    """
    at = sum(count for _, _, count in _own(arguments))
    options, rest = list(arguments[:at]), list(arguments[at:])
    if rest[:1] == ["help"]:  # docker help imagesig sign
        rest = [*rest[1:], "--help"]
    name = rest[0] if rest and rest[0] in _NAMES else ""
    return options, name, rest[1:]


def chosen_config(options: Sequence[str]) -> dict[str, str]:
    """`DOCKER_CONFIG` for docker's option `--config`: logins are read from there too."""
    folder = _value("--config", options)
    return {"DOCKER_CONFIG": folder} if folder else {}


def signs(arguments: Sequence[str]) -> bool:
    """Whether the build is signed, or its help was asked for, which has options of ours."""
    from imagesig.docker.build_arguments import has_signing, wants_help

    return has_signing(arguments) or wants_help(arguments)


def is_buildx(rest: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command is buildx's: all of `docker builder`, and builds. `docker imagesig inspect` is ours."""
    return _called_as(environ) == "docker builder" or "".join(rest[:1]) in _BUILDX


def default_builder(rest: Sequence[str], options: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`BUILDX_BUILDER` for a plain `docker build`, which docker without the alias runs in its own context's builder."""
    named = any(text == "--builder" or text.startswith("--builder=") for text in rest)
    if rest[:1] != ["build"] or named or environ.get("BUILDX_BUILDER"):
        return {}
    if _called_as(environ) not in ("docker", "docker image"):
        return {}
    from imagesig.docker.config_file import current_context

    if chosen := _value("--context", options):
        return {"BUILDX_BUILDER": chosen}
    return {"BUILDX_BUILDER": "default" if _value("--host", options) else current_context(environ)}


def _called_as(environ: Mapping[str, str]) -> str:
    """The command that docker gave to the plugin, such as `docker builder`; empty if docker does not say."""
    for field in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, _, value = field.partition("=")
        if name.strip() == "docker.cli.cobra.command_path":
            return value.replace("%20", " ")
    return ""


def _value(name: str, options: Sequence[str]) -> str:
    """The last value of one of docker's own options, by its long name; empty if it is not given."""
    return "".join([value for found, value, _ in _own(options) if found == name][-1:])


def _own(arguments: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """The options at the beginning: the long name, the value, and the number of arguments that each one is."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        name, equals, value = arguments[at].partition("=")
        takes_next = name in _TAKES_VALUE and not equals
        if not name.startswith("--"):
            name, value, takes_next = _cluster(arguments[at])
        yield name, "".join(arguments[at + 1 : at + 2]) if takes_next else value, 1 + takes_next
        at += 1 + takes_next


def _cluster(text: str) -> tuple[str, str, bool]:
    """The option with a value among short ones, such as `-Dc`: its long name, its value, and whether that is next."""
    for at, letter in enumerate(text[1:], 2):
        if letter in _LETTERS:
            value = text[at:].removeprefix("=")
            return _LETTERS[letter], value, not value
        if text[at : at + 1] == "=":  # -D=false
            break
    return "", "", False


def _become(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    from imagesig.docker.command import become
    from imagesig.errors import ImagesigError

    try:
        become(arguments, environ)  # speed: without loading the command, a build starts 0.1 s sooner
    except ImagesigError as error:
        refused = error

        def fail() -> object:
            raise refused

        _run(fail)


def _build(options: Sequence[str], subcommand: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from imagesig.cli.docker_build import build, build_help
    from imagesig.docker.build_arguments import wants_help

    if wants_help(arguments):
        return build_help(options, subcommand, environ)
    inner = {**environ, **default_builder([subcommand, *arguments], options, environ)}
    return build(options, subcommand, arguments, inner)


def _run(action: Callable[[], object] | None) -> None:
    """Runs the action, by default the command, with the errors of the command, and ends the process."""
    from imagesig.cli.main import main as run

    run(action)


if __name__ == "__main__":
    main()
