"""One run of a key plugin, with limits on its time, its output and the environment that it sees."""

from __future__ import annotations

import errno
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderError, KeyProviderUnavailable
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct
from imagesig.text import quote, quote_long, redact_keys

NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
"""Names of plugins: they become part of a file name."""
ALLOWED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "XDG_*"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""Variables that every plugin sees; a final `*` matches any rest. Proxies lose their user and password."""
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
MORE_VARIABLE = "IMAGESIG_PLUGIN_ENV"
"""Lists further variables that plugins see, with commas: `VAULT_*,AWS_PROFILE`."""
NEEDS_VARIABLES = (
    f"a plugin sees few variables: list those with its settings and credentials, such as {MORE_VARIABLE}=AWS_*"
)
"""The hint for a failure of a plugin, which has no credentials unless the user lists their variables."""
_NOT_RUN = {
    errno.ENOEXEC: "install the plugin for this system and its processor",
    errno.ENOENT: "install the program that its first line names, or the plugin again",
    errno.EACCES: "allow this user to run it: chmod +x, on a file system without noexec",
}
_PATTERN = regex(r"[A-Za-z_][A-Za-z0-9_]*\*?")
_SECRET_NAME = regex(r"(?i)TOKEN|SECRET|PASS|PWD|PIN|KEY(?!_(?:ID|URI|URL|ARN|NAME)$)|CREDENTIAL|AUTH|LOGIN|COOKIE")
_ADDRESS = regex(r"[a-z][a-z0-9+.-]*://")
_PLAIN = regex(r"(?:/|~/|\./).*|[a-z0-9.:/_-]{1,100}", re.DOTALL)
"""A path, or a word such as a profile or region, unless the variable's name says that it is secret."""
_REPORT = "update the plugin, or report this to its makers"
_OUTPUT_CHARACTERS = 400
_CHUNK = 65536


class Finished(RedactedStruct, frozen=True):
    """The exit status and the output of a plugin."""

    hidden = ("stdout", "stderr")

    status: int
    stdout: bytes
    stderr: bytes


