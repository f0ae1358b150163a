"""Loggers whose records are single lines and safe to print, though parts come from registries and artefacts."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from imagesig.text import sentence

if TYPE_CHECKING:
    import logging


class Logger:
    """The logger of `logging` with this name. Every message goes through `sentence` before a handler sees it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, message: str, *values: object) -> None:
        # speed: without `logging`, nothing can have asked for these messages (benchmarks/test_start.py)
        if "logging" in sys.modules:
            self._log(10, message, values)

    def info(self, message: str, *values: object) -> None:
        if "logging" in sys.modules:
            self._log(20, message, values)

    def warning(self, message: str, *values: object) -> None:
        self._log(30, message, values)

    @cached_property
    def _logger(self) -> logging.Logger:
        import logging

        return logging.getLogger(self._name)

    def _log(self, level: int, message: str, values: tuple[object, ...]) -> None:
        """`level` is the number of `logging.DEBUG` and so on."""
        if self._logger.isEnabledFor(level):
            self._logger.log(level, sentence(message % values), stacklevel=3)
