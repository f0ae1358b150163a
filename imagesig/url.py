"""Addresses: parsed in one place, shown without secrets, and whether they are on this machine.

Two parsers that disagree about a host are how requests go astray, so nobody else splits a URL. Spec: RFC 3986; hosts
are ASCII here, international names in their `xn--` form (RFC 5890).
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from imagesig.errors import InvalidArgument, UnexpectedResponse
from imagesig.text import quote

URL_CHARACTERS = 8192
PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port: credentials never leave the origin that they were given for."""

_URL = re.compile(
    r"(?i:(https?))://([!$-.0-;=@A-Z\[\]_a-z~]*)([!$-;=@A-Z\[\]_a-z~]*)(\?[!$-;=?-\[\]_a-z~]*)?(?:#[!#-;=?-\[\]_a-z~]*)?"
)
"""Scheme, authority, path and query of an address with no character that RFC 3986 does not have."""
_OUTSIDE_GRAMMAR = re.compile(r"[^!#-;=?-\[\]_a-z~]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|[0-9A-Fa-f:.]+")
_PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]|[^\[\]:]*)(?::[0-9]*)?")
"""`urlsplit` takes `a[::1]b:80` for `[::1]:80`."""
_BEFORE_HOST = re.compile(r"(?i)\A((?:[a-z][a-z0-9+.-]*:)?//)?(.*)\Z", re.DOTALL)


class Url(Struct, frozen=True):
    """One HTTP address, split. `host` is lower case and without brackets; `port` is never 0; `target` starts with `/`.

    `target` is path and query as they go over the line. `has_login` says that it came with a user or a password.
    `netloc` is host and port as they are written: brackets round IPv6, no port where it is the scheme's own.
    """

    scheme: str
    host: str
    port: int
    target: str
    has_login: bool
    netloc: str
    origin: Origin

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        """The whole address, without a login and a fragment."""
        return f"{self.scheme}://{self.netloc}{self.target}"


def parse_url(text: str, what: str = "URL") -> Url:
    """The parts of an absolute `http` or `https` URL. `what` names it in the error, such as `Location`.

    Raises:
        InvalidArgument: anything else: another scheme, no host, a port that is none, characters that no URL has.
    """
    if len(text) > URL_CHARACTERS:
        raise _refused(text, what, f"more than {URL_CHARACTERS} characters")
    match = _URL.fullmatch(text)
    if match is None:
        odd = _OUTSIDE_GRAMMAR.search(text)
        raise _refused(text, what, "it has characters that no URL may have" if odd else "http:// or https:// is needed")
    scheme, authority, path, query = match.groups("")
    server = _server(scheme.lower(), authority)
    if isinstance(server, str):
        raise _refused(text, what, server)
    origin, netloc, has_login = server
    return Url(*origin[:2], origin[2], (path or "/") + (query if len(query) > 1 else ""), has_login, netloc, origin)


# speed: a fortieth of each verification (benchmarks/test_fleet.py)
@lru_cache(maxsize=1024)
def _server(scheme: str, authority: str) -> tuple[Origin, str, bool] | str:
    """Origin, the way it is written, and whether there is a login; or why there is no server of that name."""
    _, at, place = authority.rpartition("@")
    try:
        parts = urlsplit(f"//{place}")
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return "its host or port cannot be read"
    if not _HOST.fullmatch(host) or not _PLACE.fullmatch(place) or not _is_address_or_name(host):
        return "its host is no name or address"
    if port == 0:
        return "its port is 0"
    host, port = host.lower(), port or PORTS[scheme]
    written = f"[{host}]" if ":" in host else host
    return (scheme, host, port), written if PORTS[scheme] == port else f"{written}:{port}", bool(at)


def join_url(base: str, reference: str, what: str = "URL") -> str:
    """The absolute URL that `reference` means in a document at `base`. It is parsed, so `parse_url` takes it.

    Raises:
        InvalidArgument: as `parse_url` does.
    """
    if len(reference) > URL_CHARACTERS:
        raise _refused(reference, what, f"more than {URL_CHARACTERS} characters")
    if _OUTSIDE_GRAMMAR.search(reference):  # looked for here, for `urljoin` takes some of them away
        raise _refused(reference, what, "it has characters that no URL may have")
    try:
        # `urljoin` takes what has a scheme or two slashes and no host for a path: RFC 3986 section 5.2.2 does not.
        if _SCHEME.match(reference):
            joined = reference
        elif reference.startswith("//"):
            joined = f"{parse_url(base).scheme}:{reference}"
        else:
            joined = urljoin(base, reference)
    except ValueError:
        raise _refused(reference, what, "it cannot be read") from None
    parse_url(joined, what)
    return joined


def served_url(base: str, reference: str, what: str) -> Url:
    """The address that a server at `base` names, in `Location`, `Link` or a realm, if a request may go there at all.

    Whether its host may be asked depends on the host's addresses: see `imagesig.http.reach`.

    Raises:
        UnexpectedResponse: it is no HTTP URL, holds a user or a password, or leads from HTTPS to HTTP.
    """
    where = redact(base)
    if not reference:
        raise UnexpectedResponse(f"{where}: its {what} is empty")
    try:
        url = parse_url(join_url(base, reference, what))
    except InvalidArgument as error:
        raise UnexpectedResponse(f"{where}: {error}") from None
    if url.has_login:
        raise UnexpectedResponse(f"{where}: its {what} {quote(redact(reference))} holds a user or a password")
    if url.scheme == "http" and parse_url(base).scheme == "https":
        raise UnexpectedResponse(f"{where}: its {what} leads from HTTPS to HTTP ({quote(redact(reference))})")
    return url


def redact(url: str) -> str:
    """What may be shown of a URL: no user information, query or fragment. Never raises, whatever it is given."""
    match = _BEFORE_HOST.match(url[:URL_CHARACTERS])
    scheme, rest = (match[1] or "", match[2]) if match else ("", url)
    # The last @, wherever it stands: a password may hold /, ? and #, which end the host for a parser.
    rest = rest.rpartition("@")[2]
    return scheme + re.split(r"[?#]", rest, maxsplit=1)[0]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by what it says: `localhost`, or an address of the loopback network.

    A name that only starts like one (`127.example.com`) is not; `*.localhost` is where it resolves to loopback, which
    is for who connects to say.
    """
    name = host.rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_address_or_name(host: str) -> bool:
    """Refuses what one resolver takes for a number and another for a name: `127.1`, `0x7f000001`, `2130706433`."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    last = host.rstrip(".").rpartition(".")[2].lower()
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
    return True


def _refused(text: str, what: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"{what} {quote(redact(text))}: {why}")
