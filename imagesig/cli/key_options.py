"""The options for opening keys, and the private key that a command opens with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from msgspec import Struct

from imagesig import limits
from imagesig.cli.options import FilePath, gathered, only_one
from imagesig.cli.settings import key_settings
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key

_Command = TypeVar("_Command", bound=Callable[..., object])


def private_key_option(help_text: str) -> Callable[[_Command], _Command]:
    """`--key` of a command that signs, with this help. It may be given once only."""
    return click.option(
        "--key", "key_uri", required=True, multiple=True, callback=only_one, metavar="KEY_URI", help=help_text
    )


key_uri_option = private_key_option("Private key: a file or key URI.")
passphrase_option = click.option(
    "--passphrase-file",
    type=FilePath(),
    help="File with the key's passphrase or PIN; otherwise from the environment, then a prompt.",
)
permissions_option = click.option(
    "--allow-open-permissions", is_flag=True, help="Accept a private key file that others can read."
)


class KeyOptions(Struct, frozen=True):
    """The values of `signing_key_options`."""

    certificate_chain: Path | None
    expect: Path | None
    allow_open_permissions: bool
    passphrase_file: Path | None

    def open(self, key_uri: str, *, timeout: float = limits.KEY_OPEN_SECONDS) -> SigningKey:
        """The private key. Raises as `open_key` does."""
        settings = key_settings(
            self.passphrase_file,
            allow_open_permissions=self.allow_open_permissions,
            expect=self.expect,
            timeout=timeout,
        )
        return open_key(key_uri, chain=self.certificate_chain, settings=settings)


signing_key_options = gathered(
    "key_options",
    KeyOptions,
    {
        "certificate_chain": click.option(
            "--certificate-chain",
            type=FilePath(),
            metavar="FILE",
            help="PEM certificates: the key's own first, then its issuers. Default: those stored with the key.",
        ),
        "expect": click.option(
            "--expect",
            type=FilePath(),
            metavar="PUB_FILE",
            help="Accept only the key whose public key is in this file.",
        ),
        "allow_open_permissions": permissions_option,
        "passphrase_file": passphrase_option,
    },
)
"""The options of a command that signs. They become its one argument `key_options: KeyOptions`."""
