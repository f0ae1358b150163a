"""Keys in files, and keys that a program or an environment variable holds as text.

A key's id is `file:` and the fingerprint of its public key: the same wherever the file lies, however it is encrypted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain as chain_together
from pathlib import Path
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import KeyType, ToSign
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
from imagesig.keys.chain import CERTIFICATE_LABEL, chain_in
from imagesig.keys.file.disk import KeyFile, NewFile, create_files, read_key_file, refuse_existing
from imagesig.keys.file.private_key import Form, PrivateKey, form_of, has_private_key, read_private_key
from imagesig.keys.provider import KeyInfo, KeyProvider, SigningKey
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource, ask, fixed, has_encoding, no_secrets
from imagesig.keys.uri import KeySettings, scheme_of
from imagesig.reading import is_folder
from imagesig.signature import SignerInfo
from imagesig.text import quote


class FileKey(SigningKey):
    """A private key in this process's memory. Signing takes no lock: the key objects of `cryptography` need none."""

    def __init__(self, private_key: PrivateKey, subject: str) -> None:
        self._private_key: PrivateKey | None = private_key
        self._subject = subject
        public_key = private_key.public_key
        self._info = SignerInfo(public_key, f"file:{public_key.fingerprint}", chain=private_key.chain)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        private_key = self._private_key
        assert private_key is not None
        return private_key.sign(request)

    def _release(self) -> None:
        self._private_key = self._opened_by = None  # the provider may hold the key's text

    def __repr__(self) -> str:
        return f"FileKey({self._subject!r}, {self._info.public_key!r})"


class FileProvider(KeyProvider):
    """The key files of one folder, or, without `directory`, of any path.

    With a `directory`, names are relative to it and cannot leave it. An encrypted key asks `secrets` once, when it is
    opened. A new key asks too, and is written in cosign's encrypted form if there is an answer, even an empty one.
    `allow_open_permissions` accepts private key files that other users can read or change.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        secrets: SecretSource = no_secrets,
        allow_open_permissions: bool = False,
    ) -> None:
        self._directory = directory
        self._secrets = secrets
        self._allow_open_permissions = allow_open_permissions

    def open(self, name: str) -> SigningKey:
        """The private key in the file of that name. Raises as `KeyProvider.open` does."""
        path = self._path(name)
        file = read_key_file(path)
        if has_private_key(file.content):  # what is none is refused for that, whoever may read it
            self._check_permissions(path, file)
        private_key = read_private_key(file.content, str(path), self._secrets)
        return FileKey(_certified(private_key, file.content, path), str(path))

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key in the file of that name: a `PUBLIC KEY`, an `RSA PUBLIC KEY` or half of a private key."""
        path = self._path(name)
        try:
            file = read_key_file(path)
        except KeyNotFound as error:
            raise KeyNotFound(str(error), hint="check the path of the public key") from None
        if not has_private_key(file.content):
            return (_public_key(file.content, str(path)),)
        self._check_permissions(path, file)
        return (read_private_key(file.content, str(path), self._secrets).public_key,)

    def generate(self, name: str, key_type: KeyType) -> SigningKey:
        """Writes a new private key, and beside it its public half: `NAME.pub`, but `x.pub` for `x.key`.

        Either both files are written or none. The private one can be read by its owner only.

        Raises:
            KeyExists: one of the two files exists.
            AccessDenied: no permission to write there.
            KeyProviderError: they cannot be written.
        """
        path = self._path(name)
        refuse_existing((path, public_path(path)))
        passphrase = ask(self._secrets, SecretRequest(SecretKind.PASSPHRASE, str(path), new=True))
        private_key = PrivateKey.generate(key_type)
        write_private_key(path, private_key, passphrase)
        return FileKey(private_key, str(path))

    def list(self) -> Iterator[KeyInfo]:
        """The private key files of the folder, by name; those in its subfolders are not looked for.

        No passphrase is asked for: the type of an encrypted key comes from its public half, if that lies beside it.

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
            raise InvalidArgument(f"key file: {quote(name)} leads out of the folder {self._directory}")
        return self._directory / name

    def _check_permissions(self, path: Path, file: KeyFile) -> None:
        if file.is_open_to_others and not self._allow_open_permissions:
            raise AccessDenied(
                f"{path}: mode {file.mode:04o} lets other users read or change this private key",
                hint=f"run: chmod 600 {path}",
            )


class MemoryProvider(KeyProvider):
    """Key files whose contents the program already holds, by name: from an environment variable or a mounted secret."""

    def __init__(self, keys: Mapping[str, bytes], *, secrets: SecretSource = no_secrets) -> None:
        self._keys = dict(keys)
        self._secrets = secrets

    def open(self, name: str) -> SigningKey:
        """The private key of that name. Raises as `KeyProvider.open` does."""
        content = self._content(name)
        private_key = read_private_key(content, name, self._secrets)
        return FileKey(_certified(private_key, content), name)

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key of that name, or the public half of the private key."""
        content = self._content(name)
        if has_private_key(content):
            return (read_private_key(content, name, self._secrets).public_key,)
        return (_public_key(content, name),)

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


