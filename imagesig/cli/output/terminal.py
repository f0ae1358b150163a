"""Everything that the command writes to stdout and stderr: no other module of `cli` writes there.

Every line is treated as untrusted. It goes through `imagesig.text.printable`, so it stays one line, moves no cursor,
hides nothing, and can be written in the terminal's encoding. A document (JSON, SARIF, JUnit, PEM) comes from an encoder
and is written unchanged. A file that others wrote is unchanged too, except on a terminal.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TextIO

import click

from imagesig.errors import InvalidArgument
from imagesig.text import holds_key, printable, sentence, visible

_CLEAR_LINE = "\r\x1b[K"


def say(*lines: str, flush: bool = True) -> None:
    """Writes each text as one line to stdout. `flush=False` leaves them in the buffer."""
    _write(sys.stdout, "".join(f"{printable(line)}\n" for line in lines))
    if flush:
        _flush(sys.stdout)


def say_marked(mark: str, line: str, *, color: str = "", bold: bool = False) -> None:
    """Writes one line to stdout. On a terminal, the mark at its start is in color."""
    shown = printable(mark)
    if sys.stdout is not None and sys.stdout.isatty():
        shown = click.style(shown, fg=color or None, bold=bold or None)
    _write(sys.stdout, f"{shown}{printable(line)}\n")
    _flush(sys.stdout)


def note(*lines: str) -> None:
    """Writes each text as one line to stderr: an error, a warning, a hint. Text that may be a private key is hidden."""
    _write(sys.stderr, "".join(f"{sentence(line)}\n" for line in lines))
    _flush(sys.stderr)


def ask(question: str, *, hint: str) -> None:
    """Asks a question on stderr. The command ends unless the answer is yes.

    Raises:
        InvalidArgument: nobody answered. `hint` says how to do it without the question.
    """
    agreed = None
    if sys.stdin is not None:
        try:
            agreed = click.confirm(sentence(question), err=True)
        except click.Abort as ended:
            if isinstance(ended.__context__, KeyboardInterrupt):
                raise
    if agreed is None:
        raise InvalidArgument(f"{question} nobody answered, yes is needed", hint=hint)
    if not agreed:
        note("the answer was not yes: nothing was changed")
        raise click.exceptions.Exit(1)


def document(text: str, *, flush: bool = True) -> None:
    """Writes text for programs, or a part of it, to stdout unchanged: in UTF-8, in every locale."""
    if text.isascii():
        _write(sys.stdout, text)
        if flush:
            _flush(sys.stdout)
    else:
        file(text.encode("utf-8", "backslashreplace"))


def file(content: bytes) -> None:
    """Writes the bytes of a file to stdout: unchanged, but to a terminal with its control characters escaped."""
    if sys.stdout is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(_for_terminal(content, sys.stdout.encoding) if sys.stdout.isatty() else content)
        sys.stdout.flush()


def _for_terminal(content: bytes, encoding: str) -> bytes:
    text = content.decode("utf-8", "backslashreplace")
    lines = ("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))
    # In another encoding than UTF-8, parts of its characters would be controls.
    return "\n".join(lines).encode(encoding, "backslashreplace")


def status(text: str) -> None:
    """Writes a line to stderr that the next status replaces. An empty text removes it."""
    _write(sys.stderr, _CLEAR_LINE + printable(text))
    _flush(sys.stderr)


def end_status() -> None:
    """Keeps the last status on the screen: the next text starts on a new line."""
    _write(sys.stderr, "\n")
    _flush(sys.stderr)


def has_status() -> bool:
    """Whether stderr is a terminal, so that a status can be seen."""
    return sys.stderr is not None and sys.stderr.isatty()


def note_at_once(line: str) -> None:
    """Writes a line to stderr from a signal handler, which must not wait for a lock."""
    if sys.stderr is not None:
        os.write(2, f"\n{printable(line)}\n".encode("ascii", "backslashreplace"))


def note_usage(error: click.ClickException) -> None:
    """Writes click's message about wrong usage."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # the message is the help
        note(*error.format_message().splitlines())
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        note(*context.get_usage().splitlines())
        note(f"Try '{context.command_path} {context.help_option_names[-1]}' for help.", "")
    note(f"Error: {usage_text(error)}")


def usage_text(error: click.ClickException) -> str:
    """Click's message in one line. It may repeat what was typed, but never a private key."""
    message = error.format_message()
    if holds_key(message):
        return "a key was typed where a file name, an option or an image is needed; it is not shown"
    return " ".join(message.split())


def prepare() -> None:
    """Makes every encoding able to write click's own texts, such as the help, and warnings of other packages a line."""
    warnings.showwarning = _note_warning  # type: ignore[assignment]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # None, or a stream that the caller put there
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _note_warning(message: Warning | str, category: type[Warning], *_where: object) -> None:
    """Certificates of others can cause such warnings, so they are written as every other line, without our paths."""
    note(f"warning: {category.__name__}: {message}")


def finish() -> None:
    """Writes what is buffered. Raises `OSError` if that fails."""
    _flush(sys.stdout)


def end_at_once(status: int) -> None:
    """Ends the process once its output is written; returns if it cannot be written."""
    try:
        _flush(sys.stdout)
        _flush(sys.stderr)
    except OSError:
        return
    os._exit(status)  # speed: the interpreter takes 5 ms to end (benchmarks/test_cli.py)


def give_up() -> None:
    """Discards what is buffered, so that the interpreter does not try to write it again when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _write(stream: TextIO | None, text: str) -> None:
    """Does nothing if the caller closed the stream: Python has None there."""
    if stream is None:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def _flush(stream: TextIO | None) -> None:
    if stream is not None:
        stream.flush()
