"""Resolves a key path or URI (`env://`, `pkcs11:`, `hashivault://`, …) to a provider and the name of a key.

Programs can also pass provider objects. Other packages add schemes with a `ProviderFactory` in the entry-point group
`imagesig.key_providers`; they cannot replace built-in schemes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.arguments import check_fields, checks_arguments
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderError
from imagesig.external import external_call
from imagesig.keys.guarding import provider_failure
from imagesig.keys.provider import KeyProvider, SigningKey
from imagesig.keys.secrets import SecretSource, first_of, from_environ, has_encoding, no_secrets
from imagesig.naming import PathLike, path_text, raw_keys_in, refuse_key, scheme_of
from imagesig.redacted import RedactedStruct
from imagesig.text import quote, redact_keys

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from imagesig.crypto.certificate import Certificate

ENTRY_POINTS = "imagesig.key_providers"


class KeySettings(RedactedStruct, frozen=True):
    """Settings for opening a key by URI. Only `provider_from_uri` functions read `environ`, no provider class does.

    `allow_open_permissions` accepts a private key file that other users can read. `expected` is the public key that the
    caller pins: `open_key` checks it, and a token without the public half uses it. `timeout` is the time to open one
    key, in seconds; an earlier deadline of the caller has priority.
    """

    hidden = ("environ",)

    environ: Mapping[str, str]
    secrets: SecretSource = no_secrets
    allow_open_permissions: bool = False
    expected: PublicKey | None = None
    timeout: float = limits.KEY_OPEN_SECONDS

    def __post_init__(self) -> None:
        check_fields(self)


class ProviderFactory(Protocol):
    """The function of a provider's module that resolves URIs of one scheme."""

    def __call__(self, uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
        """The provider for a whole URI, scheme included, and the key's name for `provider.open`.

        It contacts nothing, unless the provider cannot be made without a login.

        Raises:
            InvalidArgument: not a URI of this scheme.
            MissingExtra: the provider's SDK is not installed.
        """
        ...


class KeyHome(Struct, frozen=True):
    """One built-in provider. The function `provider_from_uri` of `module` is its `ProviderFactory`.

    `extra` is the extra of this package that it needs, `package` the distribution that the extra installs.
    """

    schemes: tuple[str, ...]
    example: str
    module: str
    extra: str = ""
    package: str = ""


KEY_HOMES = (
    KeyHome(("file", "env"), "a file, env://NAME", "imagesig.keys.file.open"),
    KeyHome(("pkcs11",), "pkcs11:…", "imagesig.keys.pkcs11.open", "pkcs11", "python-pkcs11"),
    KeyHome(("hashivault", "openbao"), "hashivault://…, openbao://…", "imagesig.keys.vault.open", "vault", "hvac"),
    KeyHome(("awskms",), "awskms:///ID", "imagesig.keys.awskms.open", "aws", "boto3"),
    KeyHome(("notation-plugin",), "notation-plugin://NAME/ID", "imagesig.keys.plugin.notation_open"),
    KeyHome(("sigstore-kms",), "sigstore-kms://NAME/ID", "imagesig.keys.plugin.sigstore_open"),
)
"""A new provider is a folder and a line here. The help and `imagesig doctor` read this table."""
_BUILT_IN = {scheme: home.module for home in KEY_HOMES for scheme in home.schemes}
_NAME_OF_VARIABLE = "give the NAME of the variable that holds the key: env://NAME"
_NO_NAME = (
    "give the path of the key file, or env://NAME for the variable NAME; in a program, call imagesig.key_from_pem(text)"
)


@checks_arguments
def resolve_key(uri_or_path: str | PathLike, settings: KeySettings) -> tuple[KeyProvider, str]:
    """The provider for a path or URI, and the name of the key for `provider.open`.

    Raises:
        InvalidArgument: empty, a key instead of its name, an unknown scheme, or not a URI of its scheme.
        MissingExtra: the provider's SDK is not installed.
        KeyProviderError: a third-party provider failed or returned a wrong type.
    """
    if isinstance(uri_or_path, str):
        _refuse_half_uri(uri_or_path)
    elif not isinstance(uri_or_path, PathLike):
        raise InvalidArgument(f"key {quote(uri_or_path)}: a file or a key URI is needed")
    else:
        uri_or_path = path_text(uri_or_path)
    if not uri_or_path or "\0" in uri_or_path:
        raise InvalidArgument("key: empty name or one with a NUL byte", hint="give a file or a key URI")
    scheme = scheme_of(uri_or_path)
    if scheme != "file" or not os.path.lexists(uri_or_path):
        hint = _NAME_OF_VARIABLE if scheme == "env" else _NO_NAME
        refuse_key(uri_or_path, "key", hint)
        if scheme in ("file", "env"):
            refuse_key(uri_or_path.rpartition(":")[2].lstrip("/"), "key", hint, raw=True)
        else:  # such digits may also be a valid name: use it, but do not show it
            for part in raw_keys_in(uri_or_path):
                redact_keys(part)
    # The command line gives bytes that are not UTF-8 as surrogates: allowed in paths. URIs write them as %XX.
    if not has_encoding(uri_or_path, "surrogateescape" if scheme == "file" else "strict"):
        raise InvalidArgument(f"key {quote(uri_or_path)}: it is not UTF-8 text", hint="write other bytes as %XX")
    if scheme in _BUILT_IN:
        with external_call(f"key URI of the scheme {scheme}"):
            factory: ProviderFactory = import_module(_BUILT_IN[scheme]).provider_from_uri
            return factory(uri_or_path, settings)
    with external_call(f"key provider {scheme}://", provider_failure(f"{scheme}://")):
        return _checked(scheme, _from_entry_point(scheme)(uri_or_path, settings))


def _refuse_half_uri(text: str) -> None:
    """Returns unless the text is a key URI without its slashes: as the name of a file it would be a surprise."""
    scheme, colon, _ = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme_of(text) == "file" and scheme != "file" and scheme in _BUILT_IN and not os.path.lexists(text):
        example = next(home.example for home in KEY_HOMES if scheme in home.schemes)
        raise InvalidArgument(
            f"key {scheme}:…: {scheme}:// is needed", hint=f"write {example}; a file of this name is ./{scheme}:…"
        )


def _checked(scheme: str, made: object) -> tuple[KeyProvider, str]:
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], KeyProvider) and isinstance(made[1], str):
        return made[0], made[1]
    raise KeyProviderError(f"key provider {scheme}://: its factory must return a KeyProvider and the name of a key")