def key_from_pem(pem: str | bytes, *, passphrase: str | None = None) -> SigningKey:
    """The private key in PEM text that the program already holds, with its certificates where they stand beside it.

    It reads what a key file may hold, cosign's encrypted keys too; `passphrase` opens those that are encrypted. The
    functions that take the name of a key refuse its text, so that it is never taken for a name and shown.

    Raises:
        KeyUnusable: no private key, or one in a form that imagesig does not read.
        UnsupportedAlgorithm: another curve, RSA size or key type.
        SecretRequired, WrongSecret: the key is encrypted, with another passphrase.
    """
    content = pem.encode("utf-8", "surrogateescape") if isinstance(pem, str) else bytes(pem)
    secrets = no_secrets if passphrase is None else fixed(passphrase)
    return MemoryProvider({_AS_TEXT: content}, secrets=secrets).open(_AS_TEXT)


_AS_TEXT = "key given as text"


def public_path(path: Path) -> Path:
    """Where the public half of a key file lies: `x.pub` for `x.key`, else `.pub` added to the whole name."""
    return path.with_suffix(".pub") if path.suffix == ".key" else path.with_name(path.name + ".pub")


def write_private_key(path: Path, private_key: PrivateKey, passphrase: str | None) -> None:
    """Writes a private key, readable by its owner only, and its public half to `public_path(path)`: both or none.

    Without a passphrase it is PKCS#8 PEM; with one, an empty one included, cosign's encrypted key.

    Raises:
        KeyExists: one of the two files exists; nothing is written.
        AccessDenied, KeyProviderError: they cannot be written.
    """
    create_files(
        (
            NewFile(path, private_key.to_pem(passphrase), 0o600),
            NewFile(public_path(path), private_key.public_key.pem.encode("ascii"), 0o644),
        )
    )


def _certified(private_key: PrivateKey, content: bytes, path: Path | None = None) -> PrivateKey:
    """The key with its certificates: those it came with, those in the same PEM text, or those in a file beside it."""
    texts = chain_together([content], () if path is None else _certificate_files(path))
    for text in () if private_key.chain else texts:
        if CERTIFICATE_LABEL in text and (chain := chain_in(text, private_key.public_key)):
            return replace(private_key, chain=chain)
    return private_key


def _certificate_files(path: Path) -> Iterator[bytes]:
    """What is in `x.crt` and `x.pem`, for `x.key`, and in `x.key.crt` and `x.key.pem`: as far as it can be read."""
    for suffix in (".crt", ".pem"):
        for name in dict.fromkeys((path.with_suffix(suffix), path.with_name(path.name + suffix))):
            try:
                if name != path and (content := read_key_file(name).content):
                    yield content
            except KeyProviderError:
                continue


