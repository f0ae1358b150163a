"""Registry credentials from the files and helpers of docker and podman, read when a host is first needed.

Spec: containers-auth.json(5); the docker CLI's config.json and credential-helper protocol. Within a file, a helper
takes precedence over an inline entry, as in docker. The longest matching repository path of podman is used.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import InvalidArgument, MalformedError, Unauthorized
from imagesig.external import external_call
from imagesig.reading import Unreadable, read_bounded
from imagesig.redacted import RedactedStruct
from imagesig.text import quote, redact_keys

_DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TOKEN_USER = "<token>"  # noqa: S105 - the user name that marks an identity token
_NOT_FOR_HELPERS = frozenset(
    {"IMAGESIG_PASSPHRASE", "COSIGN_PASSWORD", "IMAGESIG_PKCS11_PIN", "COSIGN_PKCS11_PIN", "VAULT_TOKEN", "BAO_TOKEN"}
)
"""Secrets of keys. Credential helpers do not need them, and do not get them."""
_NOT_FOUND = "credentials not found"


class Credential(RedactedStruct, frozen=True):
    """The credential for one registry. `source` says where it came from, for errors. Its repr shows no secret."""

    hidden = ("password", "identity_token", "registry_token")

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""
    source: str = "the program"

    def __post_init__(self) -> None:
        if self.password:
            redact_keys(base64.b64encode(f"{self.username}:{self.password}".encode("utf-8", "replace")).decode("ascii"))
        for secret in (self.password, self.identity_token, self.registry_token):
            redact_keys(secret)


ANONYMOUS = Credential(source="nobody")

CredentialSource = Callable[[str], Credential]
"""From a registry host (`host[:port]`) to its credential; `ANONYMOUS` if there is none."""


def anonymous(_host: str) -> Credential:
    """A `CredentialSource` without credentials."""
    return ANONYMOUS


def credential_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The credential files. The first one that has the host is used."""
    home = Path(environ.get("HOME") or "/nonexistent")
    runtime = environ.get("XDG_RUNTIME_DIR")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    named = environ.get("REGISTRY_AUTH_FILE")
    return (
        *((Path(named),) if named else ()),
        *((Path(runtime) / "containers/auth.json",) if runtime else ()),
        config / "containers/auth.json",
        Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
    )


class CredentialFiles:
    """A `CredentialSource` over credential files. Each host is looked up once. Thread-safe.

    Helpers are searched on `path`.
    """

    def __init__(self, files: Sequence[Path], *, path: str = "") -> None:
        self._files = tuple(files)
        self._path = path
        self._known: dict[tuple[str, str], Credential] = {}
        self._helped: dict[tuple[Path, str, str], Credential] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str) -> Credential:
        """The credential for a host. Raises as `for_repository` does."""
        return self.for_repository(host, "")

    def for_repository(self, host: str, repository: str) -> Credential:
        """The credential for this repository of the host: podman can keep several for one host.

        Raises:
            InvalidArgument: a file is not a credential file.
            Unauthorized: a credential helper failed.
        """
        with self._lock:  # so that several threads run a helper once
            if (host, repository) not in self._known:
                self._known[host, repository] = self._look_up(host, repository)
            return self._known[host, repository]

    def _look_up(self, host: str, repository: str) -> Credential:
        for file in self._files:
            document = _read(file)
            if document is None:
                continue
            helper = _helper_for(document, host)
            found = self._from_helper(helper, host, file) if helper else ANONYMOUS
            if found is ANONYMOUS:
                found = _inline(document, host, repository, file)
            if found is not ANONYMOUS:
                return found
        return ANONYMOUS

    def _from_helper(self, helper: str, host: str, file: Path) -> Credential:
        """The answer of a helper. Helpers know hosts, not repositories, so each runs once per host."""
        key = (file, helper, host)
        if key not in self._helped:
            self._helped[key] = self._ask(helper, host, file)
        return self._helped[key]

    def _ask(self, helper: str, host: str, file: Path) -> Credential:
        if not _HELPER_NAME.fullmatch(helper):
            raise InvalidArgument(f"{file}: {quote(helper)} is not the name of a credential helper")
        import os
        import shutil
        import subprocess

        program = shutil.which(f"docker-credential-{helper}", path=self._path or None)
        what = f"docker-credential-{helper}, configured in {file}"
        if program is None:
            raise Unauthorized(f"{what}: not on PATH", hint="install it, or remove it from the file")
        server = _DOCKER_HUB_KEYS[0] if host in _DOCKER_HUB_KEYS else host
        with external_call(what, lambda error: Unauthorized(f"{what}: did not answer ({type(error).__name__})")):
            seconds = min(limits.HELPER_SECONDS, remaining(what))
            done = subprocess.run(  # noqa: S603 - the name was checked, the arguments are ours
                [program, "get"],
                input=server.encode(),
                capture_output=True,
                timeout=seconds,
                check=False,
                env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_HELPERS},
            )
        if len(done.stdout) > limits.CREDENTIAL_HELPER_OUTPUT_BYTES:
            raise Unauthorized(f"{what}: its answer is too long")
        if done.returncode:
            if _NOT_FOUND in done.stdout.decode("utf-8", "replace").lower():
                return ANONYMOUS
            raise Unauthorized(f"{what}: ended with status {done.returncode}", hint=f"run: docker login {host}")
        answer = parse_object(done.stdout, what, OURS)
        return _credential(str(answer.get("Username", "")), str(answer.get("Secret", "")), what)


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
        return parse_object(content, str(file), OURS) if content.strip() else None
    except MalformedError as error:
        raise InvalidArgument(str(error), hint="fix or remove the file") from error


