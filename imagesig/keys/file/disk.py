"""Reads and writes key files: permissions are those of the opened file, new files are complete or absent."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.errors import (
    AccessDenied,
    ImagesigError,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyUnusable,
)
from imagesig.external import external_call
from imagesig.reading import Unreadable, read_content
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.keys.file.private_key import PrivateKey

_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


_NAME_FILE = "name the file of the key itself; a key from a program goes into a variable, for env://NAME"


class KeyFile(RedactedStruct, frozen=True):
    """Contents and permission bits of one opened file."""

    hidden = ("content",)

    content: bytes
    mode: int

    @property
    def is_open_to_others(self) -> bool:
        """Whether users other than the owner may read or change the file."""
        return bool(self.mode & _OTHERS)


def read_key_file(path: Path) -> KeyFile:
    """A regular file of at most `limits.KEY_FILE_BYTES`. Symbolic links are followed.

    Raises:
        KeyNotFound: no such file.
        AccessDenied: no permission to read it.
        KeyUnusable: a folder, pipe or device, or a file that is too large.
    """
    content = read_content(
        path, limits.KEY_FILE_BYTES, "key file", explain=lambda reason, sentence: _refusal(path, reason, sentence)
    )
    return KeyFile(content.data, content.mode)


def _refusal(path: Path, reason: Unreadable, sentence: str) -> ImagesigError:
    if reason is Unreadable.MISSING:
        return KeyNotFound(f"{path}: no such file", hint=f"create a key: imagesig key generate {path}")
    if reason is Unreadable.FORBIDDEN:
        return AccessDenied(f"{path}: {sentence}", hint="run imagesig as the owner of the key file")
    if reason is Unreadable.NAME:
        return InvalidArgument(f"key file {quote(str(path))}: {sentence}", hint="give the path of a file")
    if reason is Unreadable.LARGE:
        return KeyUnusable(
            f"{path}: too large for a key file, at most {limits.KEY_FILE_BYTES} bytes are read", hint=_NAME_FILE
        )
    return KeyUnusable(f"{path}: {sentence}", hint=_NAME_FILE)


class NewFile(RedactedStruct, frozen=True):
    hidden = ("content",)

    path: Path
    content: bytes
    mode: int


def create_files(files: Sequence[NewFile]) -> None:
    """Creates all of these files with all of their content, or none. Existing files stay unchanged.

    Each file is written under a temporary name in its folder, flushed to disk, and then linked to its name. That fails
    if the name exists.

    Raises:
        KeyExists: one of them exists.
        AccessDenied: no permission to write there.
        KeyProviderError: the folder is missing, the disk is full, or the file system has no hard links.
    """
    with ExitStack() as temporary_files:
        written = [(temporary_files.enter_context(_temporary(file)), file.path) for file in files]
        created: list[Path] = []
        try:
            for temporary, path in written:
                _link(temporary, path)
                created.append(path)
            for folder in {path.parent for path in created}:
                _flush_folder(folder)
        except BaseException:
            for path in created:
                _remove(path)
            raise


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raises `KeyExists` if one of these names exists. Call it before asking for a passphrase."""
    for path in paths:
        if os.path.lexists(path):
            raise _exists(path)


@contextmanager
def _temporary(file: NewFile) -> Iterator[Path]:
    """A temporary file with the content in the destination's folder, removed afterwards."""
    path = file.path.with_name(f".{file.path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with _failures_named(file.path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, file.mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(file.content)
                stream.flush()
                os.fsync(descriptor)
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError, ValueError):
        path.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> None:
    with _failures_named(path):
        os.link(temporary, path)


def _flush_folder(folder: Path) -> None:
    with _failures_named(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _failures_named(path: Path) -> external_call:
    return external_call(f"{path}", lambda error: _not_written(path, error))


def _not_written(path: Path, error: Exception) -> ImagesigError | None:
    if isinstance(error, FileExistsError):
        return _exists(path)
    if isinstance(error, FileNotFoundError):
        return KeyProviderError(f"{path}: cannot be written: there is no folder {path.parent}")
    if isinstance(error, PermissionError):
        return AccessDenied(f"{path}: cannot be written: {error.strerror}")
    if isinstance(error, OSError):
        return KeyProviderError(f"{path}: cannot be written: {error.strerror}")
    return InvalidArgument(f"{path}: not the name of a file") if isinstance(error, ValueError) else None


def _exists(path: Path) -> KeyExists:
    return KeyExists(
        f"{path}: the file exists and is never overwritten", hint="choose another name, or move the file away"
    )


def public_path(path: Path) -> Path:
    """The path of the public half of a key file: `x.pub` for `x.key`, else the whole name with `.pub` added."""
    return path.with_suffix(".pub") if path.suffix == ".key" else path.with_name(path.name + ".pub")


def write_private_key(path: Path, private_key: PrivateKey, passphrase: str | None) -> None:
    """Writes a private key for its owner only, and its public half to `public_path(path)`: both or none.

    The format is PKCS#8 PEM without a passphrase, and cosign's encrypted key with one, even an empty one.

    Raises:
        KeyExists: one of the two files exists; nothing is written.
        AccessDenied, KeyProviderError: the files cannot be written.
    """
    create_files(
        (
            NewFile(path, private_key.to_pem(passphrase), 0o600),
            NewFile(public_path(path), private_key.public_key.pem.encode("ascii"), 0o644),
        )
    )
