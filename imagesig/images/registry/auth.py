"""Logging in to registries: realms are judged before anything is sent, and tokens are kept by scope.

Spec: the distribution project's token and OAuth 2 protocols.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import ImagesigError, InvalidArgument, MalformedError, Unauthorized, UnexpectedResponse
from imagesig.http.client import HttpClient
from imagesig.http.reach import ANYWHERE, LOOPBACK_ONLY, Reach
from imagesig.images.registry.challenges import (
    Challenge,
    check_realm,
    chosen_challenge,
    granted_scopes,
    parse_challenges,
    wanted_scopes,
)
from imagesig.images.registry.credential import ANONYMOUS, Credential, CredentialSource, ask
from imagesig.images.registry.credentials import CredentialFiles, CredentialStep
from imagesig.redacted import RedactedStruct
from imagesig.text import quote
from imagesig.url import parse_url, redact, served_url

_CLIENT_ID = "imagesig"
_TOKEN_SECONDS = 60.0
"""Lifetime of a token if the server names none: the default of the protocol."""
_EARLY_SECONDS = 5.0
_KEPT_HEADERS = 1024
"""Largest number of tokens kept, one for each repository: memory must not grow with the number of images."""


class _Cached(RedactedStruct, frozen=True):
    hidden = ("header",)

    header: str
    expires: float
    challenge: str


class TokenRequest(Struct, frozen=True):
    """What a token server is asked for, and what the token says that it granted, if it can be read. No credential."""

    realm: str
    service: str
    scopes: tuple[str, ...]
    granted: tuple[str, ...] = ()


class RegistryLogin:
    """The Authorization headers of one client: for each registry, or repository and scope with tokens. Thread-safe."""

    def __init__(self, http: HttpClient, credentials: CredentialSource, *, plain_http: bool = False) -> None:
        """`plain_http`: the user allows HTTP without TLS beyond this machine."""
        self._http = http
        self._plain_http = plain_http
        self._credentials = credentials
        self._headers: dict[tuple[str, str, str], _Cached] = {}
        self._wants_basic: set[str] = set()
        self._asked: dict[str, TokenRequest] = {}
        self.greetings: dict[str, str] = {}  # registries' challenges for the version of their API, once asked for
        self._last_credentials: dict[str, Credential] = {}
        self._lock = threading.Lock()
        # A lock for each login that is under way, so that logins to different repositories never wait for each other.
        self._logging_in = WeakValueDictionary[tuple[str, str, str], threading.Lock]()

    def source(self, registry: str, repository: str) -> str:
        """The user for a repository and the origin of the credentials, for people. Nothing in it is secret."""
        credential = self._credential(registry, repository)
        if credential is ANONYMOUS:
            return "anonymous (no credentials found)"
        without_name = "an empty user name" if credential.password else "a token"
        return f"{credential.username or without_name}, from {credential.source}"

    def credential_steps(self, registry: str, repository: str) -> tuple[CredentialStep, ...]:
        """The credential files that were read for a repository; empty if credentials come from the program."""
        source = self._credentials
        return source.steps(_host(registry), repository) if isinstance(source, CredentialFiles) else ()

    def is_anonymous(self, registry: str, repository: str) -> bool:
        """Whether the headers for a repository need no credential: they have a token for anonymous access."""
        host, source = _host(registry), self._credentials
        if isinstance(source, CredentialFiles):
            return source.for_repository(host, repository).is_empty
        return self._last_credentials.get(host, ANONYMOUS).is_empty

    def has_credentials(self, registry: str, repository: str) -> bool:
        """Whether there are credentials for a repository that can be read."""
        try:
            return not self._credential(registry, repository).is_empty
        except ImagesigError:
            return False

    def token_request(self, registry: str) -> TokenRequest | None:
        """What the token server of a registry was asked for last; None if the registry named no token server yet."""
        asked = self._asked.get(registry)
        headers = [cached.header for place, cached in self._headers.items() if place[0] == registry]
        return replace(asked, granted=granted_scopes(headers[-1])) if asked and headers else asked

    def header(self, registry: str, repository: str, actions: str, pull_from: str = "") -> str:
        """The header that was accepted last for these actions (`pull`, `pull,push`); empty if there is none.

        `pull_from` is a second repository that the request reads, to mount a blob from.
        """
        wider = (actions,) if pull_from or "delete" in actions else (actions, "pull,push")
        for known in dict.fromkeys(wider):
            cached = self._headers.get((registry, repository, _scoped(known, pull_from)))
            if cached and cached.expires > time.monotonic():
                return cached.header
        if registry not in self._wants_basic:
            return ""
        # It uses Basic: the same credentials are sent for other repositories without waiting for a challenge.
        credential = self._last_credentials.get(_host(registry)) or self._credential(registry, repository)
        return "Basic " + _basic(credential) if credential.has_password else ""

    def answer(
        self, challenge: str, registry: str, repository: str, actions: str, refused: str, pull_from: str = ""
    ) -> str:
        """A new header for a 401 with this WWW-Authenticate value. `refused` is the header that was not accepted.

        Raises:
            Unauthorized: there are no credentials, or they are not accepted.
            UnexpectedResponse: the challenge or the token server is refused.
            TransportError: the token server does not answer.
        """
        key = (registry, repository, _scoped(actions, pull_from))
        scopes = [f"repository:{repository}:{actions}", *([f"repository:{pull_from}:pull"] if pull_from else [])]
        with self._lock:
            logging_in = self._logging_in.setdefault(key, threading.Lock())
        with logging_in:
            cached = self._headers.get(key)
            if cached and cached.header != refused and cached.expires > time.monotonic():
                return cached.header  # another thread has logged in meanwhile
            header, seconds = self._log_in(challenge, registry, repository, scopes, refused)
            self._keep(key, _Cached(header, time.monotonic() + seconds, challenge))
            return header

    def challenge_of(self, registry: str, repository: str) -> str:
        """The last challenge for a repository; empty if none is known. Registries exist that send none again."""
        with self._lock:
            known = [(at[:2], cached.challenge) for at, cached in self._headers.items()]
        return next((challenge for at, challenge in reversed(known) if at == (registry, repository)), "")

    def _keep(self, key: tuple[str, str, str], cached: _Cached) -> None:
        with self._lock:
            self._headers.pop(key, None)
            self._headers[key] = cached
            if len(self._headers) > _KEPT_HEADERS:
                self._headers.pop(next(iter(self._headers)))

    def _log_in(self, text: str, registry: str, repository: str, scopes: list[str], refused: str) -> tuple[str, float]:
        began = time.monotonic()
        challenge = _challenge_in(text, registry)
        asked: TokenRequest | None = None
        if challenge.scheme == "bearer":
            realm = challenge.parameters.get("realm", "")
            check_realm(realm, registry, plain_http=registry.startswith("http:"))
            service = challenge.parameters.get("service", "")
            asked = TokenRequest(realm, service, wanted_scopes(challenge, scopes, registry))
            self._asked[registry] = asked  # the last one, for people

        def by(credential: Credential) -> tuple[str, float]:
            if asked is not None:
                return self._token(asked, credential, registry, refused)
            return self._basic(credential, registry, refused)

        known = self._credential(registry, repository)
        if known.is_empty and refused:
            known = self._credential(registry, repository, since=began)  # a user may have logged in meanwhile
        try:
            return by(known)
        except Unauthorized:
            rotated = self._credential(registry, repository, since=began)
            if rotated == known:
                raise
        return by(rotated)

    def _basic(self, credential: Credential, registry: str, refused: str) -> tuple[str, float]:
        header = "Basic " + _basic(credential)
        if not credential.has_password or header == refused:
            raise _refused(_host(registry), credential)
        self._wants_basic.add(registry)
        return header, float("inf")

    def _credential(self, registry: str, repository: str, *, since: float = float("-inf")) -> Credential:
        """The credential for a repository. One of files and helpers that was read before `since` is read again."""
        host, source = _host(registry), self._credentials
        if isinstance(source, CredentialFiles):
            return source.for_repository(host, repository, since=since)
        credential = self._last_credentials[host] = ask(source, host)
        return credential

    def _token(self, asked: TokenRequest, credential: Credential, registry: str, refused: str) -> tuple[str, float]:
        realm, reach = asked.realm, self._reach_of_realm(asked.realm, registry, credential)
        if credential.registry_token:
            header = f"Bearer {credential.registry_token}"
            if header == refused:
                raise _refused(_host(registry), credential)
            return header, float("inf")
        if credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": _bytes_of(credential.identity_token, credential),
                "service": asked.service,
                "scope": " ".join(asked.scopes),
                "client_id": _CLIENT_ID,
            }
            headers = {"content-type": "application/x-www-form-urlencoded"}
            body = urlencode(form).encode("ascii")
            response = self._http.request(
                "POST", realm, reach=reach, limit=limits.TOKEN_BODY_BYTES, headers=headers, body=body, follow=False
            )
        else:
            named = [("service", asked.service)] if asked.service else []
            query = urlencode([*(("scope", scope) for scope in asked.scopes), *named])
            headers = {"authorization": "Basic " + _basic(credential)} if credential.has_password else {}
            base = str(parse_url(realm))  # without a fragment, which would hide the query
            # The registry named most of it, so a URL that is too long is its fault.
            url = served_url(registry, f"{base}{'&' if '?' in base else '?'}{query}", "token server")
            response = self._http.request(
                "GET", str(url), reach=reach, limit=limits.TOKEN_BODY_BYTES, headers=headers, follow=False
            )
        if response.status in (400, 401, 403):
            raise _refused(_host(registry), credential)
        if response.status != 200:
            raise UnexpectedResponse(f"token server {redact(realm)}: status {response.status}, 200 is needed")
        return _read_token(response.body, realm)

    def _reach_of_realm(self, realm: str, registry: str, credential: Credential) -> Reach:
        own, url = ANYWHERE if self._plain_http else LOOPBACK_ONLY, parse_url(realm)
        reach = own.of_named(parse_url(registry).origin, url)
        return reach if credential.is_empty else reach.with_login(url)


def _challenge_in(text: str, registry: str) -> Challenge:
    """The challenge to answer. Raises `UnexpectedResponse` if it is not Bearer or Basic."""
    challenges = parse_challenges(text)
    challenge = chosen_challenge(challenges)
    if challenge is None:
        offered = ", ".join(dict.fromkeys(one.scheme for one in challenges)) or "none"
        raise UnexpectedResponse(f"{_host(registry)}: requires a login by {quote(offered)}; Bearer or Basic is needed")
    return challenge


def _host(registry: str) -> str:
    """`host[:port]` of a registry's URL, as written."""
    return registry.partition("://")[2]


