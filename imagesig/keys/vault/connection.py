"""How a Vault is reached: an hvac client whose session is ours.

hvac itself has no retries, sends the token along with redirects, reads TLS settings from the environment, and reads
answers of any size. With our session it retries, follows no redirect, ignores the environment, and limits the size and
time of each answer.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import field

from imagesig import limits
from imagesig.deadlines import remaining, seconds_left
from imagesig.errors import DeadlineExceeded, InvalidArgument, MissingExtra
from imagesig.external import external_call
from imagesig.http.timely import timely
from imagesig.redacted import RedactedStruct
from imagesig.text import quote
from imagesig.url import parse_url, redact

if TYPE_CHECKING:
    import logging

    import hvac
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

_ATTEMPTS = 3
_TRY_AGAIN = (429, 502, 503)
_CHUNK_BYTES = 64 * 1024


class VaultConnection(RedactedStruct, frozen=True):
    """Address and TLS settings of a Vault. Plain HTTP is allowed for loopback, and elsewhere with `plain_http`."""

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
                hint="use https://, or set IMAGESIG_VAULT_PLAIN_HTTP=1",
            )
        header_text(self.namespace, "Vault namespace")


def header_text(value: str, what: str) -> str:
    """The value, if an HTTP header can have it. Raises `InvalidArgument` for other values, without showing them."""
    if not all("!" <= character <= "~" for character in value):
        raise InvalidArgument(
            f"{what}: it has a line break, a blank or another character that HTTP headers cannot have",
            hint="copy it again, without blanks and line breaks",
        )
    return value


def connect(connection: VaultConnection) -> hvac.Client:
    """An hvac client with our session, without a token. It contacts nothing.

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
            # hvac uses a session's own setting only if it is true, otherwise this one.
            verify=session.verify,
        )


def _session(connection: VaultConnection) -> requests.Session:
    import requests

    session = requests.Session()
    session.trust_env = False  # else `requests` uses REQUESTS_CA_BUNDLE, netrc and proxy variables
    session.verify = str(connection.ca) if connection.ca else connection.verify_tls
    session.cert = connection.client_certificate
    session.proxies = dict(connection.proxies)
    adapter = _adapter(connection)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


def _adapter(connection: VaultConnection) -> HTTPAdapter:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError

    class Bounded(HTTPAdapter):
        """Reads each answer, within the limit and the deadline, before it is parsed."""

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
                    # `requests` does not translate errors while the body is read.
                    raise requests.exceptions.ConnectionError(error, request=request) from error
            response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
            return response

    return Bounded(max_retries=_retry(f"Vault {connection.address}"))


def _retry(what: str) -> Retry:
    import logging

    from urllib3 import BaseHTTPResponse, Retry

    class Patient(Retry):
        """Waits as long as the server asks, within `limits.RETRY_AFTER_SECONDS` and the deadline."""

        is_ours = True

        def sleep(self, response: BaseHTTPResponse | None = None) -> None:
            asked = self.get_retry_after(response) if response is not None else None
            pause = min(self.get_backoff_time() if asked is None else asked, limits.RETRY_AFTER_SECONDS)
            if pause >= (left := remaining(what)):
                raise DeadlineExceeded(f"{what}: busy, asks to wait {pause:.0f} s, {left:.0f} s are left")
            time.sleep(pause)

    logging.getLogger("urllib3.connectionpool").addFilter(_is_not_about_our_retries)
    return Patient(
        total=_ATTEMPTS,
        redirect=0,
        status_forcelist=_TRY_AGAIN,
        allowed_methods=None,  # a second signature costs only a line in the audit log
        backoff_factor=0.2,
        raise_on_status=False,
    )


def _is_not_about_our_retries(record: logging.LogRecord) -> bool:
    """A filter: urllib3 warns of each retry, which is no news for the program. The last failure is our error."""
    values = record.args if isinstance(record.args, tuple) else ()
    return not any(getattr(value, "is_ours", False) for value in values)


def _read_seconds() -> float:
    return min(limits.READ_SECONDS, seconds_left())


def _read(raw: Any) -> bytes:
    """The decoded body. Raises before it reads more than the limit."""
    import requests

    chunks, length = [], 0
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        length += len(chunk)
        if length > limits.KEY_PROVIDER_BODY_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        chunks.append(chunk)
        remaining("Vault")
    return b"".join(chunks)
