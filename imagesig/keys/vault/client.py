"""The few calls that transit keys need, over an hvac client that cannot leak, hang, follow or flood.

hvac sends the token along with redirects, has no retries, reads TLS settings when it is imported and answers of any
size; here its session is ours, no redirect is followed, every answer's type and size is checked, and every call has a
deadline.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import field

from imagesig import limits
from imagesig.deadlines import remaining, seconds_left
from imagesig.errors import (
    AccessDenied,
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    MissingExtra,
)
from imagesig.external import Explain, external_call
from imagesig.http.timely import timely
from imagesig.keys.in_time import in_time
from imagesig.logs import logger_named
from imagesig.redacted import RedactedStruct
from imagesig.text import quote, redact_keys
from imagesig.url import parse_url, redact

if TYPE_CHECKING:
    import hvac
    import requests

logger = logger_named("imagesig.keys.vault")

_ATTEMPTS = 3
_TRY_AGAIN = (429, 502, 503)
_CHUNK_BYTES = 64 * 1024


class VaultConnection(RedactedStruct, frozen=True):
    """Where a Vault is and how it is reached. Plain HTTP is for loopback, or for who asks for it."""

    hidden = ("proxies",)

    address: str
    namespace: str = ""
    ca: Path | None = None
    client_certificate: tuple[str, str] | None = None
    verify_tls: bool = True
    server_name: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)
    plain_http: bool = False

    def __post_init__(self) -> None:
        url = parse_url(self.address, "Vault address")
        if url.has_login or "?" in self.address or "#" in self.address:
            raise InvalidArgument(f"Vault address {quote(redact(self.address))}: http(s)://HOST[:PORT] is needed")
        if url.scheme == "http" and not url.is_loopback and not self.plain_http:
            raise InvalidArgument(
                f"Vault address {quote(self.address)}: the token would travel unencrypted",
                hint="use https://, or allow plain HTTP explicitly",
            )
        header_text(self.namespace, "Vault namespace")


def header_text(value: str, what: str) -> str:
    """The value, which a header can carry. Raises `InvalidArgument` for another, and does not show it."""
    if not all("!" <= character <= "~" for character in value):
        raise InvalidArgument(
            f"{what}: it has a line break, a blank or another character that no HTTP header may have",
            hint="it may have been copied with something round it",
        )
    return value


def connect(connection: VaultConnection) -> hvac.Client:
    """An hvac client whose session is ours, without a token. Nothing is contacted.

    Raises:
        MissingExtra: hvac is not installed.
    """
    with external_call(
        "hvac", lambda error: MissingExtra("Vault", "vault") if isinstance(error, ImportError) else None
    ):
        import hvac

        session = _session(connection)
        return hvac.Client(
            url=connection.address,
            token="",
            namespace=connection.namespace or None,
            timeout=int(limits.READ_SECONDS),
            allow_redirects=False,
            session=session,
            # hvac takes a session's own setting where that is true, and else this one.
            verify=session.verify,
        )


def _session(connection: VaultConnection) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import BaseHTTPResponse, Retry
    from urllib3.exceptions import HTTPError

    class Bounded(HTTPAdapter):
        """Reads each answer up to the limit, and until the deadline, before anybody parses it."""

        def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
            if connection.server_name:
                settings |= {"server_hostname": connection.server_name, "assert_hostname": connection.server_name}
            super().init_poolmanager(*arguments, **settings)
            timely(self.poolmanager, _read_seconds)

        def proxy_manager_for(self, *arguments: Any, **settings: Any) -> Any:
            return timely(super().proxy_manager_for(*arguments, **settings), _read_seconds)

        def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
            response = super().send(request, **{**options, "stream": True})
            with contextlib.closing(response):
                try:
                    content = _read(response.raw)
                except HTTPError as error:
                    # Reading is beyond what `requests` turns into errors of its own.
                    raise requests.exceptions.ConnectionError(error, request=request) from error
            response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
            return response

    class Patient(Retry):
        """Waits as long as the server asks, but no longer than we are willing to, nor beyond the deadline."""

        def sleep(self, response: BaseHTTPResponse | None = None) -> None:
            asked = self.get_retry_after(response) if response is not None else None
            pause = min(self.get_backoff_time() if asked is None else asked, limits.RETRY_AFTER_SECONDS)
            what = f"Vault {connection.address}"
            if pause >= (left := remaining(what)):
                raise DeadlineExceeded(f"{what}: busy, asks to wait {pause:.0f} s with {left:.0f} s left")
            time.sleep(pause)

    retry = Patient(
        total=_ATTEMPTS,
        redirect=0,
        status_forcelist=_TRY_AGAIN,
        allowed_methods=None,  # a signature made twice costs a line in the audit log, and nothing else
        backoff_factor=0.2,
        raise_on_status=False,
    )
    session = requests.Session()
    session.trust_env = False  # else REQUESTS_CA_BUNDLE, netrc and proxy variables get in
    session.verify = str(connection.ca) if connection.ca else connection.verify_tls
    session.cert = connection.client_certificate
    session.proxies = dict(connection.proxies)
    for scheme in ("https://", "http://"):
        session.mount(scheme, Bounded(max_retries=retry))
    return session


def _read_seconds() -> float:
    return min(limits.READ_SECONDS, seconds_left())


def _read(raw: Any) -> bytes:
    """The body, decoded; more than the limit is an error before it is read."""
    import requests

    chunks, length = [], 0
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        length += len(chunk)
        if length > limits.KEY_PROVIDER_BODY_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        chunks.append(chunk)
        remaining("Vault")
    return b"".join(chunks)


class VaultClient:
    """Calls with the token that `token` gives at that moment. Safe to use from several threads."""

    def __init__(self, client: hvac.Client, token: Callable[[VaultClient], str]) -> None:
        self._client = client
        self._token = token
        self.address: str = client.url

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The `data` of Vault's answer, empty if there is none. Logs in first. Errors as of `request`."""
        return self._data(self.request(method, path, body, token=self._token(self)), path)

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, token: str = ""
    ) -> dict[str, Any]:
        """Vault's whole answer to one request with this token.

        Raises:
            AccessDenied: 403, or a token that is no longer good.
            KeyNotFound: 404.
            KeyUnusable: 400: Vault refuses to do this with this key.
            KeyProviderUnavailable: sealed, standby, busy, unreachable.
            KeyProviderError: a redirect, or an answer that is none.
        """
        what = f"Vault {self.address}: {method} {path}"
        left = remaining(what)
        options: dict[str, Any] = {"timeout": (min(limits.CONNECT_SECONDS, left), min(limits.READ_SECONDS, left))}
        if body is not None:
            options["json"] = body
        if token:
            redact_keys(token)
            options["headers"] = {"X-Vault-Token": token}
        with external_call(what, lambda error: _explained(what, path, error)):
            answer = in_time(what, lambda: self._client.adapter.request(method.lower(), f"/v1/{path}", **options))
            return _checked(answer, what)

    @staticmethod
    def _data(answer: dict[str, Any], path: str) -> dict[str, Any]:
        data = answer.get("data") or {}
        if not isinstance(data, dict):
            raise KeyProviderError(f"Vault: {path}: its answer has no data object")
        return data

    def close(self) -> None:
        """Closes the session; the token is not revoked, for others may use it."""
        with external_call(f"Vault {self.address}"):
            self._client.adapter.close()


