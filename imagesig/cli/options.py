"""Options that several commands share, and what they become."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from imagesig import limits
from imagesig.errors import InvalidArgument
from imagesig.format_names import NAMES
from imagesig.images.image import Image
from imagesig.images.open import is_local, open_image
from imagesig.naming import is_raw_key, refuse_key
from imagesig.text import holds_key, quote

_Command = TypeVar("_Command", bound=Callable[..., object])

_OUTPUT = "imagesig.output"


def wants_json(ctx: click.Context) -> bool:
    """Whether the command that runs was asked for JSON."""
    return ctx.meta.get(_OUTPUT) == "json"


def _remember_output(ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    ctx.meta[_OUTPUT] = value  # shared by all contexts of one run
    return value


class FilePath(click.Path):
    """The path of a file or folder that the command reads. A key that was given instead is refused, and not shown."""

    def __init__(self, *, folder: bool = False, file: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=folder, file_okay=file)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = os.fsdecode(value)
        if (holds_key(text) or is_raw_key(text)) and not os.path.lexists(text):
            refuse_key(text, param.opts[0] if param else "file", "give the path of a file", raw=True)
        return super().convert(value, param, ctx)


class Name(click.ParamType[str]):
    """A name, such as a platform or a scope. A key that was given instead is refused, and not shown."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        refuse_key(value, param.opts[0] if param else "name", "give a name")
        return value


class _Seconds(click.FloatRange):
    """A number of seconds: not a NaN, which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:
            self.fail(f"{quote(value)} is no number of seconds.", param, ctx)
        return seconds


def choose_output(*choices: str, help_text: str = "What to write to stdout.") -> Callable[[_Command], _Command]:
    """The option `--output`, with the first choice as its default."""
    return click.option(
        "--output",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help=help_text,
        callback=_remember_output,
    )


output_option = choose_output("text", "json")
passphrase_option = click.option(
    "--passphrase-file",
    type=FilePath(),
    help="File with the key's passphrase or PIN; else the environment is asked, then you.",
)
expect_option = click.option(
    "--expect",
    type=FilePath(),
    metavar="PUB_FILE",
    help="Refuse the key unless its public key is the one in this file.",
)
permissions_option = click.option(
    "--allow-open-permissions", is_flag=True, help="Accept a private key file that others can read."
)
certificate_chain_option = click.option(
    "--certificate-chain",
    type=FilePath(),
    metavar="FILE",
    help="PEM certificates of the key: its own first, then its issuers. Default: those that the key brings itself.",
)


def _format_option(help_text: str) -> Callable[[_Command], _Command]:
    choices = click.Choice([item.name for item in NAMES])
    return click.option("--format", "formats", multiple=True, type=choices, help=help_text)


sign_format_option = _format_option(
    f"Format to sign in; repeatable. Default: {' and '.join(item.name for item in NAMES if item.signs_by_default)}."
)
verify_format_option = _format_option(
    "Count only signatures in this format; repeatable. cosign-x509 counts what cosign counts, bundle-x509 what bundle "
    "counts. Default: every format."
)


def transport_options(command: _Command) -> _Command:
    """Adds the options of every command that touches a registry."""
    for option in reversed(
        (
            click.option("--plain-http", is_flag=True, help="Speak HTTP without TLS (loopback needs no asking)."),
            click.option(
                "--registry-ca",
                type=FilePath(),
                help="PEM file of the certificate authorities to trust instead of the system's.",
            ),
            click.option(
                "--timeout",
                type=_Seconds(min=0, min_open=True),
                default=limits.OPERATION_SECONDS,
                show_default=True,
                metavar="SECONDS",
                help="For each image as a whole.",
            ),
            click.option(
                "--signature-repository",
                default="",
                envvar=["IMAGESIG_SIGNATURE_REPOSITORY", "COSIGN_REPOSITORY"],
                show_envvar=True,
                metavar="REPOSITORY",
                help="Where signatures live, if not beside the image.",
            ),
        )
    ):
        command = option(command)
    return command


def open_images(
    references: Sequence[str], *, plain_http: bool, registry_ca: Path | None, timeout: float, signature_repository: str
) -> list[Image]:
    """The images, all over one pool of connections and one login."""
    transport: dict[str, Any] = {"timeout": timeout}
    if not all(is_local(reference) for reference in references):
        from imagesig.images.registry.connect import registry_client

        transport["client"] = registry_client(plain_http=plain_http, ca_file=registry_ca)
        transport["signature_repository"] = signature_repository
    return [open_image(reference, **transport) for reference in references]


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
