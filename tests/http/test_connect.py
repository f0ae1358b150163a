"""Connections: the first address that answers, in turn and in time; what a server says about time."""

from __future__ import annotations

import errno
import gc
import socket
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from imagesig import limits
from imagesig.errors import UnexpectedResponse, Unreachable
from imagesig.http.client import HttpClient
from imagesig.http.dates import date_of, wait_of
from imagesig.http.faults import NotConnected
from imagesig.http.lookup import addresses
from imagesig.http.race import _HEAD_START_SECONDS, Address, first_connected
from imagesig.http.reach import LOOPBACK_ONLY
from imagesig.testing import InMemoryRegistry
from tests.attacks.network import silent


def at(port: int) -> Address:
    return socket.AF_INET, ("127.0.0.1", port)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def lost() -> Iterator[int]:
    """A port where nothing is refused and nothing accepted."""
    with silent() as place:
        yield int(place.rpartition(":")[2])


def test_the_first_address_is_taken_where_it_answers(listening: int) -> None:
    sock, address = first_connected([at(listening), at(1)], time.monotonic() + 5)
    sock.close()
    assert address == at(listening)


def test_an_address_that_refuses_costs_no_time(listening: int) -> None:
    started = time.monotonic()
    sock, address = first_connected([at(1)] * 100 + [at(listening)], time.monotonic() + 60)
    sock.close()
    assert address == at(listening)
    assert time.monotonic() - started < 100 * _HEAD_START_SECONDS / 2


def test_an_address_that_is_silent_does_not_hold_up_the_others(listening: int, lost: int) -> None:
    started = time.monotonic()
    sock, address = first_connected([at(lost), at(lost), at(listening)], time.monotonic() + 60)
    sock.close()
    assert address == at(listening)
    assert time.monotonic() - started < 20


def test_with_little_time_every_address_still_gets_its_turn(listening: int, lost: int) -> None:
    seconds = 15 * _HEAD_START_SECONDS * 0.9
    sock, address = first_connected([at(lost)] * 15 + [at(listening)], time.monotonic() + seconds)
    sock.close()
    assert address == at(listening)


def test_all_silent_addresses_end_together(lost: int) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        first_connected([at(lost)] * 100, time.monotonic() + 0.4)
    assert time.monotonic() - started < 100 * 0.4 / 2


def test_the_first_refusal_is_the_reason_and_no_address_is_one() -> None:
    with pytest.raises(ConnectionRefusedError):
        first_connected([at(1), at(2)], time.monotonic() + 5)
    with pytest.raises(OSError, match="no address"):
        first_connected([], time.monotonic() + 5)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "::1", "2001:db8::1", "localhost", "localhost."])
def test_addresses_and_localhost_are_not_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    found = addresses(host, 80, time.monotonic() + 5)
    four, six = (socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET6, ("::1", 80, 0, 0))
    if host.startswith("localhost"):
        assert found == [four, six]
    elif ":" in host:
        assert found == [(socket.AF_INET6, (host, 80, 0, 0))]
    else:
        assert found == [(socket.AF_INET, (host, 80))]


def test_a_name_is_looked_up_once_and_its_errors_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotConnected):
        addresses("no-such-host.invalid", 80, time.monotonic() + 5)
    for error in (OSError, UnicodeError, ValueError, MemoryError, TypeError):

        def fail(*_: object, error: type[Exception] = error, **__: object) -> None:
            raise error("x")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(NotConnected):
            addresses("registry.example", 80, time.monotonic() + 5)


def test_addresses_of_both_kinds_are_taken_in_the_resolvers_order_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    four, six = (socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80, 0, 0))

    def found(*given: tuple[int, object]) -> object:
        answer = [(family, socket.SOCK_STREAM, 6, "", place) for family, place in given]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
        return addresses("registry.example", 80, time.monotonic() + 5)

    assert found(six, four) == [six, four]
    assert found(four) == [four]
    assert found(six) == [six]
    assert found((socket.AF_UNIX, "x"), six) == [six]
    with pytest.raises(NotConnected):
        found((socket.AF_UNIX, "x"))


def test_a_system_without_threads_does_not_use_up_what_may_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("imagesig.http.lookup._LOOKUPS", threading.BoundedSemaphore(2))
    with monkeypatch.context() as without:
        without.setattr(threading, "Thread", no_thread)
        for _ in range(5):
            with pytest.raises(NotConnected):
                addresses("registry.example", 80, time.monotonic() + 5)
    place = ("192.0.2.1", 80)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", place)])
    assert addresses("registry.example", 80, time.monotonic() + 5) == [(socket.AF_INET, place)]


def test_a_resolver_that_hangs_holds_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20) and [])
    monkeypatch.setattr("imagesig.http.lookup._LOOKUPS", threading.BoundedSemaphore(2))
    before = threading.active_count()
    for _ in range(4):
        with pytest.raises(TimeoutError):
            addresses("slow.example", 80, time.monotonic() + 0.05)
    assert threading.active_count() - before <= 2
    release.set()
    assert limits.LOOKUPS > 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("x", None), ("0", 0.0), ("7", 7.0), ("9" * 5000, 1e9), ("\u0663", None), ("-1", None), ("1e9", None)],
)
def test_a_pause_is_a_number_in_ascii_or_a_date(text: str, seconds: float | None) -> None:
    assert wait_of(text, 0.0) == seconds


def test_a_pause_until_a_date_is_counted_from_now() -> None:
    assert wait_of("Thu, 01 Jan 1970 00:01:40 GMT", 40.0) == 60.0
    assert wait_of("Thu, 01 Jan 1970 00:00:10 GMT", 40.0) == 0.0


@pytest.mark.parametrize(
    "text",
    ["", "x", "Fri, 31 Dec 9999 23:59:59 -2359", "1 Jan 10000 0:0:0 GMT", "1 Jan 2020 0:0:0 +" + "9" * 40],
)
def test_an_invalid_date_gives_none(text: str) -> None:
    assert date_of(text) is None


def test_of_several_addresses_those_out_of_reach_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry() as server:
        port = int(server.host.rpartition(":")[2])
        inside, here = (socket.AF_INET, ("10.1.2.3", port)), (socket.AF_INET, ("127.0.0.1", port))
        client = HttpClient(user_agent="test")
        for found in ([inside, here], [here, inside], [here]):
            monkeypatch.setattr("imagesig.http.connect.addresses", lambda *_, found=found: found)
            client.request("GET", f"http://name.example:{port}/", reach=LOOPBACK_ONLY, limit=1000, attempts=1)
            client.close()
        assert server.asked() == 3
        monkeypatch.setattr("imagesig.http.connect.addresses", lambda *_: [inside])
        with pytest.raises(UnexpectedResponse, match=r"resolves to 10\.1\.2\.3: plain HTTP"):
            client.request("GET", f"http://name.example:{port}/", reach=LOOPBACK_ONLY, limit=1000, attempts=1)


def test_a_socket_that_takes_no_option_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "the peer is gone")

    client = HttpClient(user_agent="test")
    with InMemoryRegistry() as server, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "setsockopt", refuse)
            with pytest.raises(Unreachable):
                client.request("GET", f"http://{server.host}/", reach=LOOPBACK_ONLY, limit=10, attempts=1)
        gc.collect()
    assert not [str(item.message) for item in said]