class _NoFile(InvalidArgument):
    """There is no such file. `_read` catches it."""


def _unreadable(file: Path, reason: Unreadable, sentence: str) -> InvalidArgument:
    kind = _NoFile if reason is Unreadable.MISSING else InvalidArgument
    return kind(f"{file}: cannot be read ({sentence})")


def _helper_for(document: Mapping[str, object], host: str) -> str:
    helpers = document.get("credHelpers")
    for key in _keys(host):
        if isinstance(helpers, dict) and isinstance(helpers.get(key), str):
            return str(helpers[key])
    store = document.get("credsStore")
    return store if isinstance(store, str) else ""


def _inline(document: Mapping[str, object], host: str, repository: str, file: Path) -> Credential:
    auths = document.get("auths")
    if not isinstance(auths, dict):
        return ANONYMOUS
    for key in (*_repository_keys(host, repository), *_keys(host)):
        entry = auths.get(key)
        if isinstance(entry, dict):
            return _entry(entry, f"{file}, entry {quote(key)}")
    return ANONYMOUS


def _repository_keys(host: str, repository: str) -> list[str]:
    """podman's keys with a path, longest first: `host/a/b`, `host/a`."""
    parts = repository.split("/") if repository else []
    name = "docker.io" if host in _DOCKER_HUB_KEYS else host
    return ["/".join((name, *parts[:count])) for count in range(len(parts), 0, -1)]


def _keys(host: str) -> tuple[str, ...]:
    if host in _DOCKER_HUB_KEYS:
        return _DOCKER_HUB_KEYS
    return (host, f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/", f"http://{host}")


def _entry(entry: Mapping[str, object], source: str) -> Credential:
    def text(name: str) -> str:
        value = entry.get(name, "")
        return value if isinstance(value, str) else ""

    username, password = text("username"), text("password")
    if text("auth"):
        try:
            decoded = base64.b64decode(text("auth"), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise InvalidArgument(f"{source}: 'auth' is not base64 of text") from None
        username, colon, password = decoded.partition(":")
        if not colon:
            raise InvalidArgument(f"{source}: 'auth' is not user:password")
        password = password.rstrip("\0")
    if text("identitytoken") or text("registrytoken"):
        return Credential(username, "", text("identitytoken"), text("registrytoken"), source)
    return _credential(username, password, source) if username else ANONYMOUS


def _credential(username: str, secret: str, source: str) -> Credential:
    if username == _TOKEN_USER:
        return Credential(identity_token=secret, source=source)
    return Credential(username, secret, source=source)