def _public_key(content: bytes, subject: str) -> PublicKey:
    if b"-----BEGIN CERTIFICATE-----" in content:
        raise KeyUnusable(
            f"{subject}: a certificate, a bare public key is needed",
            hint=f"if you trust its key and not its issuer: openssl x509 -in {subject} -noout -pubkey > key.pub",
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
    """What `list` tells of one file; None if it is no private key."""
    try:
        file = read_key_file(path)
    except KeyProviderError:
        return None  # not ours to read, or far too large: nothing says that it is a key
    # A relative name with a colon could be taken for a URI.
    uri = f"./{path}" if ":" in str(path) and not path.is_absolute() else str(path)
    form = form_of(file.content)
    if form is None:
        is_foreign = has_private_key(file.content)
        return KeyInfo(uri, None, "a private key in a form that imagesig does not read") if is_foreign else None
    opened = f"; mode {file.mode:04o}: other users can read or change it" if file.is_open_to_others else ""
    try:
        if form is Form.PLAIN:
            public_key = read_private_key(file.content, str(path), no_secrets).public_key
        else:
            public_key = _public_key(read_key_file(public_path(path)).content, str(public_path(path)))
    except KeyNotFound:
        return KeyInfo(uri, None, f"{form.value}; its type shows when it is opened{opened}")
    except KeyProviderError as error:
        return KeyInfo(uri, None, f"{form.value}; {error}{opened}")
    return KeyInfo(uri, public_key.key_type, form.value + opened)


_FILE_URI = re.compile(r"file:(?://(?P<host>[^/?#]*))?(?P<path>[^?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_VARIABLE_URI = re.compile(r"env://([A-Za-z_][A-Za-z0-9_]*)", re.IGNORECASE)


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
    """The provider of a path, of `file:///PATH` (RFC 8089, `%XX` decoded) or of `env://NAME`, PEM text in a variable.

    A path to a folder gives the folder and an empty name: for `list`.

    Raises:
        InvalidArgument: a `file:` or `env:` URI of another shape.
        KeyNotFound: the variable is not set.
    """
    if scheme_of(uri) == "env":
        return _from_environ(uri, settings), uri
    path = _path_of(uri)
    with_folder = is_folder(path)
    provider = FileProvider(
        path if with_folder else path.parent,
        secrets=settings.secrets,
        allow_open_permissions=settings.allow_open_permissions,
    )
    return provider, "" if with_folder else path.name


def _from_environ(uri: str, settings: KeySettings) -> MemoryProvider:
    match = _VARIABLE_URI.fullmatch(uri)
    if match is None:
        raise InvalidArgument(f"key URI {quote(uri)}: no name of a variable", hint="write env://NAME")
    if match[1] not in settings.environ:
        raise KeyNotFound(f"{uri}: the variable is not set", hint=f"put the PEM text of the key into {match[1]}")
    value = settings.environ[match[1]]
    if not has_encoding(value, "surrogateescape"):
        raise InvalidArgument(f"{match[1]}: not text that can be encoded")
    content = value.encode("utf-8", "surrogateescape")
    return MemoryProvider({uri: content}, secrets=settings.secrets)


def _path_of(uri: str) -> Path:
    match = _FILE_URI.fullmatch(uri)
    if match is None:
        return Path(uri)
    # A path that is not UTF-8 comes from the command line with its bytes as surrogates.
    decoded = os.fsdecode(unquote_to_bytes(os.fsencode(match["path"])))
    is_here = (match["host"] or "localhost").lower() == "localhost"
    if not is_here or not decoded.startswith("/") or match["rest"] or "\0" in decoded:
        raise InvalidArgument(
            f"key URI {quote(uri)}: not the file URI of an absolute path",
            hint="write the path itself, or file:///folder/name",
        )
    return Path(decoded)
