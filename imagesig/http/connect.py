"""Makes connections: looks a host up once, checks its addresses, connects the first that answers, adds TLS and tunnels.

Each step ends at the deadline: the look-up runs in a thread that can be abandoned, addresses are tried in parallel, and
each read of a proxy's answer or of a TLS handshake gets only the time that is left.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.deadlines import current_stop, seconds_left
from imagesig.errors import UnexpectedResponse, Unreachable
from imagesig.http.answer import Answer, NotHttp
from imagesig.http.faults import NotConnected
from imagesig.http.hello import client_hello, is_tls
from imagesig.http.lookup import addresses
from imagesig.http.proxies import Proxy
from imagesig.http.race import first_connected
from imagesig.http.reach import ANYWHERE, Network, Reach, network_of, written_network
from imagesig.url import Origin, Url, redact

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from imagesig.http.authorities import TlsContext
    from imagesig.http.tunnel import TlsInTls

    Line = socket.socket | TlsInTls
    """The socket of one connection, plain or with TLS inside TLS."""

_LOGIN_IN_CLEAR = "a login is sent over plain HTTP to this machine only"
_HOMES = 1024
"""Largest number of registries whose networks are remembered."""


class Connector:
    """Makes connections. Safe to use from several threads.

    `read_seconds` is how long one read may take now; 0 or less: no time. `context` takes the place of the usual one.
    """

    def __init__(
        self,
        ca_files: Sequence[Path],
        read_seconds: Callable[[], float],
        client_certificate: tuple[Path, Path] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._trusted = (ca_files, client_certificate, context)
        self._read_seconds = read_seconds
        self._homes: dict[Origin, Network] = {}
        self._lock = threading.Lock()

    def connect(self, url: Url, proxy: Proxy | None, reach: Reach) -> Line:
        """A connection for requests to this URL: to its server, or to the proxy, with a tunnel for HTTPS.

        If a certificate is not trusted and the files of authorities changed meanwhile, they are read again.

        Raises:
            UnexpectedResponse: the host is out of reach.
            Unreachable: the proxy refuses.
            InvalidArgument: a file of authorities was replaced by something else.
            NotConnected, TimeoutError, ssl.SSLError, OSError, NotHttp: no connection, or not in time.
        """
        try:
            return self._connected(url, proxy, reach)
        except OSError as error:
            from imagesig.http.authorities import is_untrusted

            if not is_untrusted(error) or not self._tls.forget_changed():
                raise
        return self._connected(url, proxy, reach)

    @cached_property
    def _tls(self) -> TlsContext:
        # speed: a registry on this machine needs no TLS (benchmarks/test_cli.py)
        from imagesig.http.authorities import TlsContext

        return TlsContext(*self._trusted)

    def _connected(self, url: Url, proxy: Proxy | None, reach: Reach) -> Line:
        if proxy is not None:
            return self._through(url, proxy, reach)
        sock, network = self._dial(url, reach)
        line = self._encrypted(sock, url.host) if url.scheme == "https" else sock
        if reach.like is None:
            self._remember(url.origin, network)
        return line

    def speaks_tls(self, url: Url, reach: Reach) -> bool | None:
        """Whether the server of this URL speaks TLS; None if nothing listens there.

        Raises:
            UnexpectedResponse: the host is out of reach.
            TimeoutError: no answer in time.
        """
        try:
            sock, _ = self._dial(url, reach)
        except NotConnected:
            return None
        with sock, _abortable(sock):
            try:
                limit_time(sock, connect_seconds())
                sock.sendall(client_hello(url.host))
                limit_time(sock, connect_seconds())
                return is_tls(sock.recv(1))
            except ConnectionError:
                return False

    def receive(self, line: Line, most: int) -> bytes:
        """The bytes that arrived; empty at the end. A read gets only the time that is left until the deadline.

        Raises:
            TimeoutError, OSError
        """
        seconds = self._read_seconds()
        if seconds <= 0:
            raise TimeoutError("the deadline passed")
        limit_time(line, seconds)
        return line.recv(most)

    # --- checking addresses --------------------------------------------------------------------------------------

    def _refusal(self, url: Url, reach: Reach, network: Network) -> str:
        """Why an address of the URL's host is out of reach; empty if it is in reach."""
        if reach.loopback_only and network is not Network.LOOPBACK:
            return "plain HTTP is used for this machine only, unless the user asks for it"
        home = self._homes.get(reach.like) if reach.like is not None else None
        if home is None:
            home = written_network(reach.like[1]) if reach.like is not None else Network.GLOBAL
        if reach.like != url.origin and reach.refuses(network, home):
            named = "" if reach.like is None else f", and {reach.like[1]}, which names it, is not"
            return f"{network.value}{named}"
        return _LOGIN_IN_CLEAR if _has_clear_login(url, reach) and network is not Network.LOOPBACK else ""

    def _remember(self, registry: Origin, network: Network) -> None:
        """Remembers a registry's network. Once global, it stays global: its owner chooses its later addresses."""
        with self._lock:
            known = self._homes.get(registry)
            if known is None or network is Network.GLOBAL:
                self._homes[registry] = network
            if len(self._homes) > _HOMES:
                self._homes.pop(next(iter(self._homes)))

    # --- connecting ----------------------------------------------------------------------------------------------

    def _dial(self, url: Url, reach: Reach) -> tuple[socket.socket, Network]:
        """A connection to an address that passed the check, and the network of that address."""
        until = time.monotonic() + connect_seconds()
        refusal, judged = "", []
        for address in addresses(url.host, url.port, until):
            why = self._refusal(url, reach, network_of(address[1][0]))
            refusal = refusal or f"{address[1][0]}: {why}" * bool(why)
            if not why:
                judged.append(address)
        if refusal and not judged:
            raise _not_contacted(url, f"it resolves to {refusal}")
        try:
            sock, address = first_connected(judged[: limits.ADDRESSES], until)
        except TimeoutError:
            raise
        except OSError as error:
            raise NotConnected from error
        return sock, network_of(address[1][0])

    def _through(self, url: Url, proxy: Proxy, reach: Reach) -> Line:
        """A connection through a proxy. The proxy looks the name up, so only the name itself can be checked."""
        why = self._refusal(url, reach, written_network(url.host))
        # A name such as `app.localhost` is this machine for us, and means the proxy's machine there.
        if why := why or (_LOGIN_IN_CLEAR if _has_clear_login(url, reach) else ""):
            raise _not_contacted(url, why)
        sock, _ = self._dial(proxy.url, ANYWHERE)
        line = self._encrypted(sock, proxy.url.host) if proxy.url.scheme == "https" else sock
        if url.scheme == "http":
            return line
        try:
            self._tunnel(line, url, proxy)
            return self._encrypted(line, url.host) if line is sock else self._encrypted_twice(line, url.host)
        except BaseException:
            line.close()
            raise

    def _tunnel(self, line: socket.socket, url: Url, proxy: Proxy) -> None:
        """Asks the proxy for a tunnel. Spec: RFC 9110 section 9.3.6."""
        place = f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}"
        login = f"proxy-authorization: {proxy.authorization}\r\n" if proxy.login else ""
        limit_time(line, connect_seconds())
        line.sendall(f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{login}\r\n".encode("ascii"))
        answer = Answer(
            _Tunnelled(self, line), "HEAD"
        )  # an answer with a 2xx has no body: the next bytes come from the server
        if not 200 <= answer.status < 300:
            failure = Unreachable(
                f"the proxy {proxy} refuses a connection to {place}: status {answer.status}",
                hint="check the user and password in HTTPS_PROXY"
                if answer.status == 407
                else "ask the administrator of the proxy",
            )
            failure.retryable = answer.status >= 500
            raise failure
        if answer.has_more:
            raise NotHttp("the proxy sent bytes before the server could")

    def _encrypted(self, sock: socket.socket, host: str) -> socket.socket:
        """TLS over a connection. The socket's timeout bounds the whole handshake."""
        try:
            with _abortable(sock):
                limit_time(sock, connect_seconds())
                return self._tls.get().wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def _encrypted_twice(self, line: socket.socket, host: str) -> Line:
        from imagesig.http.tunnel import TlsInTls

        limit_time(line, connect_seconds())
        return TlsInTls(line, self._tls.get(), host)


class _Tunnelled:
    """A connection while the proxy's answer is read from it."""

    __slots__ = ("_connector", "_line")

    def __init__(self, connector: Connector, line: socket.socket) -> None:
        self._connector, self._line = connector, line

    def receive(self, most: int) -> bytes:
        return self._connector.receive(self._line, most)

    def keep(self) -> None:
        """Does nothing: the connection stays with this request."""

    def close(self) -> None:
        self._line.close()


def _has_clear_login(url: Url, reach: Reach) -> bool:
    return reach.has_login and url.scheme == "http"


def _not_contacted(url: Url, why: str) -> UnexpectedResponse:
    hint = "use HTTPS, or a registry that needs no login" if "a login" in why else ""
    return UnexpectedResponse(f"{redact(str(url))} is not contacted: {why}", hint=hint)


@contextmanager
def _abortable(sock: socket.socket) -> Iterator[None]:
    """A block in which a caller that cancels ends the traffic of this socket."""
    stop, abort = current_stop(), partial(end_traffic, sock)
    if stop is not None:
        stop.watch(abort)
    try:
        yield
    finally:
        if stop is not None:
            stop.forget(abort)


def connect_seconds() -> float:
    """How long one step of connecting, or one write, may take now.

    Raises:
        TimeoutError: the deadline passed.
    """
    seconds = min(limits.CONNECT_SECONDS, seconds_left())
    if seconds <= 0:
        raise TimeoutError("the deadline passed")
    return seconds


def end_traffic(line: Line) -> None:
    """Ends reads and writes of other threads. The connection still has to be closed."""
    with suppress(OSError):
        if isinstance(line, socket.socket):
            # Not SSLSocket.shutdown, which takes the state away that another thread uses.
            socket.socket.shutdown(line, socket.SHUT_RDWR)
        else:
            line.close()


def limit_time(line: Line, seconds: float) -> None:
    """Sets how long one read or write may take."""
    # speed: setting it is a system call (benchmarks/test_fleet.py)
    if line.gettimeout() != seconds:
        line.settimeout(seconds)
