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

    def info(self, message: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """`extra` becomes attributes of the record; its texts must be safe to print."""
        if "logging" in sys.modules:
            self._log(20, message, values, extra)

    @property
    def writes_info(self) -> bool:
        """Whether anything reads records of level INFO."""
        return "logging" in sys.modules and self._logger.isEnabledFor(20)

    def warning(self, message: str, *values: object) -> None:
        self._log(30, message, values)

    @cached_property
    def _logger(self) -> logging.Logger:
        import logging

        return logging.getLogger(self.name)

    def _log(
        self, level: int, message: str, values: tuple[object, ...], extra: Mapping[str, object] | None = None
    ) -> None:
        """`level` is the number of `logging.DEBUG` and so on."""
        if self._logger.isEnabledFor(level):
            self._logger.log(level, sentence(message % values), extra=extra, stacklevel=3)
