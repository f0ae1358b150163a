"""From what a person types (a path, `env://`, `pkcs11:`, `hashivault://`, …) to a provider and the name of a key in it.

The table is for names typed by humans; programs pass provider objects. Built-in schemes cannot be shadowed; others come
from packages that register a `ProviderFactory` in the entry-point group `imagesig.key_providers`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderError
from imagesig.external import external_call
from imagesig.keys.guarding import provider_failure
from imagesig.keys.provider import KeyProvider, SigningKey
from imagesig.keys.secrets import SecretSource, first_of, from_environ, has_encoding, no_secrets
from imagesig.naming import raw_keys_in, refuse_key, scheme_of
from imagesig.redacted import RedactedStruct
from imagesig.text import quote, redact_keys

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate

ENTRY_POINTS = "imagesig.key_providers"


class KeySettings(RedactedStruct, frozen=True):
    """What opening a key by URI may draw on. `environ` is read here and in no provider class.

    `allow_open_permissions` accepts a private key file that other users can read. `expected` is the public key that the
    caller pins; `open_key` checks it, and a place that holds private halves alone takes the public one from it.
    `timeout` is how many seconds opening one key may take; a nearer deadline of the caller holds.
    """

    hidden = ("environ",)

    environ: Mapping[str, str]
    secrets: SecretSource = no_secrets
    allow_open_permissions: bool = False
    expected: PublicKey | None = None
    timeout: float = limits.KEY_OPEN_SECONDS


class ProviderFactory(Protocol):
    """What a scheme stands for: a function of a provider's module."""

    def __call__(self, uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
        """The provider that the whole URI (scheme included) points into, and the key's name for `provider.open`.

        Nothing is contacted yet, except where the place needs a login to exist at all.

        Raises:
            InvalidArgument: not a URI of this scheme.
            MissingExtra: the provider's SDK is not installed.
        """
        ...


class KeyHome(Struct, frozen=True):
    """One built-in kind of place for keys. `module` has a `ProviderFactory` that is called `provider_from_uri`.

    `extra` is the extra of this package that the kind needs, `package` the distribution that the extra installs.
    """

    schemes: tuple[str, ...]
    example: str
    module: str
    extra: str = ""
    package: str = ""


KEY_HOMES = (
    KeyHome(("file", "env"), "a file, env://NAME", "imagesig.keys.file.open"),
    KeyHome(("pkcs11",), "pkcs11:…", "imagesig.keys.pkcs11.open", "pkcs11", "python-pkcs11"),
    KeyHome(("hashivault", "openbao"), "hashivault://NAME", "imagesig.keys.vault.open", "vault", "hvac"),
    KeyHome(("awskms",), "awskms:///ID", "imagesig.keys.awskms.open", "aws", "boto3"),
    KeyHome(("notation-plugin",), "notation-plugin://NAME/ID", "imagesig.keys.plugin.notation_open"),
    KeyHome(("sigstore-kms",), "sigstore-kms://NAME/ID", "imagesig.keys.plugin.sigstore_open"),
)
"""A further kind is a folder with these modules and a line here; the help and `imagesig doctor` read this table."""
_BUILT_IN = {scheme: home.module for home in KEY_HOMES for scheme in home.schemes}
_NAME_OF_VARIABLE = "give the NAME of the variable that holds the key: env://NAME"
_NO_NAME = (
    "give the path of the file that holds the key, or env://NAME for the variable NAME; a program that has it as text "
    "calls imagesig.key_from_pem(text)"
)


def resolve_key(uri_or_path: str, settings: KeySettings) -> tuple[KeyProvider, str]:
    """The provider that a URI points into, and the name of the key there.

    Raises:
        InvalidArgument: empty, a key instead of its name, an unknown scheme, or not a URI of its scheme.
        MissingExtra: the provider's SDK is not installed.
        KeyProviderError: a provider that is not part of imagesig failed, or gave something else.
    """
    if not uri_or_path or "\0" in uri_or_path:
        raise InvalidArgument("key: empty name or one with a NUL byte", hint="give a file or a key URI")
    scheme = scheme_of(uri_or_path)
    if scheme != "file" or not os.path.lexists(uri_or_path):
        hint = _NAME_OF_VARIABLE if scheme == "env" else _NO_NAME
        refuse_key(uri_or_path, "key", hint)
        if scheme in ("file", "env"):
            refuse_key(uri_or_path.rpartition(":")[2].lstrip("/"), "key", hint, raw=True)
        else:  # such digits may be the name of a key: it is tried, and not shown
            for part in raw_keys_in(uri_or_path):
                redact_keys(part)
    # Bytes of a path that are not UTF-8 come from the command line as surrogates; in a URI they are written as %XX.
    if not has_encoding(uri_or_path, "surrogateescape" if scheme == "file" else "strict"):
        raise InvalidArgument(f"key {quote(uri_or_path)}: it is not UTF-8 text", hint="write other bytes as %XX")
    if scheme in _BUILT_IN:
        with external_call(f"key URI of the scheme {scheme}"):
            factory: ProviderFactory = import_module(_BUILT_IN[scheme]).provider_from_uri
            return factory(uri_or_path, settings)
    with external_call(f"key provider {scheme}://", provider_failure(f"{scheme}://")):
        return _checked(scheme, _from_entry_point(scheme)(uri_or_path, settings))


def _checked(scheme: str, made: object) -> tuple[KeyProvider, str]:
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], KeyProvider) and isinstance(made[1], str):
        return made[0], made[1]
    raise KeyProviderError(f"key provider {scheme}://: its factory gave no KeyProvider with the name of a key")


