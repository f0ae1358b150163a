"""The private keys of docker and notary: one file for each key, in a folder such as `~/.docker/trust/private`.

A file's name is the canonical id of its key, and its PEM headers name the role. Old versions of notary wrote folders
`root_keys` and `tuf_keys`, and the role into the name; these files are read too.

Spec: notary 0.7, storage and trustmanager; docker 28.5, cli/trust.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.content_trust.key import canonical_id
from imagesig.content_trust.signing_key import ProviderKey, signing_key
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    InvalidArgument,
    KeyExists,
    KeyMismatch,
    KeyNotFound,
    KeyProviderError,
    SecretRequired,
)
from imagesig.external import external_call
from imagesig.images.registry.credentials import docker_folder
from imagesig.keys.file.disk import read_key_file
from imagesig.keys.file.form import has_private_key
from imagesig.keys.file.notary_key import Attributes, attributes_of, exported, to_notary_pem
from imagesig.keys.file.private_key import PrivateKey, encoded
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource, ask, docker_variable, first_of
from imagesig.naming import PathLike
from imagesig.reading import is_file
from imagesig.text import quote
from imagesig.writing import make_private_folder, replace_file

PASSPHRASE_CHARACTERS = 8
"""The fewest of a new passphrase, as notary asks for at its prompt."""
_FILE_NAME = re.compile(r"([0-9a-f]{64})(?:_([a-z0-9_-]{1,64}))?\.key", re.ASCII)
_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)

Passphrases = Callable[[str], SecretSource]
"""The source of passphrases for the keys of a role, or of a signer's name."""


@checks_arguments
def docker_passphrases(environ: Mapping[str, str], *others: SecretSource) -> Passphrases:
    """Docker's two variables, for root keys and for all other keys, and then the other sources."""

    def of_role(role: str) -> SecretSource:
        value = environ.get(docker_variable(role))
        # docker asks if the variable is empty
        return first_of(lambda _request: value or None, *others)

    return of_role


