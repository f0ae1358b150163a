"""Reads that have no more time than is left."""

from __future__ import annotations

import socket

import pytest

from imagesig.http.timely import Timed


def test_each_read_has_the_time_that_is_left() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        left = [5.0, 0.01, 0.0, -1.0]
        file = Timed(ours, lambda: left[0]).makefile("rb")
        theirs.sendall(b"ok")
        assert file.read1(2) == b"ok"
        assert ours.gettimeout() == 5.0
        for seconds in left[1:]:
            left[0] = seconds
            with pytest.raises(TimeoutError):
                file.read1(2)