def _from_entry_point(scheme: str) -> ProviderFactory:
    from importlib.metadata import entry_points

    found = [point for point in entry_points(group=ENTRY_POINTS) if point.name == scheme]
    if len(found) > 1:
        raise InvalidArgument(f"key: {len(found)} installed packages claim the scheme {scheme}://, one is needed")
    if not found:
        raise InvalidArgument(
            f"key: unknown scheme {quote(scheme)}",
            hint=f"give a file or a URI of one of these schemes: {', '.join(_BUILT_IN)}",
        )
    loaded: ProviderFactory = found[0].load()
    return loaded


def default_settings() -> KeySettings:
    """This process's environment, and secrets from it."""
    return KeySettings(environ=os.environ, secrets=from_environ(os.environ))


def open_key(
    uri_or_path: str,
    *,
    secrets: SecretSource | None = None,
    expect: PublicKey | None = None,
    chain: bytes | str | Path | Sequence[Certificate] | None = None,
    settings: KeySettings | None = None,
) -> SigningKey:
    """Opens a private key by file path or URI for signing.

    `secrets` is asked for a passphrase or PIN before the environment is. `expect` pins the key's public key. `chain` is
    the key's certificates, its own first: PEM bytes, the path of a PEM file, or parsed; it replaces what the key brings
    itself, and the key then signs with the version that the certificate is for.

    Raises:
        InvalidArgument: not a path or key URI, or not a chain.
        MissingExtra: the SDK for this kind of key is not installed.
        KeyMismatch: another key than `expect`, or than the one that the chain's first certificate is for.
        KeyProviderError: the key cannot be opened.
    """
    from imagesig.keys.wrapped import OwnedKey

    settings = settings or default_settings()
    if secrets is not None:
        settings = replace(settings, secrets=first_of(secrets, settings.secrets))
    expect = settings.expected if expect is None else expect
    settings = replace(settings, expected=expect)
    with deadline(settings.timeout):
        provider, name = resolve_key(uri_or_path, settings)
        try:
            key: SigningKey = OwnedKey(provider.open(name), provider)
            if chain is not None:
                from imagesig.keys.certified import CertifiedKey, read_chain

                key = CertifiedKey(key, *read_chain(chain))
            return key if expect is None else key.expect(expect)
        except BaseException:
            with suppress(ImagesigError):  # the first error is the one to show
                provider.close()
            raise


def open_public_keys(uri_or_path: str, *, settings: KeySettings | None = None) -> tuple[PublicKey, ...]:
    """Every public key that a PEM file or a key URI stands for, newest first: what a verifier trusts.

    A key in Vault gives the public keys of all its versions that are still accepted. Raises as `open_key` does.
    """
    settings = settings or default_settings()
    with deadline(settings.timeout):
        provider, name = resolve_key(uri_or_path, settings)
        with provider:
            return provider.public_keys(name)
