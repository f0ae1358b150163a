"""The options of the commands that change trust data, and what these commands print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from imagesig.api.outcome import attempt
from imagesig.cli.key_options import passphrase_option, permissions_option
from imagesig.cli.options import gathered
from imagesig.cli.output.failure import fail, worst
from imagesig.cli.output.render import write_json
from imagesig.cli.output.terminal import note, say
from imagesig.cli.settings import key_settings
from imagesig.cli.trust import first_use_option, notary_ca_option, notary_server_option
from imagesig.errors import InvalidArgument
from imagesig.keys.uri import open_key
from imagesig.trust import ContentTrust

if TYPE_CHECKING:
    from imagesig.api.trust.changing import ChangedTrust
    from imagesig.content_trust.keyring import TrustKeys
    from imagesig.content_trust.servers import TrustServers
    from imagesig.keys.provider import SigningKey


class TrustChangeOptions(Struct, frozen=True):
    """The values of `trust_change_options`."""

    root_key: str = ""
    targets_key: str = ""
    keys: tuple[str, ...] = ()
    notary_server: str = ""
    notary_ca: Path | None = None
    pins: tuple[str, ...] = ()
    trust_on_first_use: bool = False
    passphrase_file: Path | None = None
    allow_open_permissions: bool = False

    @contextmanager
    def opened(self) -> Iterator[tuple[TrustKeys, dict[str, Any]]]:
        """The keys, which are open in the block, and the options that all functions that change trust data have."""
        from imagesig.content_trust.keyring import TrustKeys
        from imagesig.content_trust.private_folder import PrivateKeyFolder

        folder = PrivateKeyFolder.of_docker(os.environ, key_settings(self.passphrase_file).secrets)
        with ExitStack() as stack:
            root, targets, *others = (
                stack.enter_context(self.open(uri)) if uri else None
                for uri in (self.root_key, self.targets_key, *self.keys)
            )
            keys = TrustKeys(*filter(None, others), root=root, targets=targets, folder=folder)
            yield keys, {"trust": self._trust(), "server": self.notary_server, "trust_servers": self._servers()}

    def open(self, uri: str) -> SigningKey:
        """A private key by URI or file. Raises as `open_key` does."""
        settings = key_settings(self.passphrase_file, allow_open_permissions=self.allow_open_permissions)
        return open_key(uri, settings=settings)

    def _trust(self) -> ContentTrust | None:
        if self.pins and self.trust_on_first_use:
            raise InvalidArgument("trust: --trust-on-first-use cannot be combined with --pin")
        if self.pins or self.trust_on_first_use:
            return ContentTrust(self.notary_server, self.pins, first_use=self.trust_on_first_use)
        return None

    def _servers(self) -> TrustServers:
        from imagesig.content_trust.servers import TrustServers

        return TrustServers(server=self.notary_server, ca_file=self.notary_ca)


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "keys": click.option(
        "--key", "keys", multiple=True, metavar="KEY_URI", help="Private key of a role, outside docker's folder."
    ),
    "targets_key": click.option(
        "--targets-key", default="", metavar="KEY_URI", help="Repository key; of a new repository, its only one."
    ),
    "root_key": click.option(
        "--root-key", default="", metavar="KEY_URI", help="Root key. Default: the one in docker's folder."
    ),
    "passphrase_file": passphrase_option,
    "allow_open_permissions": permissions_option,
    "notary_server": notary_server_option,
    "notary_ca": notary_ca_option,
    "pins": click.option(
        "--pin",
        "pins",
        multiple=True,
        metavar="KEYID|FILE",
        help="Root of the present trust data, unless it is remembered or its key is here; repeatable.",
    ),
    "trust_on_first_use": first_use_option,
}
trust_change_options = gathered("options", TrustChangeOptions, _OPTIONS)
"""The options of a command that changes trust data. They become its one argument `options: TrustChangeOptions`."""
signer_change_options = gathered(
    "options",
    TrustChangeOptions,
    _OPTIONS
    | {"keys": click.option("--signing-key", "keys", multiple=True, metavar="KEY_URI", help="Further private key.")},
)
"""The same for a command whose `--key` is a public key, as docker has it."""
TRUST_CHANGE_HEADINGS = {
    "Keys": "--key --targets-key --root-key --passphrase-file --allow-open-permissions",
    "Trust server": "--notary-server --notary-ca --pin --trust-on-first-use",
}
SIGNER_CHANGE_HEADINGS = TRUST_CHANGE_HEADINGS | {
    "Keys": TRUST_CHANGE_HEADINGS["Keys"].replace("--key ", "--signing-key ", 1)
}


def change_each(command: str, names: Iterable[str], change: Callable[[str], ChangedTrust], output: str) -> None:
    """Changes the trust data of each repository or tag, and prints what was published as soon as it is.

    A failure ends only its own change. The exit status is that of the most serious one.
    """
    documents: list[dict[str, object]] = []
    statuses: list[int] = []
    for index, name in enumerate(names):
        outcome = attempt(index, name, None, partial(change, name))
        documents.append(outcome.document())
        if outcome.error is not None:
            statuses.append(fail(outcome.error) if output == "text" else outcome.error.exit_status)
            continue
        assert outcome.result is not None
        if output == "text":
            _show(outcome.result)
        note(*(f"warning: {text}" for text in outcome.result.warnings))
    if output == "json":
        write_json(command, {"images": documents})
    if status := worst(statuses):
        raise click.exceptions.Exit(status)


def _show(changed: ChangedTrust) -> None:
    if changed.created:
        say(f"{changed.repository}: new trust data; root key {', '.join(changed.root)}")
    if changed.digest:
        say(f"{changed.image}: {changed.digest}, {changed.size} bytes")
    published = ", ".join(f"{role} version {version}" for role, version in sorted(changed.versions.items()))
    say(f"{changed.image}: published and verified: {published}")
