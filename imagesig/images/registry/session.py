"""Requests to one repository of a registry, with a login if the registry asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from imagesig import limits
from imagesig.effort import Cost, spend
from imagesig.errors import LimitExceeded, TransportError, UnexpectedResponse, Unreachable
from imagesig.http.client import HttpClient, Response
from imagesig.http.proxies import ProxyDecision
from imagesig.http.reach import Reach
from imagesig.images.registry.auth import RegistryLogin, TokenRequest
from imagesig.images.registry.credentials import CredentialStep
from imagesig.images.registry.link import next_page
from imagesig.images.registry.place import Whereabouts
from imagesig.images.registry.refusals import failure, says_expired, words
from imagesig.oci.reference import Reference
from imagesig.text import quote
from imagesig.url import parse_url, redact, served_url

PULL, PUSH, DELETE = "pull", "pull,push", "pull,push,delete"


class Contact:
    """How a repository is reached: found out when it is asked for. Nothing in it is secret."""

    def __init__(self, http: HttpClient, login: RegistryLogin, place: Whereabouts, path: str) -> None:
        self._http, self._login, self._place, self._path = http, login, place, path

    @property
    def url(self) -> str:
        """The URL of the registry. Raises `Unreachable` if a host on this machine does not answer."""
        return self._place().url

    @property
    def proxy(self) -> ProxyDecision:
        """The registry's proxy. Raises `InvalidArgument` for a proxy of a wrong form."""
        return self.proxy_for(self.url)

    def proxy_for(self, url: str) -> ProxyDecision:
        """The proxy for a URL that the registry names. Raises as `proxy` does."""
        return self._http.decide_proxy(parse_url(url))

    @property
    def ca_file(self) -> Path | None:
        """The file of the authorities that are trusted instead of the system's."""
        return next(iter(self._http.ca_files), None)

    @property
    def login(self) -> str:
        """The user and the origin of the credentials. Raises as `credential_steps` does."""
        return self._login.source(self.url, self._path)

    @property
    def credential_steps(self) -> tuple[CredentialStep, ...]:
        """The credential files that were read.

        Raises:
            InvalidArgument: a file is not a credential file.
            Unauthorized: a credential helper failed.
        """
        return self._login.credential_steps(self.url, self._path)

    @property
    def token(self) -> TokenRequest | None:
        """What the token server was asked for last; None if the registry named no token server yet."""
        return self._login.token_request(self.url)

    def greet(self) -> Response:
        """The answer to a request for the version of the API, without a login.

        Raises:
            TransportError: there is no answer.
        """
        place = self._place()
        url = f"{place.url}/v2/"
        return self._http.request("GET", url, reach=place.reach, limit=limits.ERROR_BODY_BYTES, attempts=1)


