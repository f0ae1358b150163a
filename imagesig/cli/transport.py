"""The options for reaching registries, and the images that a command opens with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from imagesig import limits
from imagesig.cli.options import FilePath, gathered
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, Transport
from imagesig.text import quote

_Command = TypeVar("_Command", bound=Callable[..., object])


class _Seconds(click.FloatRange):
    """A number of seconds. NaN is refused: it passes every comparison with a minimum."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:
            self.fail(f"{quote(value)} is not a number of seconds.", param, ctx)
        return seconds


def _transport(
    plain_http: bool, registry_ca: Path | None, signature_repository: str, timeout: float = limits.OPERATION_SECONDS
) -> Transport:
    return Transport(plain_http, registry_ca, None, timeout, signature_repository)


def _signature_repository(help_text: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--signature-repository",
        default="",
        envvar=["IMAGESIG_SIGNATURE_REPOSITORY", "COSIGN_REPOSITORY"],
        show_envvar=True,
        metavar="REPOSITORY",
        help=help_text,
    )


_connection: dict[str, Callable[[Any], Any]] = {
    "plain_http": click.option("--plain-http", is_flag=True, help="Use plain HTTP (tried on loopback without it)."),
    "registry_ca": click.option(
        "--registry-ca",
        type=FilePath(),
        help="PEM file with the certificate authorities to trust instead of the system's.",
    ),
}
transport_options = gathered(
    "transport",
    _transport,
    _connection
    | {
        "timeout": click.option(
            "--timeout",
            type=_Seconds(min=0, min_open=True),
            default=limits.OPERATION_SECONDS,
            show_default=True,
            metavar="SECONDS",
            help="Time limit per image.",
        ),
        "signature_repository": _signature_repository("Repository of the signatures, if not beside the image."),
    },
)
"""The options of a command that reaches images. They become its one argument `transport: Transport`."""
copy_transport_options = gathered(
    "transport",
    _transport,
    _connection
    | {
        "signature_repository": _signature_repository(
            "Repository of the source's signatures, if not beside it. The copies are stored beside the image."
        )
    },
)
"""The same without `--timeout`: that of `copy` covers reading and writing together."""


def open_images(references: Sequence[str], transport: Transport) -> list[Image]:
    """The images. They share one pool of connections and one login for each registry."""
    opener = ImageOpener(transport)
    return [opener.open(reference) for reference in references]
