"""How a command reaches images: the options for it, and the images that they open."""

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
    """A number of seconds: not a NaN, which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:
            self.fail(f"{quote(value)} is no number of seconds.", param, ctx)
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
    "plain_http": click.option("--plain-http", is_flag=True, help="Speak HTTP without TLS (loopback needs no asking)."),
    "registry_ca": click.option(
        "--registry-ca",
        type=FilePath(),
        help="PEM file of the certificate authorities to trust instead of the system's.",
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
            help="For each image as a whole.",
        ),
        "signature_repository": _signature_repository("Where signatures live, if not beside the image."),
    },
)
"""The options of a command that reaches images: it gets one `transport: Transport` for all of them."""
copy_transport_options = gathered(
    "transport",
    _transport,
    _connection
    | {
        "signature_repository": _signature_repository(
            "Where the source's signatures live, if not beside it. At the destination they lie beside the image."
        )
    },
)
"""The same for `copy`, whose `--timeout` is for both ends together."""


def open_images(references: Sequence[str], transport: Transport) -> list[Image]:
    """The images, all over one pool of connections and one login."""
    opener = ImageOpener(transport)
    return [opener.open(reference) for reference in references]
