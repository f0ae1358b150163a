"""`imagesig doctor`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagesig.api.diagnosing import diagnose
from imagesig.api.doctor.diagnosis import Diagnosis, State
from imagesig.cli.help import GroupedCommand
from imagesig.cli.key_options import passphrase_option
from imagesig.cli.options import output_option
from imagesig.cli.output.failure import FAILED
from imagesig.cli.output.render import write_json
from imagesig.cli.output.terminal import say, say_marked
from imagesig.cli.settings import key_settings
from imagesig.cli.transport import transport_options
from imagesig.cli.trust import TrustServerOptions, diagnosed_server_options
from imagesig.images.open import Transport
from imagesig.keys.uri import KeySettings
from imagesig.naming import is_key_uri

if TYPE_CHECKING:
    from imagesig.api.doctor.trust_data import DiagnosedTrust

_KEY_FILE = re.compile(r"(?is)(?:/|~|\.\.?/).*|(?![^/]*[.:][^/]*/)[^:@]+\.(?:key|pub|pem|der|p12|pfx)")
"""Names that a user gives to a key file and not to an image: they are examined as such even if there is no file."""
_COLORS = {State.OK: "green", State.NOTE: "yellow", State.FAILED: "red"}


@click.command(
    "doctor",
    cls=GroupedCommand,
    short_help="Check packages, key and registry.",
    headings={"Key": "--passphrase-file", "Trust server": "--notary-server --notary-ca --pin"},
    example="imagesig doctor hashivault://release ghcr.io/acme/app:1.0",
)
@click.argument("names", nargs=-1, metavar="[KEY_URI] [IMAGE]")
@passphrase_option
@diagnosed_server_options
@output_option
@transport_options
def command(
    names: tuple[str, ...],
    passphrase_file: Path | None,
    trust_server: TrustServerOptions,
    output: str,
    transport: Transport,
) -> None:
    """Check the packages, the key and the image's registry, and say how to fix what does not work.

    The key signs a harmless test message; nothing is stored or deleted. A single name is a key if it is a key URI, a
    file or a name such as that of a key file, otherwise an image. With --notary-server or --pin the trust data of the
    image's repository are checked too.
    """
    key, reference = _split(names)
    settings = key_settings(passphrase_file, timeout=transport.timeout)
    trust = _trust(trust_server, settings) if trust_server.is_given else None
    found: list[Diagnosis] = []
    for item in diagnose(key, reference, settings=settings, transport=transport, trust=trust):
        if output == "text":
            _write(item, is_first=not found or found[-1].group != item.group)
        found.append(item)
    failed = dict.fromkeys(item.area for item in found if item.state is State.FAILED)
    if output == "json":
        write_json("doctor", {"findings": [item.document() for item in found]})
    else:
        say("", f"failed: {', '.join(failed)}" if failed else "no failures")
    if failed:
        raise click.exceptions.Exit(FAILED)


def _trust(given: TrustServerOptions, settings: KeySettings) -> DiagnosedTrust:
    from imagesig.api.doctor.trust_data import DiagnosedTrust
    from imagesig.content_trust.keyring import TrustKeys
    from imagesig.content_trust.private_folder import PrivateKeyFolder

    keys = TrustKeys(folder=PrivateKeyFolder.of_docker(os.environ, settings.secrets))
    return DiagnosedTrust(given.servers(), keys, given.authority() if given.pins else None)


def _split(names: tuple[str, ...]) -> tuple[str, str]:
    if len(names) > 2:
        raise click.UsageError("at most one key and one image are checked")
    if len(names) == 2:
        return names[0], names[1]
    name = names[0] if names else ""
    is_file = os.path.isfile(name)  # noqa: PTH113 - unlike Path.is_file, False for what is no path at all
    return (name, "") if is_key_uri(name) or is_file or _KEY_FILE.fullmatch(name) else ("", name)


def _write(item: Diagnosis, *, is_first: bool) -> None:
    if is_first:
        say(*([] if item.group == "imagesig" else [""]), item.group)
    say_marked(f"{item.state.value:6}", f" {item.area:16} {item.detail}", color=_COLORS[item.state])
    if item.hint:
        say(f"{'':6} {'':16} -> {item.hint}")