def plugin_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that plugins see: `ALLOWED`, and the variables that `IMAGESIG_PLUGIN_ENV` lists.

    Plugins see a proxy's user and password only if the list has the variable.

    Raises:
        InvalidArgument: `IMAGESIG_PLUGIN_ENV` is not a list of names.
    """
    more = [item for item in re.split(r"[\s,]+", environ.get(MORE_VARIABLE, "")) if item]
    for item in more:
        if not _PATTERN.fullmatch(item):
            raise InvalidArgument(f"{MORE_VARIABLE}: {quote(item)} is not the name of a variable or NAME*")
    seen = {name: _without_login(name, value) for name, value in environ.items() if _is_named(name, ALLOWED)}
    listed = {name: value for name, value in environ.items() if _is_named(name, more)}
    for name, value in listed.items():
        _hide_secrets(name, value)
    return seen | listed


def _hide_secrets(name: str, value: str) -> None:
    """Hides a value in all later messages: plugins print what they see. Addresses, paths and plain words are shown."""
    login = value.partition("://")[2].rpartition("@")[0]
    if login:
        password = login.partition(":")[2]
        redact_keys(password)
        redact_keys(unquote(password))
    is_shown = _ADDRESS.match(value) or (_PLAIN.fullmatch(value) and not _SECRET_NAME.search(name))
    if login or not is_shown:
        redact_keys(value)
        redact_keys(" ".join(value.split()))


def _is_named(name: str, patterns: Sequence[str]) -> bool:
    return any(name.startswith(item[:-1]) if item.endswith("*") else name == item for item in patterns)


def _without_login(name: str, value: str) -> str:
    """The value of a variable, without the user and password of a proxy's address."""
    if name.lower() not in _PROXIES or "@" not in value:
        return value
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "", value
    # Split at the last @: a password may have /, ?, # and @, which end the host for a parser.
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def describe_output(text: object) -> str:
    """The beginning of a plugin's output, escaped, without secrets: often the only explanation of its failure."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return quote_long(" ".join(plain.split()), _OUTPUT_CHARACTERS)


def run_plugin(
    program: Path, arguments: Sequence[str], message: bytes, *, environ: Mapping[str, str], seconds: float, what: str
) -> Finished:
    """Runs the program in a new session with `message` on its standard input, and waits for its end.

    The program sees only `environ`; `what` names it in errors.

    Raises:
        KeyProviderUnavailable: it did not end in time and was killed.
        KeyProviderError: it cannot be run, ended by a signal, or printed too much.
    """
    seconds = min(seconds, remaining(what))
    command = [str(program), *arguments]
    if any("\0" in word for word in command):
        raise InvalidArgument(f"{what}: an argument has a NUL byte")
    with external_call(what, lambda error: _failed(what, program, error)):
        return _run(command, message, environ, seconds, what)


def _failed(what: str, program: Path, error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError | subprocess.SubprocessError):
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        hint = _NOT_RUN.get(getattr(error, "errno", 0) or 0, "install the plugin again")
        return KeyProviderError(f"{what}: {program} cannot be run: {reason}", hint=hint)
    return None


def _run(command: list[str], message: bytes, environ: Mapping[str, str], seconds: float, what: str) -> Finished:
    process = subprocess.Popen(  # noqa: S603 - the caller checked the program; no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environ),
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = _exchange(process, message, time.monotonic() + seconds, what)
            process.wait()
        except subprocess.TimeoutExpired:
            raise KeyProviderUnavailable(
                f"{what}: no answer within {seconds:g} seconds; it was killed",
                hint=f"check that the plugin waits for no input and reaches its service; {NEEDS_VARIABLES}",
            ) from None
        finally:
            # Kill the whole session: child processes of the plugin may keep its streams open.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode < 0:
        raise KeyProviderError(
            f"{what}: ended by signal {-process.returncode}; it printed {describe_output(stderr)}", hint=_REPORT
        )
    return Finished(process.returncode, stdout, stderr)


def _exchange(process: subprocess.Popen[bytes], message: bytes, deadline: float, what: str) -> tuple[bytes, bytes]:
    """Writes the message while it reads both outputs, so that a plugin that prints first does not block."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    printed = {process.stdout: bytearray(), process.stderr: bytearray()}
    allowed = {process.stdout: limits.KEY_PROVIDER_BODY_BYTES, process.stderr: limits.PLUGIN_STDERR_BYTES}
    rest = memoryview(message)
    with selectors.DefaultSelector() as selector:
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        for stream in printed:
            selector.register(stream, selectors.EVENT_READ)
        while any(stream in selector.get_map() for stream in printed):
            for key, _ in selector.select(_left(process, deadline)):
                if key.fileobj is process.stdin:
                    rest = _feed(process.stdin, rest)
                    if not rest:
                        selector.unregister(process.stdin)
                        _close(process.stdin)
                    continue
                stream = process.stdout if key.fileobj is process.stdout else process.stderr
                chunk = os.read(key.fd, _CHUNK)
                printed[stream] += chunk
                if not chunk:
                    selector.unregister(stream)
                if len(printed[stream]) > allowed[stream]:
                    raise KeyProviderError(
                        f"{what}: printed more than {allowed[stream]} bytes; it was killed", hint=_REPORT
                    )
    process.wait(_left(process, deadline))
    return bytes(printed[process.stdout]), bytes(printed[process.stderr])


def _left(process: subprocess.Popen[bytes], deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise subprocess.TimeoutExpired(process.args, 0)
    return left


def _feed(stdin: IO[bytes], rest: memoryview) -> memoryview:
    """Writes as much as fits and returns the rest: nothing, if the plugin closed its input."""
    try:
        return rest[os.write(stdin.fileno(), rest[:_CHUNK]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]


def _close(stdin: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        stdin.close()
