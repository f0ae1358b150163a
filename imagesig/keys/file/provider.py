"""Keys in files, and keys in memory as text of a program or environment variable.

A key's id is `file:` and the fingerprint of its public key. It does not depend on the file's path or encryption.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm, KeyType, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    AccessDenied,
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyUnusable,
    LimitExceeded,
    UnsupportedAlgorithm,
)
from imagesig.external import external_call
from imagesig.keys.file.disk import KeyFile, public_path, read_key_file, refuse_existing, write_private_key
from imagesig.keys.file.form import Form, form_of, has_private_key
from imagesig.keys.provider import KeyInfo, KeyProvider, SigningKey
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource, ask, fixed, no_secrets
from imagesig.naming import PathLike
from imagesig.signature import SignerInfo
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.keys.file.private_key import PrivateKey


class FileKey(SigningKey):
    """A private key in this process's memory. Signing needs no lock, as `cryptography`'s key objects need none."""

    def __init__(self, private_key: PrivateKey, subject: str) -> None:
        self._private_key: PrivateKey | None = private_key
        self._subject = subject
        public_key = private_key.public_key
        self._info = SignerInfo(public_key, f"file:{public_key.fingerprint}", chain=private_key.chain)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def signs_digests(self, algorithm: Algorithm) -> bool:
        return algorithm.hash is not None

    def _sign(self, request: ToSign) -> bytes:
        private_key = self._private_key
        assert private_key is not None
        return private_key.sign(request)

    def _release(self) -> None:
        self._private_key = self._opened_by = None  # the provider may refer to the key's text

    def __repr__(self) -> str:
        return f"FileKey({self._subject!r}, {self._info.public_key!r})"


class FileProvider(KeyProvider):
    """The key files of one folder, or, without `directory`, of any path.

    With a `directory`, names are relative to it and cannot leave it. `secrets` is asked for the passphrase when an
    encrypted key is opened, and when a key is generated: with an answer, even an empty one, the new key is cosign's
    encrypted key. `allow_open_permissions` accepts private key files that other users can read or change.
    """

    @checks_arguments
    def __init__(
        self,
        directory: str | PathLike | None = None,
        *,
        secrets: SecretSource = no_secrets,
        allow_open_permissions: bool = False,
    ) -> None:
        self._directory = None if directory is None else Path(directory)
        self._secrets = secrets
        self._allow_open_permissions = allow_open_permissions

    def open(self, name: str) -> SigningKey:
        """The private key in the file of that name. Raises as `KeyProvider.open` does."""
        path = self._path(name)
        file = read_key_file(path)
        if has_private_key(file.content):  # another file is refused as such, regardless of permissions
            self._check_permissions(path, file)
        return _signing_key(file.content, str(path), self._secrets, path)

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key in the file: `PUBLIC KEY`, `RSA PUBLIC KEY`, or the public half of a private key."""
        path = self._path(name)
        try:
            file = read_key_file(path)
        except KeyNotFound as error:
            raise KeyNotFound(str(error), hint="check the path of the public key") from None
        if has_private_key(file.content):
            self._check_permissions(path, file)
        return (_public_key_in(file.content, str(path), self._secrets),)

    def generate(self, name: str, key_type: KeyType) -> SigningKey:
        """Writes a new private key, and its public half to `public_path`: both files or none.

        Only the owner can read the private key.

        Raises:
            KeyExists: one of the two files exists.
            AccessDenied: no permission to write there.
            KeyProviderError: the files cannot be written.
        """
        path = self._path(name)
        refuse_existing((path, public_path(path)))
        passphrase = ask(self._secrets, SecretRequest(SecretKind.PASSPHRASE, str(path), new=True))
        from imagesig.keys.file.private_key import PrivateKey

        private_key = PrivateKey.generate(key_type)
        write_private_key(path, private_key, passphrase)
        return FileKey(private_key, str(path))

    @checks_arguments
    def is_private(self, name: str) -> bool:
        """Whether the file of that name has a private key."""
        return has_private_key(read_key_file(self._path(name)).content)

    @checks_arguments
    def is_encrypted(self, name: str) -> bool:
        """Whether opening the private key in the file of that name needs a passphrase."""
        return form_of(read_key_file(self._path(name)).content) is not Form.PLAIN

    def list(self) -> Iterator[KeyInfo]:
        """The private key files of the folder, without subfolders, sorted by name.

        No passphrase is asked for: the type of an encrypted key comes from the file with its public half, if there is
        one.

        Raises:
            KeyProviderError: the folder cannot be read.
        """
        directory = self._directory or Path()
        listing = external_call(f"folder {directory}", lambda error: _not_listed(directory, error))
        with listing, os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file())
        for name in names:
            info = _describe(directory / name)
            if info is not None:
                yield info

    def __repr__(self) -> str:
        return f"FileProvider({'any path' if self._directory is None else str(self._directory)!r})"

    def _path(self, name: str) -> Path:
        if "\0" in name:
            raise InvalidArgument("key file: a name with a NUL byte", hint="give the path of a file")
        if self._directory is None:
            return Path(name)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InvalidArgument(f"key file: {quote(name)} is outside the folder {self._directory}")
        return self._directory / name

    def _check_permissions(self, path: Path, file: KeyFile) -> None:
        if file.is_open_to_others and not self._allow_open_permissions:
            raise AccessDenied(
                f"{path}: mode {file.mode:04o} lets other users read or change this private key",
                hint=f"run: chmod 600 {path}",
            )