class RegistrySession:
    """The requests of one repository. Safe to use from several threads."""

    def __init__(self, http: HttpClient, login: RegistryLogin, place: Whereabouts, reference: Reference) -> None:
        self._http = http
        self._login = login
        self._place = place
        self.path = reference.path
        self.name = reference.repository
        self._is_public = False

    @property
    def registry(self) -> str:
        """The URL of the registry: scheme, host and port."""
        return self._place().url

    @property
    def base(self) -> str:
        """The URL of the repository."""
        return f"{self.registry}/v2/{self.path}"

    def contact(self) -> Contact:
        """How this repository is reached."""
        return Contact(self._http, self._login, self._place, self.path)

    def request(
        self,
        method: str,
        path: str,
        *,
        limit: int,
        accept: str = "",
        body: bytes | None = None,
        content_type: str = "",
        actions: str = PULL,
        pull_from: str = "",
        attempts: int = limits.HTTP_ATTEMPTS,
    ) -> Response:
        """The answer. `path` is below the repository, or a URL; `pull_from` is one more repository to read."""
        headers = _headers(accept, content_type)

        def ask() -> Response:
            url = self._url(path)
            used = self._authorization(url, actions, pull_from)

            def send(authorization: str) -> Response:
                return self._send(method, url, limit, {**headers, **_authorization(authorization)}, body, attempts)

            response = send(used)
            header = self._answer(url, response, actions, used, pull_from)
            return send(header) if header else response

        place = self._place()
        try:
            return ask()
        except Unreachable:
            if not self._place.has_moved(place) or "://" in path:
                raise
        return ask()

    @contextmanager
    def stream(self, path: str) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """The answer to a GET and its body in pieces."""
        with self._checking_place():
            url = self._url(path)
            used = self._authorization(url, PULL)
            with self._stream(url, used) as (response, chunks):
                header = self._answer(url, response, PULL, used)
                if not header:
                    yield response, chunks
                    return
            with self._stream(url, header) as (response, chunks):
                yield response, chunks

    def _stream(self, url: str, authorization: str) -> AbstractContextManager[tuple[Response, Iterator[bytes]]]:
        spend(Cost.REQUESTS, 1, self.name)
        headers = {"accept": "*/*", **_authorization(authorization)}
        return self._http.stream(url, reach=self._reach(url, headers), headers=headers)

    def upload(self, path: str, chunks: Iterable[bytes], size: int) -> Response:
        """The answer to one PUT with a body in pieces. Raises `Unreachable` if another attempt may help."""
        url = self._url(path)
        used = self._authorization(url, PUSH)
        headers = {"content-type": "application/octet-stream", **_authorization(used)}
        spend(Cost.REQUESTS, 1, self.name)
        reach = self._reach(url, headers)
        with self._checking_place():
            response = self._http.upload(
                "PUT", url, chunks, size, reach=reach, limit=limits.ERROR_BODY_BYTES, headers=headers
            )
        again = response.status in (408, 429) or response.status >= 500
        if again or self._answer(url, response, PUSH, used):
            raise Unreachable(f"PUT {redact(url)}: status {response.status}{words(response)}", hint="try again later")
        return response

    def expect(self, response: Response, what: str, *wanted: int) -> None:
        """Returns if the answer has one of these statuses. Raises the error for any other status."""
        if response.status not in wanted:
            is_refused = response.status in (401, 403) and self._is_ours(response.url)
            login = self._login.source(self.registry, self.path) if is_refused else ""
            raise failure(response, what, wanted, login)

    def head(self, path: str, *, accept: str = "", actions: str = PULL) -> bool | None:
        """Whether a HEAD says that there is such content; None if it does not say it: then ask by GET.

        Gateways and registries exist that answer HEAD with a refusal where GET works.
        """
        try:
            status = self.request("HEAD", path, limit=0, accept=accept, actions=actions, attempts=1).status
        except TransportError:
            return None
        return {200: True, 404: False}.get(status)

    @contextmanager
    def _checking_place(self) -> Iterator[None]:
        """If a request in the block fails, the next one goes to the place where the registry is then."""
        used = self._place()
        try:
            yield
        except Unreachable:
            self._place.has_moved(used)
            raise

    def next_url(self, response: Response, what: str) -> str:
        """The URL of the page after this answer; empty if there is none.

        Raises:
            UnexpectedResponse: the Link header cannot be read, or names another server.
        """
        target = next_page(response.headers.get("link", ""), what)
        if not target:
            return ""
        url = served_url(response.url, target, "Link")
        if url.origin != parse_url(response.url).origin:
            raise UnexpectedResponse(f"{what}: the next page is on another server, {quote(redact(str(url)))}")
        return str(url)

    def _url(self, path: str) -> str:
        return path if "://" in path else f"{self.base}/{path}"

    def _is_ours(self, url: str) -> bool:
        return url.startswith(f"{self.base}/") or parse_url(url).origin == self._place().origin

    def _reach(self, url: str, headers: Mapping[str, str]) -> Reach:
        """The reach of a request: the user named the registry itself, the registry named all other hosts."""
        place = self._place()
        if not self._is_ours(url):
            named = place.reach.of_named(place.origin, parse_url(url))
            # It was ours when the login was added, and another thread found the registry elsewhere since.
            return named.with_login(parse_url(url)) if "authorization" in headers else named
        if "authorization" not in headers:
            return place.reach
        with_login = place.reach.with_login(parse_url(url))
        is_same = with_login == place.reach or self._login.is_anonymous(place.url, self.path)
        return place.reach if is_same else with_login

    def _authorization(self, url: str, actions: str, pull_from: str = "") -> str:
        return self._login.header(self.registry, self.path, actions, pull_from) if self._is_ours(url) else ""

    def _answer(self, url: str, response: Response, actions: str, used: str, pull_from: str = "") -> str:
        """The header to try again with, if the answer is a challenge; empty if it is not."""
        if response.status < 300:
            self._is_public = self._is_public or not used
            return ""
        # Only a challenge of the registry itself is answered, not one of a server that it redirects to.
        if not self._is_ours(url) or not self._is_ours(response.url):
            return ""
        if response.status == 401:
            # As Go's client: Basic, where a registry asks for a login and names none.
            challenge = response.headers.get("www-authenticate", "") or self._greeting() or "Basic"
        elif used and says_expired(response):
            challenge = self._login.challenge_of(self.registry, self.path)
        elif not used and self._may_be_hidden(response):
            challenge = self._greeting()
        else:
            return ""
        return self._login.answer(challenge, self.registry, self.path, actions, used, pull_from) if challenge else ""

    def _may_be_hidden(self, response: Response) -> bool:
        """Whether a registry may hide this repository from people without a login, and there are credentials."""
        is_answer = response.status == 404 and f"{self.base}/blobs/sha" in response.url  # a blob is sent if it is new
        return (
            not self._is_public
            and not is_answer
            and response.status in (403, 404)
            and self._login.has_credentials(self.registry, self.path)
        )

    def _greeting(self) -> str:
        """The challenge for the version of the API, which other clients ask for first; empty if there is none."""
        known = self._login.greetings
        if self.registry not in known:
            spend(Cost.REQUESTS, 1, self.name)
            with suppress(TransportError):
                answer = self.contact().greet()
                is_challenge = answer.status == 401 and self._is_ours(answer.url)
                known[self.registry] = answer.headers.get("www-authenticate", "") if is_challenge else ""
        return known.get(self.registry, "")

    def _send(
        self, method: str, url: str, limit: int, headers: Mapping[str, str], body: bytes | None, attempts: int
    ) -> Response:
        most = max(limit, limits.ERROR_BODY_BYTES)
        spend(Cost.REQUESTS, 1, self.name)
        response = self._http.request(
            method, url, reach=self._reach(url, headers), limit=most, headers=headers, body=body, attempts=attempts
        )
        if response.status < 300 and len(response.body) > limit:
            raise LimitExceeded(f"{method} {redact(url)}: {len(response.body)} bytes, at most {limit} were expected")
        return response


def _headers(accept: str, content_type: str) -> dict[str, str]:
    return {**({"accept": accept} if accept else {}), **({"content-type": content_type} if content_type else {})}


def _authorization(header: str) -> dict[str, str]:
    return {"authorization": header} if header else {}
