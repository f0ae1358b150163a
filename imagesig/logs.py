"""Loggers whose records are single lines, safe to print: much of what they say comes from registries and artefacts."""

from __future__ import annotations

import logging

from imagesig.text import printable


def logger_named(name: str) -> logging.Logger:
    """The logger of that name; what it is told goes through `printable` before any handler sees it."""
    logger = logging.getLogger(name)
    if not any(isinstance(item, _Printable) for item in logger.filters):
        logger.addFilter(_Printable())
    return logger


class _Printable(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), ()
        return True
