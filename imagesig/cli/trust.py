"""The options by which `imagesig verify` takes certificate authorities, or a trust policy of notation's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from imagesig import limits
from imagesig.cli.options import FilePath
from imagesig.errors import InvalidArgument
from imagesig.policy import Identity, Policy
from imagesig.reading import read_bounded, usage_error
from imagesig.trust import CertificateAuthority

_Command = Callable[..., object]


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
        *,
        threshold: int,
        annotations: Mapping[str, str],
        identity: Identity | str | None,
        formats: Sequence[str],
    ) -> Policy:
        """The policy that the options describe. Raises `InvalidArgument` for options that cannot be combined."""
        if self.trust_policy or self.notation:
            if keys or self.authorities or self.holders or threshold != 1 or annotations or identity or formats:
                raise InvalidArgument(
                    "verify: a trust policy cannot be combined with --key, --ca, --certificate-identity, --threshold, "
                    "--annotation, --identity or --format"
                )
            return self._trust_policy()
        if self.trust_store or self.scope:
            raise InvalidArgument("verify: --trust-store and --scope need --trust-policy or --notation")
        if self.holders and not self.authorities:
            raise InvalidArgument(
                "verify: --certificate-identity needs --ca, the authority that certified the identity"
            )
        if not keys and not self.authorities:
            raise InvalidArgument(
                "verify: no trusted key or CA given",
                hint="give --key PUBLIC_KEY, --ca ROOTS.pem, --policy FILE or --trust-policy FILE",
            )
        trusted = [CertificateAuthority.from_pem(str(path), _read(path), self.holders) for path in self.authorities]
        return Policy.at_least(threshold, *keys, *trusted, annotations=annotations, identity=identity, formats=formats)

    def _trust_policy(self) -> Policy:
        from imagesig.policy.files.load_notation import TRUST_STORE, notation_folder

        own = notation_folder(os.environ)
        path = self.trust_policy or own
        store: Path | str = self.trust_store or ""
        beside = (path if path.is_dir() else path.parent) / TRUST_STORE
        if not store and not beside.is_dir():
            store = own / TRUST_STORE
        return Policy.from_notation(path, trust_store=store, scope=self.scope)


def trust_options(command: _Command) -> _Command:
    """Adds the options, and gives the command one `trust` with all of them."""

    @wraps(command)
    def wrapped(*arguments: Any, **given: Any) -> object:
        trust = Trust(**{name: given.pop(name) for name in Trust.__struct_fields__})
        return command(*arguments, trust=trust, **given)

    for option in reversed(
        (
            click.option(
                "--ca",
                "authorities",
                multiple=True,
                type=FilePath(),
                metavar="FILE",
                help="Trust signers certified by the CA in this PEM file; repeatable.",
            ),
            click.option(
                "--certificate-identity",
                "holders",
                multiple=True,
                metavar="DN_OR_NAME",
                help="Accept only this certificate holder: 'C=US, O=Acme', e-mail, DNS name or URI; repeatable.",
            ),
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
