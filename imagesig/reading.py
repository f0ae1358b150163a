"""The bounded reader of files that the user names: it never reads more than the limit and never blocks.

A path in a variable or option may be missing, a folder, a pipe without a writer, or an endless device. The result is
the contents of a regular file, or an error that names the variable or option.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from imagesig.errors import ImagesigError, InternalError, InvalidArgument, LimitExceeded
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_STREAM = regex(r"/dev/(?:stdin|fd/[0-9]{1,9})|/proc/self/fd/[0-9]{1,9}")
"""Paths of streams that the shell connects: `<(command)`, and standard input."""
_CHUNK = 64 * 1024
_PIECE = 1024 * 1024
_PATH_CHARACTERS = 1024
_NO_HOME = "/nonexistent"


class Unreadable(Enum):
    """The reason why a file was not read."""

    MISSING = "there is no such file"
    FORBIDDEN = "no permission to read it"
    FOLDER = "a folder, a regular file is needed"
    LINK = "a symbolic link, a regular file is needed"
    SPECIAL = "a pipe, socket or device, a regular file is needed"
    NAME = "not the name of a file"
    FAILED = "it cannot be read"
    LARGE = "too large"


_HINTS = {
    Unreadable.MISSING: "correct the path, or create the file",
    Unreadable.FORBIDDEN: "allow this user to read it",
    Unreadable.FOLDER: "name a file",
    Unreadable.LINK: "name the file that the link leads to",
    Unreadable.SPECIAL: "write the contents into a file, and name that",
    Unreadable.NAME: "correct the path",
    Unreadable.FAILED: "correct the path",
    Unreadable.LARGE: "check that this is the right file",
}
Explain = Callable[[Unreadable, str], ImagesigError]
"""Makes the error for a reason and its text."""


def home_folder(environ: Mapping[str, str]) -> Path:
    """`$HOME`, else the folder in the system's list of users: services have no HOME, and docker and skopeo find their
    files. `/nonexistent` for a user who is not in the list."""
    if environ.get("HOME"):
        return Path(environ["HOME"])
    import pwd  # speed: seldom needed

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir or _NO_HOME)
    except KeyError:
        return Path(_NO_HOME)


def usage_error(what: str, hint: str = "check the path") -> Explain:
    """`InvalidArgument` for every reason, even for a file that is too large: for files in options."""
    return lambda _reason, sentence: InvalidArgument(f"{what}: cannot be read: {sentence}", hint=hint)


class Content(RedactedStruct, frozen=True):
    """The contents and permission bits of one opened file."""

    hidden = ("data",)

    data: bytes
    mode: int


def read_bounded(
    path: str | os.PathLike[str],
    limit: int,
    what: str,
    *,
    links: bool = True,
    streams: bool = False,
    explain: Explain | None = None,
) -> bytes:
    """The bytes of a regular file. `what` names the variable, option or kind of file for people.

    Without `links` the file itself must not be a symbolic link. `streams` also accepts what the shell connects:
    `/dev/stdin`, `/dev/fd/3`.

    Raises:
        InvalidArgument: no such file, no permission, a folder, a pipe, a device; or the error of `explain`.
        LimitExceeded: it has more than `limit` bytes; or the error of `explain`.
    """
    return read_content(path, limit, what, links=links, streams=streams, explain=explain).data


def read_content(
    path: str | os.PathLike[str],
    limit: int,
    what: str,
    *,
    links: bool = True,
    streams: bool = False,
    explain: Explain | None = None,
) -> Content:
    """`read_bounded` with the permission bits."""
    subject = f"{what} {_shown(path)}"

    def refusal(reason: Unreadable, sentence: str) -> ImagesigError:
        if explain is not None:
            return explain(reason, sentence)
        return _refusal(subject, reason, sentence)

    try:
        return _read(os.fspath(path), limit, links, streams, refusal)
    except ImagesigError:
        raise
    except OSError as error:
        reason = _reason(error)
        sentence = reason.value if reason is not Unreadable.FAILED else f"{reason.value} ({_named(error)})"
        raise refusal(reason, sentence) from error
    except (ValueError, TypeError) as error:  # a NUL byte, a lone surrogate
        raise refusal(Unreadable.NAME, Unreadable.NAME.value) from error
    except Exception as error:
        raise InternalError.of(error, subject) from error


def read_pieces(path: str | os.PathLike[str], what: str) -> Iterator[bytes]:
    """The contents of a regular file, or of a stream that the shell connects, in pieces of at most 1 MiB.

    Raises:
        InvalidArgument: no such file, no permission, a folder, a pipe, a device.
    """
    subject = f"{what} {_shown(path)}"
    try:
        descriptor, _ = _open(os.fspath(path), streams=True)
        try:
            while piece := os.read(descriptor, _PIECE):
                yield piece
        finally:
            os.close(descriptor)
    except _NotRegularError as error:
        raise _refusal(subject, error.reason) from None
    except OSError as error:
        raise _refusal(subject, _reason(error)) from error
    except (ValueError, TypeError):  # a NUL byte, a lone surrogate
        raise _refusal(subject, Unreadable.NAME) from None


def text_bounded(
    path: str | os.PathLike[str], limit: int, what: str, *, streams: bool = False, explain: Explain | None = None
) -> str:
    """The UTF-8 text of a file. Raises as `read_bounded` does, `InvalidArgument` too for other bytes."""
    data = read_bounded(path, limit, what, streams=streams, explain=explain)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument(f"{what} {_shown(path)}: not UTF-8 text", hint="save it as UTF-8") from None


def check_file(
    path: str | os.PathLike[str], what: str, *, limit: int | None = None, may_be_missing: bool = False
) -> None:
    """Raises as `read_bounded` does unless this is a readable regular file: for files that a library reads."""
    subject = f"{what} {_shown(path)}"
    try:
        descriptor, _ = _open(os.fspath(path))
        size = os.fstat(descriptor).st_size
        os.close(descriptor)
    except _NotRegularError as error:
        raise _refusal(subject, error.reason) from None
    except OSError as error:
        if may_be_missing and _reason(error) is Unreadable.MISSING:
            return
        raise _refusal(subject, _reason(error)) from error
    except (ValueError, TypeError):
        raise _refusal(subject, Unreadable.NAME) from None
    if limit is not None and size > limit:
        raise _refusal(subject, Unreadable.LARGE, f"{size} bytes, at most {limit} are read")


def _refusal(subject: str, reason: Unreadable, sentence: str = "") -> ImagesigError:
    kind = LimitExceeded if reason is Unreadable.LARGE else InvalidArgument
    return kind(f"{subject}: {sentence or reason.value}", hint=_HINTS[reason])


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder, or a link to one. False if that cannot be found out."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether this is a regular file, or a link to one. False if that cannot be found out."""
    return stat.S_ISREG(_mode(path))


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether something has this name. False if that cannot be found out."""
    return _mode(path) != 0


def _mode(path: str | os.PathLike[str]) -> int:
    # `pathlib` raises for names that are too long, and for folders that may not be entered.
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):
        return 0


def _shown(path: str | os.PathLike[str]) -> str:
    """The whole path, because its end matters most. Text that may be a key is not shown."""
    text = os.fspath(path)
    is_path = text.startswith("/") and "\n" not in text and is_folder(f"/{text.split('/')[1]}")
    return text if is_path and len(text) <= _PATH_CHARACTERS else quote(text)


class _NotRegularError(Exception):
    def __init__(self, reason: Unreadable) -> None:
        super().__init__(reason.value)
        self.reason = reason


def _open(path: str, links: bool = True, streams: bool = False) -> tuple[int, int]:
    """Opens a file without blocking. Returns its descriptor and mode."""
    is_stream = streams and _STREAM.fullmatch(path) is not None
    # O_NONBLOCK: opening a pipe without a writer would block for ever. Not for streams of the shell, whose descriptor
    # may be shared with other programs.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | (0 if is_stream else os.O_NONBLOCK)
    if not links:
        flags |= os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if not links and error.errno == errno.ELOOP:
            raise _NotRegularError(Unreadable.LINK) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise _NotRegularError(Unreadable.FOLDER)
        if not stat.S_ISREG(mode) and not is_stream:
            raise _NotRegularError(Unreadable.SPECIAL)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, mode


def _read(path: str, limit: int, links: bool, streams: bool, refusal: Explain) -> Content:
    try:
        descriptor, mode = _open(path, links, streams)
    except _NotRegularError as error:
        raise refusal(error.reason, error.reason.value) from None
    try:
        data = bytearray()
        while chunk := os.read(descriptor, min(_CHUNK, limit + 1 - len(data))):
            data += chunk
            if len(data) > limit:
                raise refusal(Unreadable.LARGE, f"{Unreadable.LARGE.value}, at most {limit} bytes are read")
    finally:
        os.close(descriptor)
    return Content(bytes(data), stat.S_IMODE(mode))


def _reason(error: OSError) -> Unreadable:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Unreadable.MISSING
    if isinstance(error, PermissionError):
        return Unreadable.FORBIDDEN
    if isinstance(error, IsADirectoryError):
        return Unreadable.FOLDER
    if error.errno in (errno.ENXIO, errno.ENODEV):  # a socket, a device without a driver
        return Unreadable.SPECIAL
    return Unreadable.FAILED


def _named(error: OSError) -> str:
    return error.strerror or type(error).__name__
