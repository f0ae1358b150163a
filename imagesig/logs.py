"""Loggers whose records are single lines and safe to print, though parts come from registries and artefacts."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from imagesig.text import sentence

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping


class Logger:
    """The logger of `logging` with this name. Every message goes through `sentence` before a handler sees it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def debug(self, message: str, *values: object) -> None:
        # speed: without `logging`, nothing can have asked for these messages (benchmarks/test_start.py)
        if "logging" in sys.modules:
            self._log(10, message, values)

    def info(self, message: str, *values: object) -> None:
        if "logging" in sys.modules:
            self._log(20, message, values)

    def warning(self, message: str, *values: object) -> None:
        self._log(30, message, values)

    def event(self, message: str, value: object, members: Mapping[str, str | bool]) -> None:
        """A record at the level INFO whose attributes are these members too."""
        if "logging" in sys.modules and self._logger.isEnabledFor(20):
            safe = {name: sentence(item) if isinstance(item, str) else item for name, item in members.items()}
            self._logger.log(20, sentence(message % (value,)), extra=safe, stacklevel=2)

    @cached_property
    def _logger(self) -> logging.Logger:
        import logging

        return logging.getLogger(self.name)

    def _log(self, level: int, message: str, values: tuple[object, ...]) -> None:
        """`level` is the number of `logging.DEBUG` and so on."""
        if self._logger.isEnabledFor(level):
            self._logger.log(level, sentence(message % values), stacklevel=3)
