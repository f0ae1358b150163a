"""Trust servers: where they are, how they are reached, and the files that they serve.

Spec: notary's HTTP API; docker's rules for the address of the server, its TLS files and its login.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from imagesig import limits
from imagesig.content_trust.key import KEY_SHAPE, TrustKey, key_id, parse_key
from imagesig.content_trust.role import SNAPSHOT
from imagesig.content_trust.update import File
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape, as_object, as_text
from imagesig.errors import InvalidArgument, MalformedError, Stale, TransportError, Unauthorized, UnexpectedResponse
from imagesig.http.client import HttpClient, Response
from imagesig.http.direct import ClientFiles
from imagesig.http.faults import ServerHints
from imagesig.http.proxies import Proxies
from imagesig.http.reach import LOOPBACK_ONLY, NOT_LINK_LOCAL, Reach
from imagesig.images.registry.auth import RegistryLogin, TokenRequest
from imagesig.images.registry.credential import CredentialSource
from imagesig.images.registry.credentials import docker_folder
from imagesig.oci.reference import DOCKER_HUB, Reference
from imagesig.text import quote
from imagesig.url import Url, parse_url, redact
from imagesig.version import __version__

DOCKER_SERVER = "https://notary.docker.io"
SERVER_VARIABLE = "DOCKER_CONTENT_TRUST_SERVER"
_HINTS = ServerHints(
    authority="--notary-ca FILE, ca_file=, or docker's tls/HOST:PORT/ca.crt",
    plain="correct its port: this one speaks no TLS. On this machine you may begin its address with http://",
    tls="begin its address with https://",
    client="put client.cert and client.key into docker's tls/HOST:PORT",
)
_ERROR = Shape.of("", errors=Shape.of("code message detail"))
_MISSING = "METADATA_NOT_FOUND"
_CONFLICT = "VERSION"
_NO_SNAPSHOT_KEY = (
    "give the snapshot key with --key (signer add: --signing-key), "
    "or let the server sign: imagesig trust rotate REPO snapshot"
)


def server_url(named: str, image: Reference, environ: Mapping[str, str]) -> str:
    """The URL of the trust server for an image: the named one, that of docker's variable, or that of docker's rule.

    Raises:
        InvalidArgument: not an HTTPS URL, or one with a login. HTTP is allowed for this machine.
    """
    text, what = named, "trust server"
    if not text and environ.get(SERVER_VARIABLE):
        text, what = environ[SERVER_VARIABLE], SERVER_VARIABLE
    if not text:
        text = DOCKER_SERVER if image.domain == DOCKER_HUB else f"https://{image.domain}"
    url = parse_url(text, what)
    if url.has_login or "?" in url.target:
        raise InvalidArgument(f"{what} {quote(redact(text))}: a URL without login and query is needed")
    if url.scheme != "https" and not url.is_loopback:
        raise InvalidArgument(f"{what} {quote(redact(text))}: https:// is needed")
    return str(url).rstrip("/")


def notice(url: str) -> str:
    """What to warn of before a server is used; empty if nothing."""
    if parse_url(url).host != parse_url(DOCKER_SERVER).host:
        return ""
    return "notary.docker.io stops on 2026-12-08: sign its images again in a current format, such as cosign's"


class TrustServer:
    """The requests to one trust server with the login of one registry. Thread-safe."""

    def __init__(
        self, url: str, credentials: CredentialSource, *, ca_file: Path | None, environ: Mapping[str, str]
    ) -> None:
        self.url = url
        parsed = parse_url(url)
        authorities, client = _tls_files(parsed, docker_folder(environ))
        self.ca_files = authorities if ca_file is None else (ca_file,)
        self._http = HttpClient(
            ca_files=self.ca_files,
            own=client,
            proxies=Proxies.from_environment(environ),
            user_agent=f"imagesig/{__version__}",
        )
        self._http.hints = _HINTS
        self._registry = f"{parsed.scheme}://{parsed.netloc}"
        self._login = RegistryLogin(self._http, credentials)
        self._reach: Reach = NOT_LINK_LOCAL if parsed.scheme == "https" else LOOPBACK_ONLY

    def fetch(self, repository: str, file: File) -> bytes | None:
        """The bytes of a file of a repository; None if the server says that it has none.

        Raises:
            Unreachable, Unauthorized, UnexpectedResponse: it did not say so.
            LimitExceeded: the file is larger than its limit.
        """
        url, answer = self._asked("GET", repository, file.name, "pull", file.limit)
        if answer.status == 200:
            if len(answer.body) > file.limit:
                raise UnexpectedResponse(f"{redact(url)}: {len(answer.body)} bytes, {file.limit} are needed")
            return answer.body
        if answer.status == 404 and _error_of(answer.body)[0] == _MISSING:
            return None
        raise _refused(url, answer, "pull")

    def login(self, repository: str) -> tuple[str, TokenRequest | None]:
        """The user and where the credentials are from, and what the token server was asked for. No secret."""
        return self._login.source(self._registry, repository), self._login.token_request(self._registry)

    def publish(self, repository: str, files: Mapping[str, bytes]) -> None:
        """Stores the files of these roles in one step, or none of them.

        Raises:
            Stale: the server has a file of this version or a later one: another writer was faster.
            Unreachable, Unauthorized, UnexpectedResponse: the server did not store them.
        """
        boundary = secrets.token_hex(16)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n'
        parts = [(head % role).encode("ascii") + content + b"\r\n" for role, content in files.items()]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode("ascii")
        kind = f"multipart/form-data; boundary={boundary}"
        url, answer = self._asked("POST", repository, "", "pull,push", limits.ERROR_BODY_BYTES, body, kind)
        if answer.status == 400 and _error_of(answer.body)[0] == _CONFLICT:
            raise Stale(f"{redact(url)}: another writer has published a newer version", hint="run the same again")
        if answer.status != 200:
            raise _refused(url, answer, "push", "" if SNAPSHOT in files else _NO_SNAPSHOT_KEY)

    def public_key(self, repository: str, role: str, *, new: bool = False) -> TrustKey:
        """The key with which the server signs a role (`snapshot`, `timestamp`); with `new` it makes another one.

        Raises:
            Unreachable, Unauthorized, UnexpectedResponse, MalformedError: it did not give one.
        """
        method, actions = ("POST", "*") if new else ("GET", "pull,push")
        url, answer = self._asked(method, repository, f"{role}.key", actions, limits.TRUST_KEY_BYTES)
        if answer.status != 200:
            raise _refused(url, answer, actions)
        what = f"{role}.key"
        members = parse_object(answer.body, what, KEY_SHAPE)
        values = as_object(members.get("keyval"), f"{what}: keyval")
        texts = as_text(members.get("keytype"), f"{what}: keytype"), as_text(values.get("public"), f"{what}: public")
        return parse_key(key_id(*texts), members, what)

    def _asked(
        self,
        method: str,
        repository: str,
        name: str,
        actions: str,
        limit: int,
        body: bytes | None = None,
        kind: str = "",
    ) -> tuple[str, Response]:
        """The URL and the answer to a request, after a login if the server wants one."""
        url = f"{self.url}/v2/{repository}/_trust/tuf/{name}"

        def ask(authorization: str) -> Response:
            headers = {"accept": "application/json", **({"authorization": authorization} if authorization else {})}
            headers |= {"content-type": kind} if kind else {}
            most = max(limit, limits.ERROR_BODY_BYTES)
            return self._http.request(
                method, url, reach=self._reach, limit=most, headers=headers, body=body, follow=False
            )

        used = self._login.header(self._registry, repository, actions)
        answer = ask(used)
        if answer.status == 401:
            challenge = answer.headers.get("www-authenticate", "")
            answer = ask(self._login.answer(challenge, self._registry, repository, actions, used))
        return url, answer

    def close(self) -> None:
        """Closes idle connections."""
        self._http.close()


def _tls_files(url: Url, docker: Path) -> tuple[tuple[Path, ...], ClientFiles]:
    """The files of authorities and the client certificate in docker's folder for the server. Names do not matter.

    Raises `InvalidArgument` for a folder that cannot be read: it may name authorities in place of the system's.
    """
    names = [f"{url.host}:{url.port}", url.netloc]
    for folder in dict.fromkeys(docker / "tls" / name for name in names):
        try:
            found = sorted(folder / name for name in os.listdir(folder))  # noqa: PTH208 - a glob hides errors
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a file name"
            raise InvalidArgument(f"docker's TLS files {folder}: cannot be listed ({reason})") from error
        authorities = tuple(item for item in found if item.suffix == ".crt")
        client = next(((item, item.with_suffix(".key")) for item in found if item.suffix == ".cert"), None)
        if authorities or client:
            return authorities, client
    return (), None


def _refused(url: str, answer: Response, actions: str, about_snapshot: str = "") -> TransportError:
    """The error for an answer. `about_snapshot` is the hint if the server says that it has no snapshot key."""
    code, detail = _error_of(answer.body)
    shown = f"{redact(url)}: status {answer.status}{f' ({quote(code)})' if code else ''}"
    shown += f": {quote(detail)}" if detail else ""
    if answer.status in (401, 403):
        return Unauthorized(shown, hint=f"log in with credentials that may {actions.replace(',', ' and ')}")
    hint = "name the trust server of this registry: --notary-server" if answer.status == 404 else ""
    if answer.status == 400 and "snapshot key" in detail:
        hint = about_snapshot
    return UnexpectedResponse(f"{shown}, 200 is needed", hint=hint)


def _error_of(body: bytes) -> tuple[str, str]:
    """The code of the first error in an answer, and what it says of the files of an update; empty if there is none."""
    try:
        errors = parse_object(body[: limits.ERROR_BODY_BYTES], "error", _ERROR).get("errors")
    except MalformedError:
        return "", ""
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    detail = first.get("detail")
    inner = detail.get("Error") if isinstance(detail, dict) else None
    said = inner.get("Msg") if isinstance(inner, dict) else None
    return str(first.get("code", "")), said if isinstance(said, str) else ""