class PrivateKeyFolder:
    """The private keys in one folder. `passphrases` is asked for each key that is opened or written."""

    @checks_arguments
    def __init__(self, folder: str | PathLike, passphrases: Passphrases) -> None:
        self._folder = Path(folder)
        self._passphrases = passphrases

    @classmethod
    @checks_arguments
    def of_docker(cls, environ: Mapping[str, str], *others: SecretSource) -> PrivateKeyFolder:
        """Docker's own folder, with the passphrases in its variables, and then from the other sources."""
        return cls(docker_folder(environ) / "trust" / "private", docker_passphrases(environ, *others))

    def roles(self) -> dict[str, str]:
        """The role or signer's name of each key by its canonical id, from the files' headers: not verified.

        Raises:
            KeyProviderError: the folder cannot be read.
        """
        return {key_id: attributes.role for key_id, attributes in self._described()}

    def repositories(self) -> dict[str, str]:
        """The repository of each key whose header names one, by its canonical id: not verified. Raises as `roles`."""
        return {key_id: attributes.repository for key_id, attributes in self._described() if attributes.repository}

    @checks_arguments
    def find(self, key_id: str) -> ProviderKey | None:
        """The key with this canonical id; None if the folder does not have it.

        Raises:
            SecretRequired, WrongSecret: its passphrase is missing or wrong.
            KeyMismatch: the file has another key.
            AccessDenied, KeyUnusable: the file cannot be read, or other users can.
        """
        found = self._file(key_id)
        if found is None:
            return None
        path, role = found
        source = self._passphrases(role)

        def secrets(_request: SecretRequest) -> str | None:
            return ask(source, SecretRequest(SecretKind.PASSPHRASE, _subject(role, key_id)))

        try:
            key = FileProvider(path.parent, secrets=secrets).open(path.name)
        except SecretRequired as error:
            raise SecretRequired(str(error), hint=f"set {docker_variable(role)}") from None
        if canonical_id(key.info.public_key) != key_id:
            raise KeyMismatch(f"{path}: it has the key {canonical_id(key.info.public_key)}")
        return signing_key(key)

    def path(self, key_id: str) -> Path | None:
        """The file of the key with this canonical id; None if the folder does not have it."""
        found = self._file(key_id)
        return found[0] if found else None

    @checks_arguments
    def store(self, private_key: PrivateKey, role: str, repository: str = "") -> Path:
        """Writes a key, encrypted, and gives its file. A file of the same key and role is replaced.

        Raises:
            KeyExists: the folder has this key for another role.
            SecretRequired, InvalidArgument: no new passphrase, or one that is too short.
            KeyProviderError: the file cannot be written.
        """
        key_id = canonical_id(private_key.public_key)
        known = self._file(key_id)
        if known is not None and known[1] != role:
            raise KeyExists(
                f"{known[0]}: this key is there already, for {quote(known[1])}", hint="move that file away first"
            )
        content = to_notary_pem(private_key, self._new_passphrase(role, key_id), Attributes(role, repository))
        path = self._folder / f"{key_id}.key" if known is None else known[0]
        with external_call(f"{path}", lambda error: _not_written(path, error)):
            make_private_folder(self._folder)
            replace_file(path, content)
        return path

    @checks_arguments
    def generate(self, role: str, repository: str = "") -> ProviderKey:
        """A new P-256 key, as docker makes it, stored in the folder. Raises as `store` does."""
        private_key = PrivateKey.generate(KeyType.ECDSA_P256)
        path = self.store(private_key, role, repository)
        from imagesig.keys.file.provider import FileKey

        return signing_key(FileKey(private_key, str(path)))

    @checks_arguments
    def export(self, key_id: str) -> bytes:
        """The file of a key as `notary key export` writes it. No passphrase is needed: it stays encrypted.

        Raises:
            KeyNotFound: the folder does not have the key.
        """
        found = self._file(key_id)
        if found is None:
            raise KeyNotFound(f"{self._folder}: no key {quote(key_id)}")
        return exported(read_key_file(found[0]).content, key_id)

    def _new_passphrase(self, role: str, key_id: str) -> bytes:
        subject = _subject(role, key_id)
        passphrase = ask(self._passphrases(role), SecretRequest(SecretKind.PASSPHRASE, f"new {subject}", new=True))
        if passphrase is None:
            raise SecretRequired(
                f"new {subject}: no passphrase was given, and the key is not written without one",
                hint=f"set {docker_variable(role)}",
            )
        if len(passphrase) < PASSPHRASE_CHARACTERS:
            raise InvalidArgument(
                f"new {subject}: a passphrase of {len(passphrase)} characters, "
                f"at least {PASSPHRASE_CHARACTERS} are needed"
            )
        return encoded(passphrase)

    def _file(self, key_id: str) -> tuple[Path, str] | None:
        """The path of a key's file, and the role."""
        if not _ID.fullmatch(key_id):
            return None
        path = self._folder / f"{key_id}.key"
        if is_file(path):
            attributes = self._attributes(path, "")
            return path, attributes.role if attributes else ""
        for found, path, suffix in self._files():
            if found == key_id and (attributes := self._attributes(path, suffix)):
                return path, attributes.role
        return None

    def _described(self) -> Iterator[tuple[str, Attributes]]:
        for key_id, path, suffix in self._files():
            if (attributes := self._attributes(path, suffix)) is not None:
                yield key_id, attributes

    def _files(self) -> Iterator[tuple[str, Path, str]]:
        """Id, path and the role in the name of each file, in a fixed order."""
        listing = external_call(f"folder {self._folder}", lambda error: _not_listed(self._folder, error))
        with listing:
            walked = islice(_walk(self._folder), limits.TRUST_KEY_FILES)
            for folder, name in walked:
                if match := _FILE_NAME.fullmatch(name):
                    yield match[1], folder / name, match[2] or ""

    def _attributes(self, path: Path, suffix: str) -> Attributes | None:
        """The role and repository in the headers of a file; None if it is not a key file."""
        try:
            content = read_key_file(path).content
        except KeyProviderError:
            return None
        if not has_private_key(content):
            return None
        found = attributes_of(content)
        return found if found.role else Attributes(suffix, found.repository)


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    for place, folders, names in os.walk(folder, onerror=_unless_missing):
        folders.sort()
        for name in sorted(names):
            yield Path(place), name


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _subject(role: str, key_id: str) -> str:
    """The key as docker's prompt names it."""
    return f"{role or 'signing'} key with ID {key_id[:7]}"


def _not_written(path: Path, error: Exception) -> KeyProviderError | None:
    return KeyProviderError(f"{path}: cannot be written: {error.strerror}") if isinstance(error, OSError) else None


def _not_listed(folder: Path, error: Exception) -> KeyProviderError | None:
    return KeyProviderError(f"{folder}: cannot be listed: {error.strerror}") if isinstance(error, OSError) else None
