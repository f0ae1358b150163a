"""Loggers whose records are single lines and safe to print, though parts come from registries and artefacts."""

from __future__ import annotations

import logging

from imagesig.text import sentence


def logger_named(name: str) -> logging.Logger:
    """The logger of that name. Every message goes through `sentence` before a handler sees it."""
    logger = logging.getLogger(name)
    if not any(isinstance(item, _Printable) for item in logger.filters):
        logger.addFilter(_Printable())
    return logger


class _Printable(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = sentence(record.getMessage()), ()
        return True