def _checked(answer: object, what: str) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    status = getattr(answer, "status_code", 0)
    if status == 204:
        return {}
    location = getattr(answer, "headers", {}).get("location", "")
    if 300 <= status < 400:
        # Following would carry the token to wherever the answer says.
        raise KeyProviderError(
            f"{what}: redirected to {quote(redact(str(location)) or 'nowhere')}, which is not followed",
            hint="point VAULT_ADDR at the active node or its load balancer",
        )
    raise KeyProviderError(f"{what}: status {status} with no JSON object in it")


def _explained(what: str, path: str, error: Exception) -> ImagesigError | None:
    """What hvac, requests and the JSON reader raise. Their texts may hold the token, so kinds are shown."""
    import hvac.exceptions
    import requests

    if isinstance(error, hvac.exceptions.VaultError):
        return _refusal(what, path, error)
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return KeyProviderError(f"{what}: its answer is not JSON")
    if isinstance(error, requests.exceptions.RequestException):
        # An error of ours is an OSError too, and `requests` wraps those.
        for cause in error.args:
            if isinstance(cause, DeadlineExceeded):
                return cause
        remaining(what)
        return KeyProviderUnavailable(
            f"{what}: no answer ({type(error).__name__})", hint="check VAULT_ADDR, the network and the CA"
        )
    if isinstance(error, OSError):
        # A file of TLS settings that went away, or a socket's error that nobody wrapped.
        return KeyProviderUnavailable(
            f"{what}: no answer ({type(error).__name__})", hint="check the network, and the files of the TLS settings"
        )
    if isinstance(error, ValueError | RecursionError):
        return KeyProviderError(f"{what}: its answer is not JSON")
    return None


def unreadable(what: str) -> Explain:
    """For code that reads an answer: of another shape than Vault's API has."""

    def explain(error: Exception) -> ImagesigError | None:
        if not isinstance(error, ValueError | TypeError | LookupError | AttributeError | ArithmeticError):
            return None
        return KeyProviderError(f"{what}: its answer is not what Vault's API has ({type(error).__name__})")

    return explain


def _refusal(what: str, path: str, error: Exception) -> KeyProviderError:
    import hvac.exceptions as vault

    said = [text for text in (getattr(error, "errors", None) or []) if isinstance(text, str)]
    text = f" ({quote('; '.join(said))})" if said else ""
    if isinstance(error, vault.Forbidden | vault.Unauthorized):
        capability = "read" if path.rpartition("/")[0].endswith("keys") else "update"
        return AccessDenied(
            f"{what}: permission denied{text}",
            hint=f'the token expired, or its policy lacks: path "{path}" {{ capabilities = ["{capability}"] }}',
        )
    if isinstance(error, vault.InvalidPath):
        unmounted = any("no handler for route" in item for item in said)
        hint = "mount the transit engine, or name its mount: ?mount=NAME" if unmounted else "check the key's name"
        return KeyNotFound(f"{what}: not found{text}", hint=hint)
    if isinstance(error, vault.InvalidRequest | vault.ParamValidationError):
        return KeyUnusable(f"{what}: refused{text}")
    if isinstance(error, vault.VaultDown | vault.VaultNotInitialized):
        sealed = any("sealed" in item for item in said)
        return KeyProviderUnavailable(f"{what}: {'sealed' if sealed else 'not available'}{text}", hint="unseal Vault")
    if isinstance(error, vault.RateLimitExceeded | vault.BadGateway | vault.InternalServerError):
        return KeyProviderUnavailable(f"{what}: {type(error).__name__}{text}", hint="try again later")
    return KeyProviderError(f"{what}: {type(error).__name__}{text}")