def _from_entry_point(scheme: str) -> ProviderFactory:
    from importlib.metadata import entry_points

    installed = entry_points(group=ENTRY_POINTS)
    found = [point for point in installed if point.name == scheme]
    if len(found) > 1:
        raise InvalidArgument(
            f"key: {len(found)} installed packages claim the scheme {scheme}://, exactly one is needed"
        )
    if not found:
        raise InvalidArgument(
            f"key: unknown scheme {quote(scheme)}",
            hint=f"give a file or a URI of one of these schemes: {_known_schemes(installed)}",
        )
    loaded: ProviderFactory = found[0].load()
    return loaded


def _known_schemes(installed: Iterable[EntryPoint]) -> str:
    plugins = sorted({point.name for point in installed} - set(_BUILT_IN))
    return ", ".join((*_BUILT_IN, *plugins))


def default_settings() -> KeySettings:
    """Settings with this process's environment and its secrets."""
    return KeySettings(environ=os.environ, secrets=from_environ(os.environ))


@checks_arguments
def open_key(
    uri_or_path: str | PathLike,
    *,
    secrets: SecretSource | None = None,
    expect: PublicKey | None = None,
    chain: bytes | str | Path | Sequence[Certificate] | None = None,
    settings: KeySettings | None = None,
) -> SigningKey:
    """Opens a private key by file path or URI for signing.

    `secrets` has priority over the environment for passphrases and PINs. `expect` pins the public key. `chain` contains
    the key's certificates, its own first: PEM bytes, the path of a PEM file, or `Certificate` objects. It replaces the
    chain of the provider; the key then signs with the version that the certificate was issued for.

    Raises:
        InvalidArgument: not a path or key URI, or not a chain.
        MissingExtra: the SDK for this kind of key is not installed.
        KeyMismatch: the key is not `expect`, or the chain's first certificate is for another key.
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
            with suppress(ImagesigError):  # raise the first error, not this one
                provider.close()
            raise


@checks_arguments
def open_public_keys(uri_or_path: str | PathLike, *, settings: KeySettings | None = None) -> tuple[PublicKey, ...]:
    """Every public key of a PEM file or key URI, newest first: the keys that a verifier trusts.

    A key in Vault has one for each version that Vault still accepts. Raises as `open_key` does.
    """
    settings = settings or default_settings()
    with deadline(settings.timeout):
        provider, name = resolve_key(uri_or_path, settings)
        with provider:
            return provider.public_keys(name)
