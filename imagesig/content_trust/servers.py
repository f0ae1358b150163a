"""`TrustServers`: the verified trust data of any number of repositories, compared with the remembered ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock

from msgspec.structs import replace

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.concurrency import Once
from imagesig.content_trust.backup import TrustBackup
from imagesig.content_trust.memory import (
    DockerTrust,
    FolderMemory,
    GivenMemory,
    NoTrustMemory,
    TrustMemory,
    state_folder,
)
from imagesig.content_trust.role import ROOT
from imagesig.content_trust.server import TrustServer, notice, server_url
from imagesig.content_trust.update import File, TrustData, update
from imagesig.content_trust.update_request import UpdateRequest, every_role
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, TransportError, Unreachable
from imagesig.images.registry.credential import CredentialSource
from imagesig.images.registry.credentials import CredentialFiles, credential_files, docker_folder
from imagesig.oci.reference import Reference
from imagesig.reading import read_bounded, usage_error
from imagesig.trust.anchors import ContentTrust, PinFile, RootPin, root_pin

_VIEWS = 64
_VIEW_SECONDS = 60
"""How long verified trust data are used again, so that many tags of a repository cost one update."""


class TrustServers:
    """Reads and remembers the trust data of servers. Thread-safe; share one for many images.

    Args:
        server: the URL of the server of all repositories, in place of those of the policy.
        memory: what was seen before; by default files in `$XDG_STATE_HOME/imagesig`. Then what docker has seen counts
            too, in the folder `trust` of its configuration.
        offline: asks no server. Only what is remembered and not expired is used.
        ca_file: PEM file with the authorities of all servers, instead of docker's files and the system's.
        credentials: from a registry's host to its login; by default docker's and podman's files.
        environ: the environment; that of the process by default.
        backup: a folder with the metadata (see `TrustBackup`), which is read in place of every server. What is
            remembered of the server is still compared, and nothing more is remembered.
    """

    @checks_arguments
    def __init__(
        self,
        *,
        server: str = "",
        memory: TrustMemory | None = None,
        offline: bool = False,
        ca_file: str | os.PathLike[str] | None = None,
        credentials: CredentialSource | None = None,
        environ: Mapping[str, str] | None = None,
        backup: str | os.PathLike[str] | None = None,
    ) -> None:
        self._server_url = server
        self._given = {
            "server": server,
            "memory": memory,
            "offline": offline,
            "ca_file": ca_file,
            "credentials": credentials,
            "backup": backup,
        }
        self._environ = os.environ if environ is None else environ
        self._memory = FolderMemory(state_folder(self._environ)) if memory is None else GivenMemory(memory)
        self._docker = DockerTrust(docker_folder(self._environ) / "trust") if memory is None else None
        self._offline, self._credentials = offline, credentials
        self._backup = TrustBackup(Path(backup)) if backup else None
        self._ca_file = Path(ca_file) if ca_file else None
        self._servers: dict[tuple[str, str, str], TrustServer] = {}
        self._views: Once[TrustData | None] = Once(_VIEWS, _is_worth_another_attempt)
        self._lock = Lock()

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """A worker in another process opens its own connections."""
        return (_made, (self._given,))

    @property
    def is_offline(self) -> bool:
        return self._offline

    def without_memory(self) -> TrustServers:
        """The same servers without a memory, to show trust data whose owner is not verified. They share connections."""
        others = _made({**self._given, "memory": NoTrustMemory()}, self._environ)
        others._servers, others._lock = self._servers, self._lock
        return others

    def url(self, trust: ContentTrust, image: Reference) -> str:
        """The URL of the server for an image. Raises as `server_url` does."""
        return server_url(self._server_url or trust.server, image, self._environ)

    def source(self, trust: ContentTrust, image: Reference) -> str:
        """Where the trust data of an image are read, for people: the folder, or the URL of the server."""
        return self.url(trust, image) if self._backup is None else str(self._backup.folder)

    def view(
        self,
        trust: ContentTrust,
        image: Reference,
        now: datetime,
        *,
        wanted: Callable[[str], bool] = every_role,
        roles: tuple[str, ...] = (),
        accepts_expired: bool = False,
    ) -> TrustData | None:
        """The verified trust data of the image's repository; None if the server has none.

        `wanted` says which delegated roles are read, and `roles` names them for the cache. With `accepts_expired`,
        files that have expired are used like others; they are not remembered.

        Raises:
            SignatureRejected, MalformedError: they cannot be verified.
            TransportError: the server did not answer.
            InvalidArgument: the address, a file or the memory cannot be used.
        """
        url = self.url(trust, image)
        periods = (int(time.monotonic() // _VIEW_SECONDS), int(now.timestamp() // _VIEW_SECONDS))
        key = (url, image.repository, trust, roles, periods, accepts_expired)

        def updated() -> TrustData | None:
            request = self._request(trust, image, now)
            asked = replace(request, wanted=wanted, accepts_expired=accepts_expired)
            return self._updated(url, trust, image, asked)

        try:
            view = self._views.get(key, updated)
            if view is not None and view.expires <= now and not accepts_expired:  # in the meantime
                view = updated()
        except TransportError as error:
            error.hint = notice(url) or error.hint
            raise
        return view

    def remembers(self, trust: ContentTrust, image: Reference) -> bool:
        """Whether a root of the image's repository is remembered. Raises if that cannot be found out."""
        return ROOT in self._memory.load(self.url(trust, image), image.repository)

    def present(self, trust: ContentTrust, image: Reference, now: datetime) -> TrustData | None:
        """The newest trust data for a writer: read from the server now, and accepted although files have expired."""
        return self._updated(self.url(trust, image), trust, image, self._request(trust, image, now, renews=True))

    def read_back(
        self, trust: ContentTrust, image: Reference, now: datetime, written: Mapping[str, bytes]
    ) -> TrustData:
        """The verified trust data after they were changed. `written` has the files that they must follow.

        They are remembered, and used by `view`. Raises as `view`.
        """
        request = replace(self._request(trust, image, now), remembered=written)
        view = self._updated(self.url(trust, image), trust, image, request)
        assert view is not None  # a root was remembered
        self._views = Once(_VIEWS, _is_worth_another_attempt)
        return view

    def _request(self, trust: ContentTrust, image: Reference, now: datetime, *, renews: bool = False) -> UpdateRequest:
        """What is asked about a repository: with the pins that are read, and with what is remembered."""
        remembered = self._memory.load(self.url(trust, image), image.repository)
        seen = self._docker.documents(image.repository) if self._docker is not None else {}
        return UpdateRequest(image.repository, read_pins(trust), now, remembered, seen, renews=renews)

    def _updated(self, url: str, trust: ContentTrust, image: Reference, request: UpdateRequest) -> TrustData | None:
        if self._backup is not None:
            return _from_backup(self._backup, request)
        remembered = request.remembered
        fetch = self._from_memory(url, request) if self._offline else self._from_server(url, trust, image)
        view = _answered(request, fetch, url)
        if view is None or self._offline or request.accepts_expired or request.renews:
            return view
        if any(remembered.get(role) != content for role, content in view.files.items()):
            self._memory.store(url, request.repository, view.files)
        return view

    def _from_server(self, url: str, trust: ContentTrust, image: Reference) -> Callable[[File], bytes | None]:
        return partial(self._server(url, trust, image).fetch, image.repository)

    def server(self, trust: ContentTrust, image: Reference) -> TrustServer:
        """The server of an image's repository, for writing. Raises `InvalidArgument` if no server may be asked."""
        if self._offline:
            raise InvalidArgument("content trust: offline, nothing can be published")
        if self._backup is not None:
            raise InvalidArgument("content trust: trust data are read from a folder, so nothing can be published")
        return self._server(self.url(trust, image), trust, image)

    def _from_memory(self, url: str, request: UpdateRequest) -> Callable[[File], bytes | None]:
        # Docker's files are no pin, and perhaps of another server: without a pin only an own root names this server.
        is_known = bool(request.pins) or ROOT in request.remembered

        def fetch(file: File) -> bytes | None:
            if is_known and file == File.current(file.role) and (content := request.newest(file.role)) is not None:
                return content
            raise Unreachable(
                f"{url}: {file.name} is not remembered, and nothing is asked offline",
                hint="verify once without --offline",
            )

        return fetch

    def _server(self, url: str, trust: ContentTrust, image: Reference) -> TrustServer:
        key = (url, trust.ca_file, image.repository)
        with self._lock:
            if key not in self._servers:
                while len(self._servers) >= _VIEWS:
                    self._servers.pop(next(iter(self._servers))).close()
                ca_file = self._ca_file or (Path(trust.ca_file) if trust.ca_file else None)
                login = self._login_of(image)
                self._servers[key] = TrustServer(url, login, ca_file=ca_file, environ=self._environ)
            return self._servers[key]

    def _login_of(self, image: Reference) -> CredentialSource:
        """The login at the image's registry: docker uses it for the trust server too."""
        given = self._credentials
        if given is not None:
            return lambda _host: given(image.registry_host)
        files = CredentialFiles(credential_files(self._environ), path=self._environ.get("PATH", ""))
        return lambda _host: files.for_repository(image.registry_host, image.path)

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            for server in self._servers.values():
                server.close()


