"""Trust servers: where they are, how they are reached, and the files that they serve.

Spec: notary's HTTP API; docker's rules for the address of the server, its TLS files and its login.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imagesig import limits
from imagesig.content_trust.update import File
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import InvalidArgument, MalformedError, Unauthorized, UnexpectedResponse
from imagesig.http.client import HttpClient, Response
from imagesig.http.proxies import Proxies
from imagesig.http.reach import LOOPBACK_ONLY, NOT_LINK_LOCAL, Reach
from imagesig.images.registry.auth import RegistryLogin
from imagesig.images.registry.credentials import CredentialSource, docker_folder
from imagesig.oci.reference import DOCKER_HUB, Reference
from imagesig.text import quote
from imagesig.url import Url, parse_url, redact
from imagesig.version import __version__

DOCKER_SERVER = "https://notary.docker.io"
SERVER_VARIABLE = "DOCKER_CONTENT_TRUST_SERVER"
_ERROR = Shape.of("", errors=Shape.of("code message detail"))
_MISSING = "METADATA_NOT_FOUND"


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
        self._http = HttpClient(
            ca_file=ca_file or authorities,
            own=client,
            proxies=Proxies.from_environment(environ),
            user_agent=f"imagesig/{__version__}",
        )
        self._registry = f"{parsed.scheme}://{parsed.netloc}"
        self._login = RegistryLogin(self._http, credentials)
        self._reach: Reach = NOT_LINK_LOCAL if parsed.scheme == "https" else LOOPBACK_ONLY

    def fetch(self, repository: str, file: File) -> bytes | None:
        """The bytes of a file of a repository; None if the server says that it has none.

        Raises:
            Unreachable, Unauthorized, UnexpectedResponse: it did not say so.
            LimitExceeded: the file is larger than its limit.
        """
        url = f"{self.url}/v2/{repository}/_trust/tuf/{file.name}"
        used = self._login.header(self._registry, repository, "pull")
        response = self._get(url, file.limit, used)
        if response.status == 401:
            challenge = response.headers.get("www-authenticate", "")
            header = self._login.answer(challenge, self._registry, repository, "pull", used)
            response = self._get(url, file.limit, header)
        if response.status == 200:
            if len(response.body) > file.limit:
                raise UnexpectedResponse(f"{redact(url)}: {len(response.body)} bytes, {file.limit} are needed")
            return response.body
        code = _error_code(response.body)
        if response.status == 404 and code == _MISSING:
            return None
        shown = f"{redact(url)}: status {response.status}{f' ({quote(code)})' if code else ''}"
        if response.status in (401, 403):
            raise Unauthorized(shown, hint="log in with credentials that may pull")
        hint = "name the trust server of this registry: --notary-server" if response.status == 404 else ""
        raise UnexpectedResponse(f"{shown}, 200 is needed", hint=hint)

    def _get(self, url: str, limit: int, authorization: str) -> Response:
        headers = {"accept": "application/json", **({"authorization": authorization} if authorization else {})}
        return self._http.request(
            "GET", url, reach=self._reach, limit=max(limit, limits.ERROR_BODY_BYTES), headers=headers, follow=False
        )

    def close(self) -> None:
        """Closes idle connections."""
        self._http.close()


def _tls_files(url: Url, docker: Path) -> tuple[Path | None, tuple[Path, Path] | None]:
    """The authorities and the client certificate in docker's folder for the server."""
    names = [f"{url.host}:{url.port}", url.netloc]
    for folder in dict.fromkeys(docker / "tls" / name for name in names):
        authorities = folder / "ca.crt"
        certificates = sorted(folder.glob("*.cert")) if folder.is_dir() else []
        client = next(((item, item.with_suffix(".key")) for item in certificates), None)
        if authorities.is_file() or client:
            return authorities if authorities.is_file() else None, client
    return None, None


def _error_code(body: bytes) -> str:
    try:
        errors = parse_object(body[: limits.ERROR_BODY_BYTES], "error", _ERROR).get("errors")
    except MalformedError:
        return ""
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("code", "")) if isinstance(first, dict) else ""
