"""The one door through which the command speaks to people: no other module of it writes to stdout or stderr.

A line is untrusted whatever it says: it goes through `imagesig.text.printable`, so that it is one line on the terminal,
moves no cursor, hides nothing, and can be written whatever the terminal's encoding is. A document (JSON, SARIF, JUnit,
PEM) was made by an encoder and is written as it is.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

import click

from imagesig.text import holds_key, printable, sentence

_CLEAR_LINE = "\r\x1b[K"


def say(*lines: str, flush: bool = True) -> None:
    """Each text is one line on stdout. `flush=False` leaves them in the buffer, which saves a system call."""
    _write(sys.stdout, "".join(f"{printable(line)}\n" for line in lines))
    if flush:
        _flush(sys.stdout)


def say_marked(mark: str, line: str, *, color: str = "", bold: bool = False) -> None:
    """One line on stdout that starts with a mark in color, on a terminal that shows any."""
    shown = printable(mark)
    if sys.stdout is not None and sys.stdout.isatty():
        shown = click.style(shown, fg=color or None, bold=bold or None)
    _write(sys.stdout, f"{shown}{printable(line)}\n")
    _flush(sys.stdout)


def note(*lines: str) -> None:
    """Each text is one line on stderr: an error, a warning, a hint. What may be a private key is not shown."""
    _write(sys.stderr, "".join(f"{sentence(line)}\n" for line in lines))
    _flush(sys.stderr)


def document(text: str, *, flush: bool = True) -> None:
    """Text on stdout that a machine reads, or a part of it, as it is: in UTF-8, whatever the terminal's encoding is."""
    if text.isascii():
        _write(sys.stdout, text)
        if flush:
            _flush(sys.stdout)
    else:
        file(text.encode("utf-8", "backslashreplace"))


def file(content: bytes) -> None:
    """The bytes of a file on stdout, as they are."""
    if sys.stdout is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


def status(text: str) -> None:
    """A line on stderr that the next one replaces; an empty text takes it away."""
    _write(sys.stderr, _CLEAR_LINE + printable(text))
    _flush(sys.stderr)


def end_status() -> None:
    """Leaves the last status where it is; what follows starts on a new line."""
    _write(sys.stderr, "\n")
    _flush(sys.stderr)


def has_status() -> bool:
    """Whether anybody sees a status: stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def note_at_once(line: str) -> None:
    """A line on stderr from a signal handler, which must not wait for a lock."""
    if sys.stderr is not None:
        os.write(2, f"\n{printable(line)}\n".encode("ascii", "backslashreplace"))


def note_usage(error: click.ClickException) -> None:
    """What click says of an error in how the command was called; what was typed may be in it, but no private key."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        note(*context.get_usage().splitlines())
        note(f"Try '{context.command_path} {context.help_option_names[-1]}' for help.", "")
    message = error.format_message()
    if holds_key(message):
        message = "what was typed holds a key, where the name of one, an option or an image is needed; it is not shown"
    note(f"Error: {' '.join(message.split())}")


def prepare() -> None:
    """Lets click's own texts, such as its help, be written in any encoding."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # None, or a stream of somebody who calls us
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def finish() -> None:
    """Writes what is buffered. Raises `OSError` if that cannot be."""
    _flush(sys.stdout)


def give_up() -> None:
    """What is still buffered is lost: the interpreter must not try to write it again when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _write(stream: TextIO | None, text: str) -> None:
    """Python has no stream where the caller closed it; nobody reads then."""
    if stream is None:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def _flush(stream: TextIO | None) -> None:
    if stream is not None:
        stream.flush()
