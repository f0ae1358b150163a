"""Registry credentials from the files and helpers of docker and podman, read when a host is first needed.

Spec: containers-auth.json(5); the docker CLI's config.json and credential-helper protocol. Within a file, a helper
takes precedence over an inline entry, as in docker. `imagesig.images.registry.credential_entry` finds the entry.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.encoding.json import BYTE_ORDER_MARKS, parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import InvalidArgument, MalformedError, Unauthorized
from imagesig.external import external_call
from imagesig.images.registry.credential import ANONYMOUS, Credential
from imagesig.images.registry.credential_entry import helper_for, inline_entries, member, path_in, server_of
from imagesig.patterns import regex
from imagesig.reading import Unreadable, home_folder, read_bounded
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_HELPER_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TOKEN_USER = "<token>"  # noqa: S105 - the user name that marks an identity token
_DOCKER_VARIABLES = ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE")
_NOT_FOR_HELPERS = frozenset(
    {"IMAGESIG_PASSPHRASE", "COSIGN_PASSWORD", "IMAGESIG_PKCS11_PIN", "COSIGN_PKCS11_PIN", "VAULT_TOKEN", "BAO_TOKEN"}
).union(_DOCKER_VARIABLES)
"""Secrets of keys. Credential helpers do not need them, and do not get them."""
_NOT_FOUND = "credentials not found"
_CHUNK = 64 * 1024
_KEPT = 1024
"""Largest number of repositories whose credentials are kept: memory must not grow with the number of images."""
_LINE_BREAKS = str.maketrans("", "", "\r\n")
"""Go's base64 decoder skips them."""


def credential_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The credential files. The first one that has the host is used. Raises as `path_in`."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    config = Path(environ.get("XDG_CONFIG_HOME") or home_folder(environ) / ".config")
    named = path_in(environ, "REGISTRY_AUTH_FILE")
    return (
        *((Path(named),) if named else ()),
        Path(runtime, "containers/auth.json") if runtime else Path(f"/run/containers/{os.getuid()}/auth.json"),
        config / "containers/auth.json",
        docker_folder(environ) / "config.json",
    )


def docker_folder(environ: Mapping[str, str]) -> Path:
    """The folder of docker's configuration: `$DOCKER_CONFIG`, else `~/.docker`. Raises as `path_in`."""
    return Path(path_in(environ, "DOCKER_CONFIG") or home_folder(environ) / ".docker")


class CredentialStep(RedactedStruct, frozen=True):
    """What one credential file has for a repository: the key that applies, empty if there is none, and the result.

    `answered` says that its credential is used. Nothing in it is secret.
    """

    file: Path
    key: str
    result: str
    answered: bool = False


class _Lookup(RedactedStruct, frozen=True):
    credential: Credential
    steps: tuple[CredentialStep, ...]
    began: float


class CredentialFiles:
    """A `CredentialSource` over credential files. Each host is looked up once, and again after a refusal. Thread-safe.

    Helpers are searched on `path`.
    """

    def __init__(self, files: Sequence[Path], *, path: str = "") -> None:
        self._files = tuple(files)
        self._path = path
        self._known: dict[tuple[str, str], _Lookup] = {}
        self._helped: dict[tuple[Path, str, str], tuple[Credential, float]] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str) -> Credential:
        """The credential for a host. Raises as `for_repository` does."""
        return self.for_repository(host, "")

    def for_repository(self, host: str, repository: str, *, since: float = float("-inf")) -> Credential:
        """The credential for this repository of the host: podman can keep several for one host.

        A look-up that began before `since` (of `time.monotonic`) is made again: files and helpers may have another one.

        Raises:
            InvalidArgument: a file is not a credential file.
            Unauthorized: a credential helper failed.
        """
        return self._looked_up(host, repository, since).credential

    def steps(self, host: str, repository: str) -> tuple[CredentialStep, ...]:
        """The files that were read for this repository, in order, up to the one that answered.

        Raises as `for_repository` does.
        """
        return self._looked_up(host, repository).steps

    def _looked_up(self, host: str, repository: str, since: float = float("-inf")) -> _Lookup:
        with self._lock:  # so that several threads run a helper once
            known = self._known.get((host, repository))
            if known is None or known.began < since:
                self._known.pop((host, repository), None)
                known = self._known[host, repository] = self._look_up(host, repository, since)
                if len(self._known) > _KEPT:
                    self._known.pop(next(iter(self._known)))
            return known

    def _look_up(self, host: str, repository: str, since: float) -> _Lookup:
        began, steps = time.monotonic(), list[CredentialStep]()
        for file in self._files:
            document = _read(file)
            if document is None:
                steps.append(CredentialStep(file, "", "there is no such file, or it is empty"))
                continue
            for key, found, result in self._in_document(document, host, repository, file, since):
                steps.append(CredentialStep(file, key, result, found is not ANONYMOUS))
                if found is not ANONYMOUS:
                    return _Lookup(found, tuple(steps), began)
        return _Lookup(ANONYMOUS, tuple(steps), began)

    def _in_document(
        self, document: Mapping[str, object], host: str, repository: str, file: Path, since: float
    ) -> Iterator[tuple[str, Credential, str]]:
        """Each key of a file that applies, with its credential and the result for people."""
        helper, is_known = helper_for(document, host), False
        if helper.name:
            found = self._from_helper(helper.name, host, file, since)
            answer = "has no credential" if found is ANONYMOUS else "has a credential"
            yield helper.key, found, f"docker-credential-{helper.name} {answer} for {server_of(host)}"
        for entry in inline_entries(document, host, repository):
            is_known, found = True, _credential_of(entry.value, f"{file}, entry {quote(entry.key)}")
            yield entry.key, found, "the entry is empty" if found is ANONYMOUS else "the entry has a credential"
        if not helper.name and not is_known:
            yield "", ANONYMOUS, f"it has no entry for {host}"

    def _from_helper(self, helper: str, host: str, file: Path, since: float) -> Credential:
        """The answer of a helper. Helpers know hosts, not repositories, so each runs once per host."""
        key = (file, helper, host)
        credential, began = self._helped.get(key, (ANONYMOUS, float("-inf")))
        if key not in self._helped or began < since:
            began = time.monotonic()
            credential = self._ask(helper, host, file)
            self._helped[key] = (credential, began)
        return credential

    def _ask(self, helper: str, host: str, file: Path) -> Credential:
        if not _HELPER_NAME.fullmatch(helper):
            raise InvalidArgument(f"{file}: {quote(helper)} is not the name of a credential helper")
        import shutil

        program = shutil.which(f"docker-credential-{helper}", path=self._path or None)
        what = f"docker-credential-{helper}, configured in {file}"
        if program is None:
            raise Unauthorized(f"{what}: not on PATH", hint="install it, or remove it from the file")
        with external_call(what, lambda error: Unauthorized(f"{what}: did not answer ({type(error).__name__})")):
            seconds = min(limits.HELPER_SECONDS, remaining(what))
            status, output = _finished(program, server_of(host).encode(), seconds)
        if len(output) > limits.CREDENTIAL_HELPER_OUTPUT_BYTES:
            raise Unauthorized(f"{what}: its answer is too long")
        if status:
            if _NOT_FOUND in output.decode("utf-8", "replace").lower():
                return ANONYMOUS
            from imagesig.images.registry.credential_texts import helper_words  # speed: for errors only

            why = f"ended with status {status}{helper_words(output)}"
            raise Unauthorized(f"{what}: {why}", hint=f"run: docker login {host}")
        return _answered(output, what)


