"""Where a registry is: its scheme, host and port. On this machine, TLS is tried before plain HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from imagesig.errors import InvalidArgument, TransportError, Unreachable
from imagesig.http.client import HttpClient
from imagesig.http.connect import connect_seconds
from imagesig.http.faults import NotConnected
from imagesig.http.lookup import addresses
from imagesig.http.reach import ANYWHERE, LOOPBACK_ONLY, Network, Reach, network_of
from imagesig.oci.reference import Reference
from imagesig.url import Origin, Url, is_loopback, parse_url


class Place(Struct, frozen=True):
    """The address of a registry. `url` has scheme, host and port as they are written; `reach` is for its requests."""

    url: str
    origin: Origin
    reach: Reach

    @classmethod
    def of(cls, scheme: str, host: str, reach: Reach) -> Place:
        url = f"{scheme}://{host}"
        return cls(url, parse_url(url, "registry").origin, reach)


class Whereabouts(Struct, frozen=True):
    """Where one registry is. Call it for the place; for a host on this machine, the first call asks for it."""

    find: Callable[[], Place]
    has_moved: Callable[[Place], bool]
    """Asks again after a request to this place failed. True if there is another place now."""

    def __call__(self) -> Place:
        return self.find()


class Places:
    """The places of registries by host. Thread-safe.

    `plain_http`: the user allows HTTP without TLS everywhere. `only_tls`: never use HTTP without TLS unasked.
    """

    def __init__(self, http: HttpClient, *, plain_http: bool, only_tls: bool) -> None:
        self._http = http
        self._plain_http = plain_http
        self._only_tls = only_tls
        self._here: dict[str, Place] = {}

    def find(self, reference: Reference) -> Whereabouts:
        """Gives the place of a registry. For a host on this machine, the first call asks whether it speaks TLS.

        Raises:
            Unreachable: the host or port is invalid.
        """
        host = reference.registry_host
        try:
            url = parse_url(f"https://{host}", "registry")
        except InvalidArgument as error:
            unreachable = Unreachable(str(error), hint="check the reference")
            unreachable.retryable = False
            raise unreachable from None
        if self._plain_http or self._only_tls or not _is_this_machine(url.host):
            place = Place.of("http" if self._plain_http else "https", host, ANYWHERE)
            return Whereabouts(lambda: place, lambda _used: False)
        return Whereabouts(
            lambda: self._here.get(host) or self._asked(host, url), lambda used: self._has_moved(host, url, used)
        )

    def _has_moved(self, host: str, url: Url, used: Place) -> bool:
        """Whether a host on this machine began or ended to speak TLS since it was asked."""
        if self._here.get(host, used) != used:
            return True  # another thread found it out
        self._here.pop(host, None)
        try:
            return self._asked(host, url) != used and host in self._here
        except TransportError:
            return False

    def _asked(self, host: str, url: Url) -> Place:
        """The place of a host on this machine, remembered once something answers there."""
        # A name may resolve to another address later: plain HTTP is for this machine only.
        speaks_tls = self._http.speaks_tls(url, LOOPBACK_ONLY)
        place = Place.of("https", host, ANYWHERE) if speaks_tls else Place.of("http", host, LOOPBACK_ONLY)
        if speaks_tls is not None or url.netloc == url.host:
            self._here[host] = place
        return place


def _is_this_machine(host: str) -> bool:
    """Whether a host is this machine. For a name below `localhost`, all its addresses must be."""
    if is_loopback(host):
        return True
    if not host.rstrip(".").endswith(".localhost"):
        return False
    try:
        found = addresses(host, 0, time.monotonic() + connect_seconds())
    except (OSError, NotConnected):
        return False
    return all(network_of(place[0]) is Network.LOOPBACK for _, place in found)
