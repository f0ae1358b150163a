"""How a command opens keys: the options for it, and the key that they open."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import Struct

from imagesig import limits
from imagesig.cli.options import FilePath, gathered
from imagesig.cli.settings import key_settings
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key

passphrase_option = click.option(
    "--passphrase-file",
    type=FilePath(),
    help="File with the key's passphrase or PIN; else the environment is asked, then you.",
)
permissions_option = click.option(
    "--allow-open-permissions", is_flag=True, help="Accept a private key file that others can read."
)


class KeyOptions(Struct, frozen=True):
    """What the options of `signing_key_options` said."""

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
            help="PEM certificates of the key: its own first, then its issuers. Default: those that the key brings "
            "itself.",
        ),
        "expect": click.option(
            "--expect",
            type=FilePath(),
            metavar="PUB_FILE",
            help="Refuse the key unless its public key is the one in this file.",
        ),
        "allow_open_permissions": permissions_option,
        "passphrase_file": passphrase_option,
    },
)
"""The options of a command that signs: it gets one `key_options: KeyOptions` for all of them."""