def _scoped(actions: str, pull_from: str) -> str:
    return f"{actions} {pull_from}" if pull_from else actions


_TOKEN = Shape.of("token access_token expires_in issued_at refresh_token")


def _read_token(body: bytes, realm: str) -> tuple[str, float]:
    what = f"token server {redact(realm)}"
    document = parse_object(body, what, _TOKEN)
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise MalformedError(f"{what}: there is no valid token in its answer")
    seconds = document.get("expires_in", _TOKEN_SECONDS)
    valid = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < 10**9
    return f"Bearer {token}", max((float(seconds) if valid else _TOKEN_SECONDS) - _EARLY_SECONDS, 1.0)  # type: ignore[arg-type]


def _basic(credential: Credential) -> str:
    return base64.b64encode(_bytes_of(f"{credential.username}:{credential.password}", credential)).decode("ascii")


def _bytes_of(secret: str, credential: Credential) -> bytes:
    try:
        return secret.encode("utf-8")
    except UnicodeError:  # a lone surrogate, which JSON can write
        raise InvalidArgument(f"the credentials from {credential.source}: they are not valid text") from None


def _refused(host: str, credential: Credential) -> Unauthorized:
    hint = f"run: docker login {host}"
    if credential is ANONYMOUS:
        return Unauthorized(f"{host}: requires a login, and there are no credentials for it", hint=hint)
    return Unauthorized(f"{host}: does not accept the credentials from {credential.source}", hint=hint)
