"""URLs: parsing, showing without secrets, and whether a host is this machine.

No other module splits a URL: two parsers that disagree about the host send requests to the wrong one. Spec: RFC 3986;
hosts are ASCII, international names in their `xn--` form (RFC 5890).
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from imagesig.errors import InvalidArgument, UnexpectedResponse
from imagesig.patterns import regex
from imagesig.text import quote

URL_CHARACTERS = 8192
PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]
"""Scheme, host and port. Credentials are only sent to the origin that they were given for."""

_URL = regex(
    r"(?i:(https?))://([!$-.0-;=@A-Z\[\]_a-z~]*)([!$-;=@A-Z\[\]_a-z~]*)(\?[!$-;=?-\[\]_a-z~]*)?(?:#[!#-;=?-\[\]_a-z~]*)?"
)
"""Scheme, authority, path and query of a URL that has only characters of RFC 3986."""
_OUTSIDE_GRAMMAR = regex(r"[^!#-;=?-\[\]_a-z~]")
_UNESCAPED = regex(r'[ "<>\\^`{|}\x80-\xff]')
"""Characters outside of the grammar that servers write in queries, such as `filename="a b"`."""
_SCHEME = regex(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST = regex(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|[0-9A-Fa-f:.]+")
_PLACE = regex(r"(?:\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]|[^\[\]:]*)(?::[0-9]*)?")
"""`urlsplit` reads `a[::1]b:80` as `[::1]:80`."""
_BEFORE_HOST = regex(r"(?i)\A((?:[a-z][a-z0-9+.-]*:)?//)?(.*)\Z", re.DOTALL)


class Url(Struct, frozen=True):
    """The parts of one HTTP URL. `host` is lower case and without brackets, `port` is never 0.

    `target` is path and query as they are sent; it starts with `/`. `has_login` says that there was a user or password.
    `netloc` is host and port as they are written: IPv6 in brackets, no port if it is the scheme's default.
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
        """The whole URL, without login and fragment."""
        return f"{self.scheme}://{self.netloc}{self.target}"


def parse_url(text: str, what: str = "URL") -> Url:
    """The parts of an absolute `http` or `https` URL. `what` names it in the error, such as `Location`.

    Raises:
        InvalidArgument: another scheme, no host, an invalid port, or characters that URLs must not have.
    """
    if len(text) > URL_CHARACTERS:
        raise _refused(text, what, f"more than {URL_CHARACTERS} characters")
    match = _URL.fullmatch(text)
    if match is None:
        odd = _OUTSIDE_GRAMMAR.search(text)
        raise _refused(
            text, what, "it has characters that URLs must not have" if odd else "http:// or https:// is needed"
        )
    scheme, authority, path, query = match.groups("")
    server = _server(scheme.lower(), authority)
    if isinstance(server, str):
        raise _refused(text, what, server)
    origin, netloc, has_login = server
    return Url(*origin[:2], origin[2], (path or "/") + (query if len(query) > 1 else ""), has_login, netloc, origin)


# speed: a fortieth of each verification (benchmarks/test_fleet.py)
@lru_cache(maxsize=1024)
def _server(scheme: str, authority: str) -> tuple[Origin, str, bool] | str:
    """Origin, `netloc`, and whether there is a login; or why the authority is invalid, as text."""
    _, at, place = authority.rpartition("@")
    try:
        parts = urlsplit(f"//{place}")
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return "its host or port cannot be read"
    if not _HOST.fullmatch(host) or not _PLACE.fullmatch(place) or not _is_address_or_name(host):
        return "its host is not a name or address"
    if port == 0:
        return "its port is 0"
    host, port = host.lower(), port or PORTS[scheme]
    written = f"[{host}]" if ":" in host else host
    return (scheme, host, port), written if PORTS[scheme] == port else f"{written}:{port}", bool(at)


def join_url(base: str, reference: str, what: str = "URL") -> str:
    """The absolute URL that `reference` means in a document at `base`. `parse_url` accepts it.

    Raises:
        InvalidArgument: as `parse_url` does.
    """
    if len(reference) > URL_CHARACTERS:
        raise _refused(reference, what, f"more than {URL_CHARACTERS} characters")
    if _OUTSIDE_GRAMMAR.search(reference):  # checked first: `urljoin` removes some of them
        raise _refused(reference, what, "it has characters that URLs must not have")
    try:
        # `urljoin` reads a scheme or two slashes without a host as a path; RFC 3986 section 5.2.2 does not.
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
    """The URL that a server at `base` names in `Location`, `Link` or a realm.

    Whether a request may go there depends on the host's addresses: see `imagesig.http.reach`. Characters that a query
    must not have are escaped, as browsers do: no parser looks for a host there.

    Raises:
        UnexpectedResponse: not an HTTP URL, with a user or password, or HTTP although `base` is HTTPS.
    """
    where = redact(base)
    if not reference:
        raise UnexpectedResponse(f"{where}: its {what} is empty")
    try:
        path, mark, query = reference.partition("?")
        query = _UNESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", query)
        url = parse_url(join_url(base, path + mark + query, what))
    except InvalidArgument as error:
        raise UnexpectedResponse(f"{where}: {error}") from None
    if url.has_login:
        raise UnexpectedResponse(f"{where}: its {what} {quote(redact(reference))} has a user or a password")
    if url.scheme == "http" and parse_url(base).scheme == "https":
        raise UnexpectedResponse(f"{where}: its {what} leads from HTTPS to HTTP ({quote(redact(reference))})")
    return url


def redact(url: str) -> str:
    """The URL without user, password, query and fragment. Never raises, for any text."""
    match = _BEFORE_HOST.match(url[:URL_CHARACTERS])
    scheme, rest = (match[1] or "", match[2]) if match else ("", url)
    # The last @ in the text: a password may contain /, ? and #, which end the host for a parser.
    rest = rest.rpartition("@")[2]
    return scheme + re.split(r"[?#]", rest, maxsplit=1)[0]


def written_place(text: str) -> tuple[str, str]:
    """Host and port as they are written, in lower case, and the rest after them. The scheme may be missing.

    For names in files of the user, never for a request: it accepts any text.
    """
    after = text.partition("://")[2] if "://" in text else text
    authority = re.split(r"[/?#]", after, maxsplit=1)[0]
    return authority.rpartition("@")[2].lower(), after[len(authority) :]


def is_loopback(host: str) -> bool:
    """Whether the text of a host says that it is this machine: `localhost`, or a loopback address.

    `127.example.com` is not. `*.localhost` is if it resolves to loopback, which is checked when it is connected.
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
    """False for hosts that some resolvers read as a number, others as a name: `127.1`, `0x7f000001`, `2130706433`."""
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