def _answered(request: UpdateRequest, fetch: Callable[[File], bytes | None], source: str) -> TrustData | None:
    """The answer to a request, with files from `fetch`."""
    steps = update(request)
    try:
        need, left = next(steps), limits.TRUST_UPDATE_BYTES
        while True:
            content = fetch(need)
            left -= len(content or b"")
            if left < 0:
                raise LimitExceeded(
                    f"{source}: more than {limits.TRUST_UPDATE_BYTES} bytes of trust data for {request.repository}"
                )
            need = steps.send(content)
    except StopIteration as done:
        view: TrustData | None = done.value
        return view


def _from_backup(backup: TrustBackup, request: UpdateRequest) -> TrustData | None:
    """The trust data in a folder. A missing file of a signer is skipped; the tags of this signer are then not known."""
    lacking: list[str] = []

    def wanted(role: str) -> bool:
        is_there = backup.has(request.repository, role)
        if request.wanted(role) and not is_there:
            lacking.append(role)
        return request.wanted(role) and is_there

    if request.first(ROOT) is not None:
        backup.check_has(request.repository)
    asked = replace(request, wanted=wanted)
    view = _answered(asked, partial(backup.fetch, request.repository), str(backup.folder))
    listed = [role for role in lacking if view is not None and role in view.snapshot.files]
    notes = [f"{role}.json is not used: the folder lacks it" for role in listed]
    return view and replace(view, skipped=(*view.skipped, *notes))


def _made(given: Mapping[str, object], environ: Mapping[str, str] | None = None) -> TrustServers:
    return TrustServers(**given, environ=environ)  # type: ignore[arg-type]


def read_pins(trust: ContentTrust) -> tuple[RootPin, ...]:
    """The pins, with those in files read. Raises `InvalidArgument` for a file that cannot be used."""
    return tuple(_read(pin) for pin in trust.pins)


def _read(pin: RootPin) -> RootPin:
    if not isinstance(pin, PinFile):
        return pin
    content = read_bounded(
        pin.path,
        limits.CERTIFICATE_FILE_BYTES,
        "content trust pin",
        explain=usage_error(f"content trust pin {pin.path}", "give a key id, or a PEM file"),
    )
    if b"-----BEGIN " not in content:
        raise InvalidArgument(f"content trust pin {pin.path}: not a PEM file with a public key or certificates")
    return root_pin(content)


def _is_worth_another_attempt(error: Exception) -> bool:
    return isinstance(error, MemoryError | RecursionError) or (isinstance(error, ImagesigError) and error.retryable)