class MemoryProvider(KeyProvider):
    """Key files in memory, by name: from an environment variable or a mounted secret."""

    def __init__(self, keys: Mapping[str, bytes], *, secrets: SecretSource = no_secrets) -> None:
        self._keys = dict(keys)
        self._secrets = secrets

    def open(self, name: str) -> SigningKey:
        """The private key of that name. Raises as `KeyProvider.open` does."""
        return _signing_key(self._content(name), name, self._secrets)

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key of that name, or the public half of the private key."""
        return (_public_key_in(self._content(name), name, self._secrets),)

    def is_private(self, name: str) -> bool:
        """Whether the key of that name is a private key."""
        return has_private_key(self._content(name))

    def _release(self) -> None:
        self._keys.clear()

    def __repr__(self) -> str:
        return f"MemoryProvider({sorted(self._keys)!r})"

    def _content(self, name: str) -> bytes:
        if name not in self._keys:
            raise KeyNotFound(f"{name}: no such key", hint=f"there are: {', '.join(sorted(self._keys)) or 'none'}")
        content = self._keys[name]
        if len(content) > limits.KEY_FILE_BYTES:
            raise KeyUnusable(f"{name}: {len(content)} bytes, at most {limits.KEY_FILE_BYTES} are read")
        return content


@checks_arguments
def key_from_pem(pem: str | bytes, *, passphrase: str | None = None) -> SigningKey:
    """The private key in PEM text, with the certificates in the same text.

    It accepts every format of key files; `passphrase` decrypts encrypted ones. Functions that expect the name of a key
    refuse the text of one, because they would show it in errors.

    Raises:
        KeyUnusable: no private key, or one in an unsupported format.
        UnsupportedAlgorithm: an unsupported curve, RSA size or key type.
        SecretRequired, WrongSecret: the key is encrypted, and the passphrase is missing or wrong.
    """
    content = pem.encode("utf-8", "replace") if isinstance(pem, str) else bytes(pem)
    secrets = no_secrets if passphrase is None else fixed(passphrase)
    return MemoryProvider({_AS_TEXT: content}, secrets=secrets).open(_AS_TEXT)


_AS_TEXT = "key given as text"


# speed: verifying does not load the code for private keys (benchmarks/test_cli.py)


def _signing_key(content: bytes, subject: str, secrets: SecretSource, path: Path | None = None) -> FileKey:
    from imagesig.keys.file.reading import read_private_key, with_certificates

    return FileKey(with_certificates(read_private_key(content, subject, secrets), content, path), subject)


def _public_key_in(content: bytes, subject: str, secrets: SecretSource) -> PublicKey:
    """The public key, or the public half of the private key, in these contents."""
    if not has_private_key(content):
        return _public_key(content, subject)
    from imagesig.keys.file.reading import read_private_key

    return read_private_key(content, subject, secrets).public_key


def _public_key(content: bytes, subject: str) -> PublicKey:
    if b"-----BEGIN CERTIFICATE-----" in content:
        raise KeyUnusable(
            f"{subject}: a certificate, a public key is needed",
            hint=f"to trust the key and not its issuer: openssl x509 -in {subject} -noout -pubkey > key.pub",
        )
    try:
        return PublicKey.from_pem(content)
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithm(f"{subject}: {error}", hint=error.hint) from None
    except (InvalidArgument, LimitExceeded) as error:
        raise KeyUnusable(f"{subject}: {error}", hint=error.hint) from error


def _not_listed(directory: Path, error: Exception) -> KeyProviderError | None:
    if not isinstance(error, OSError):
        return None
    return KeyProviderError(f"{directory}: cannot be listed: {error.strerror}")


def _describe(path: Path) -> KeyInfo | None:
    """The entry of one file in `list`; None if it is not a private key."""
    try:
        file = read_key_file(path)
    except KeyProviderError:
        return None  # unreadable or too large: not treated as a key
    # A relative name with a colon could look like a URI.
    uri = f"./{path}" if ":" in str(path) and not path.is_absolute() else str(path)
    form = form_of(file.content)
    if form is None:
        is_foreign = has_private_key(file.content)
        return KeyInfo(uri, None, "a private key in a format that imagesig does not read") if is_foreign else None
    opened = f"; mode {file.mode:04o}: other users can read or change it" if file.is_open_to_others else ""
    try:
        if form is Form.PLAIN:
            public_key = _public_key_in(file.content, str(path), no_secrets)
        else:
            public_key = _public_key(read_key_file(public_path(path)).content, str(public_path(path)))
    except KeyNotFound:
        return KeyInfo(uri, None, f"{form.value}; its type is known when it is opened{opened}")
    except KeyProviderError as error:
        return KeyInfo(uri, None, f"{form.value}; {error}{opened}")
    return KeyInfo(uri, public_key.key_type, form.value + opened)
