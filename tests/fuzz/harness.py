"""Runs one target on one input, and says what is wrong with how it ended.

A target ends in a value or in an error of imagesig, within a second of CPU and 64 MiB of memory for 64 KiB of input.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from imagesig.errors import ImagesigError

INPUT_BYTES = 64 * 1024
CPU_SECONDS = 1.0
MEMORY_KIB = 64 * 1024


class Broken(Exception):
    """A target broke a promise."""


def run(target: Callable[[bytes], object], data: bytes) -> bool:
    """Whether the target took the input. Raises `Broken` where it cost too much, and what else it raises."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        target(data)
    except ImagesigError as error:
        taken = False
        if not str(error).isprintable():
            raise Broken(f"an error with characters that no terminal should get: {error!s:.200}") from error
    else:
        taken = True
    seconds = time.process_time() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if seconds > CPU_SECONDS:
        raise Broken(f"{seconds:.2f} s of CPU for {len(data)} bytes")
    if grown > MEMORY_KIB:
        raise Broken(f"{grown // 1024} MiB of memory for {len(data)} bytes")
    return taken
