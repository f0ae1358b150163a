"""The options by which `imagesig verify` takes certificate authorities, trust servers, or notation's trust policy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from imagesig import limits
from imagesig.cli.options import FilePath, Name, gathered
from imagesig.errors import InvalidArgument
from imagesig.reading import is_folder, read_bounded, usage_error
from imagesig.trust import CertificateAuthority, ContentTrust

if TYPE_CHECKING:
    from imagesig.content_trust.servers import TrustServers
    from imagesig.policy import Identity, Policy

_Command = Callable[..., object]

trusted_keys_option = click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="Trusted public key: a file or key URI; repeatable."
)
threshold_option = click.option(
    "--threshold",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of distinct keys or CAs needed.",
)
authorities_option = click.option(
    "--ca",
    "authorities",
    multiple=True,
    type=FilePath(),
    metavar="FILE",
    help="Trust signers certified by the CA in this PEM file; repeatable.",
)
holders_option = click.option(
    "--certificate-identity",
    "holders",
    multiple=True,
    metavar="DN_OR_NAME",
    help="Accept only this certificate holder: 'C=US, O=Acme', e-mail, DNS name or URI; repeatable.",
)


class Trust(Struct, frozen=True):
    """The values of the options of `trust_options`. An option is a field here and a line there."""

    authorities: tuple[Path, ...] = ()
    holders: tuple[str, ...] = ()
    trust_policy: Path | None = None
    trust_store: Path | None = None
    scope: str = ""
    notation: bool = False

    def policy(
        self,
        keys: Sequence[str],
        servers: Sequence[ContentTrust],
        *,
        threshold: int,
        annotations: Mapping[str, str],
        identity: Identity | str | None,
        formats: Sequence[str],
    ) -> Policy:
        """The policy that the options describe. Raises `InvalidArgument` for options that cannot be combined."""
        from imagesig.policy import Policy  # speed: not for `trust inspect` (benchmarks/test_trust.py)

        if self.trust_policy or self.notation:
            if keys or servers or threshold != 1 or annotations or identity or formats:
                raise _not_combined()
            return self._trust_policy()
        if self.trust_store or self.scope:
            raise InvalidArgument("verify: --trust-store and --scope need --trust-policy or --notation")
        if self.holders and not self.authorities:
            raise InvalidArgument(
                "verify: --certificate-identity needs --ca, the authority that certified the identity"
            )
        if not keys and not self.authorities and not servers:
            raise InvalidArgument(
                "verify: no trusted key or CA given",
                hint="give --key PUBLIC_KEY, --ca ROOTS.pem or --policy FILE",
            )
        trusted: list[CertificateAuthority | ContentTrust]
        trusted = [CertificateAuthority.from_pem(str(path), _read(path), self.holders) for path in self.authorities]
        return Policy.at_least(
            threshold, *keys, *trusted, *servers, annotations=annotations, identity=identity, formats=formats
        )

    def _trust_policy(self) -> Policy:
        if self.authorities or self.holders:
            raise _not_combined()
        from imagesig.policy import Policy
        from imagesig.policy.files.load_notation import TRUST_STORE, notation_folder

        own = notation_folder(os.environ)
        path = self.trust_policy or own
        store: Path | str = self.trust_store or ""
        beside = (path if is_folder(path) else path.parent) / TRUST_STORE
        if not store and not is_folder(beside):
            store = own / TRUST_STORE
        return Policy.from_notation(path, trust_store=store, scope=self.scope)


def _not_combined() -> InvalidArgument:
    return InvalidArgument(
        "verify: a trust policy cannot be combined with --key, --ca, --certificate-identity, --threshold, "
        "--annotation, --identity, --format or --notary-server"
    )


def trust_options(command: _Command) -> _Command:
    """Adds the options, and gives the command one `trust` with all of them."""

    @wraps(command)
    def wrapped(*arguments: Any, **given: Any) -> object:
        trust = Trust(**{name: given.pop(name) for name in Trust.__struct_fields__})
        return command(*arguments, trust=trust, **given)

    for option in reversed(
        (
            authorities_option,
            holders_option,
            click.option(
                "--trust-policy",
                type=FilePath(folder=True),
                metavar="FILE",
                help="notation's trustpolicy.json or trustpolicy.oci.json, or its folder.",
            ),
            click.option(
                "--trust-store",
                type=FilePath(folder=True, file=False),
                metavar="DIR",
                help="Folder with x509/ca/…  Default: `truststore` beside the trust policy, or notation's own.",
            ),
            click.option("--scope", default="", metavar="NAME", help="Use the trust policy's rule for this scope."),
            click.option("--notation", is_flag=True, help="Use the trust policy in notation's own folder."),
        )
    ):
        wrapped = option(wrapped)
    return wrapped


def _read(path: Path) -> bytes:
    return read_bounded(path, limits.CERTIFICATE_FILE_BYTES, "--ca", streams=True, explain=usage_error(f"--ca {path}"))


class TrustServerOptions(Struct, frozen=True):
    """The values of the options."""

    notary_server: str = ""
    pins: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    notary_ca: Path | None = None
    offline: bool = False
    trust_on_first_use: bool = False

    @property
    def is_given(self) -> bool:
        """Whether a trust server is to be trusted."""
        return bool(self.notary_server or self.pins or self.signers or self.trust_on_first_use)

    def authority(self, command: str = "verify: --notary-server and --signer need") -> ContentTrust:
        """The authority that the options describe.

        Raises:
            InvalidArgument: nothing is pinned. The message begins with `command`.
        """
        if not self.pins and not self.trust_on_first_use:
            raise InvalidArgument(
                f"{command} --pin, the root key of the trust data",
                hint="give its id, public key or certificate authority; `imagesig trust inspect` shows the id",
            )
        name = f"content trust of {self.notary_server}" if self.notary_server else "content trust"
        return ContentTrust(self.notary_server, self.pins, self.signers, name, self.trust_on_first_use)

    def servers(self, backup: Path | None = None) -> TrustServers:
        """How the trust servers are read, or the folder in place of them."""
        from imagesig.content_trust.servers import TrustServers

        return TrustServers(server=self.notary_server, offline=self.offline, ca_file=self.notary_ca, backup=backup)


notary_server_option = click.option(
    "--notary-server",
    type=Name(),
    default="",
    metavar="URL",
    help="Trust server. Default: $DOCKER_CONTENT_TRUST_SERVER, or docker's own rule.",
)
notary_ca_option = click.option(
    "--notary-ca", type=FilePath(), metavar="FILE", help="PEM file with the authorities of the trust server's TLS."
)
first_use_option = click.option(
    "--trust-on-first-use", is_flag=True, help="Without --pin: trust and remember the first root that is seen."
)
_SERVER: dict[str, Callable[[Any], Any]] = {
    "notary_server": notary_server_option,
    "pins": click.option(
        "--pin",
        "pins",
        multiple=True,
        metavar="KEYID|FILE",
        help="Root of the trust data: key id, or PEM file with its public key or CA; repeatable.",
    ),
    "notary_ca": notary_ca_option,
    "offline": click.option("--offline", is_flag=True, help="Ask no trust server; use what is remembered."),
}
trust_server_options = gathered(
    "trust_server",
    TrustServerOptions,
    _SERVER
    | {
        "signers": click.option(
            "--signer",
            "signers",
            multiple=True,
            type=Name(),
            metavar="NAME",
            help="Signer who must have signed the released tag too; repeatable.",
        ),
        "trust_on_first_use": first_use_option,
    },
)
inspected_server_options = gathered("trust_server", TrustServerOptions, _SERVER)
diagnosed_server_options = gathered(
    "trust_server", TrustServerOptions, {name: option for name, option in _SERVER.items() if name != "offline"}
)


def uses_trust_server(policy: Policy) -> bool:
    """Whether an authority of the policy is a trust server."""
    rules = (policy.default, *policy.rules.values())
    return any(type(item) is ContentTrust for rule in rules for signed in rule.signed for item in signed.authorities)