def _finished(program: str, message: bytes, seconds: float) -> tuple[int, bytes]:
    """The exit status and the output of a helper. One that writes more than the limit is killed once that is read."""
    import subprocess
    from selectors import EVENT_READ, DefaultSelector

    ends, output = time.monotonic() + seconds, bytearray()
    environ = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_HELPERS}
    pipe, command = subprocess.PIPE, [program, "get"]
    with (
        DefaultSelector() as selector,
        subprocess.Popen(  # noqa: S603 - the name was checked, the arguments are ours
            command, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environ
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(message)
            process.stdin.close()
            selector.register(process.stdout, EVENT_READ)
            while selector.select(max(0.0, ends - time.monotonic())):
                chunk = os.read(process.stdout.fileno(), _CHUNK)
                output += chunk
                if not chunk:
                    return process.wait(max(0.0, ends - time.monotonic())), bytes(output)
                if len(output) > limits.CREDENTIAL_HELPER_OUTPUT_BYTES:
                    return 0, bytes(output)
            raise subprocess.TimeoutExpired(command, seconds)
        finally:
            process.kill()


def _answered(output: bytes, what: str) -> Credential:
    """The credential in a helper's answer. As in Go, `null` is a missing value, and names of members have no case."""
    if output.strip() in (b"", b"null"):
        return ANONYMOUS
    try:
        members = {name.lower(): value for name, value in parse_object(output, what, OURS).items()}
    except MalformedError as error:
        raise Unauthorized(f"{error}", hint="run the helper by hand: it must print one JSON object") from error
    user, secret = (members.get(name) or "" for name in ("username", "secret"))
    if not isinstance(user, str) or not isinstance(secret, str):
        raise Unauthorized(f"{what}: its answer is not a credential: 'Username' and 'Secret' must be text")
    return _credential(user, secret, what) if user or secret else ANONYMOUS


def _read(file: Path) -> dict[str, object] | None:
    try:
        content = read_bounded(
            file,
            limits.CREDENTIAL_FILE_BYTES,
            "credentials",
            streams=True,
            explain=lambda *why: _unreadable(file, *why),
        )
    except _NoFile:
        return None
    try:
        if content.startswith(BYTE_ORDER_MARKS):
            raise InvalidArgument(f"{file}: it begins with a byte order mark", hint="save it as UTF-8 without the mark")
        return parse_object(content, str(file), OURS) if content.strip() else None
    except MalformedError as error:
        raise InvalidArgument(str(error), hint="fix or remove the file") from error


class _NoFile(InvalidArgument):
    """There is no such file. `_read` catches it."""


def _unreadable(file: Path, reason: Unreadable, sentence: str) -> InvalidArgument:
    kind = _NoFile if reason is Unreadable.MISSING else InvalidArgument
    return kind(f"{file}: cannot be read ({sentence})")


def _credential_of(entry: Mapping[str, object], source: str) -> Credential:
    """The credential in an entry of `auths`; `ANONYMOUS` if it is empty, as docker leaves it beside a helper."""

    def text(name: str) -> str:
        value = member(entry, name)
        return value if isinstance(value, str) else ""

    username, password = text("username"), text("password")
    if encoded := text("auth").translate(_LINE_BREAKS):
        try:
            decoded = base64.b64decode(encoded, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise InvalidArgument(f"{source}: 'auth' is not base64 of text") from None
        username, colon, password = decoded.partition(":")
        if not colon:
            raise InvalidArgument(f"{source}: 'auth' is not user:password")
        password = password.strip("\0")
    if text("identitytoken") or text("registrytoken"):
        return Credential(username, "", text("identitytoken"), text("registrytoken"), source)
    return _credential(username, password, source) if username or password else ANONYMOUS


def _credential(username: str, secret: str, source: str) -> Credential:
    if username == _TOKEN_USER:
        return Credential(identity_token=secret, source=source)
    return Credential(username, secret, source=source)
