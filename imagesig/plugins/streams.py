"""Reserves standard output for the answer: output of libraries and PKCS#11 modules goes elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from imagesig import limits
from imagesig.errors import LimitExceeded

STDIN, STDOUT, STDERR = 0, 1, 2


@contextmanager
def diverted(descriptor: int, to: int) -> Iterator[int]:
    """Redirects `descriptor` to `to`. Gives a new descriptor for its former target."""
    kept = os.dup(descriptor)
    os.dup2(to, descriptor)
    try:
        yield kept
    finally:
        os.close(kept)


def write_all(descriptor: int, text: str) -> None:
    data = text.encode("utf-8")
    while data:
        data = data[os.write(descriptor, data) :]


def read_input(what: str) -> bytes:
    """All of standard input. Raises `LimitExceeded` if it has more than `limits.PLUGIN_MESSAGE_BYTES`."""
    data = sys.stdin.buffer.read(limits.PLUGIN_MESSAGE_BYTES + 1)
    if len(data) > limits.PLUGIN_MESSAGE_BYTES:
        raise LimitExceeded(f"{what}: more than {limits.PLUGIN_MESSAGE_BYTES} bytes")
    return data
