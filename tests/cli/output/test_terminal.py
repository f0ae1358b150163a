"""The door through which the command speaks, and that nobody goes round it."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest

import imagesig
from imagesig.cli.output import terminal

PACKAGE = Path(imagesig.__file__).parent
DOORS = {
    "cli/output/terminal.py": "the door itself",
    "cli/docker_plugin.py": "docker asks what the plugin is, and reads JSON; nothing else is loaded for that",
    "plugins/streams.py": "write_all: answers of plugins, which are JSON",
}
"""Modules that write to a stream, each with its reason."""
_STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
_ECHOES = {"echo", "secho", "print", "style", "echo_via_pager", "confirm", "progressbar", "show", "pprint"}


def ways_out(source: str) -> list[str]:
    """Each place of a module that writes to a stream of the process, or hands one on."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _STREAMS:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            of_click = isinstance(owner, ast.Name) and owner.id == "click"
            if called in _ECHOES and (of_click or (owner is not None if called == "show" else owner is None)):
                found.append(f"{node.lineno}: {called}()")
            if called in {"write", "fdopen"} and isinstance(owner, ast.Name) and owner.id == "os":
                found.append(f"{node.lineno}: os.{called}()")
        if isinstance(node, ast.ImportFrom) and node.module in {"click", "sys"}:
            taken = {*_ECHOES, "stdout", "stderr"} & {name.name for name in node.names}
            found += [f"{node.lineno}: {name}" for name in taken]
    return found


MODULES = sorted([*PACKAGE.glob("cli/**/*.py"), *PACKAGE.glob("plugins/*.py")])
OTHERS = sorted(path for path in {*PACKAGE.rglob("*.py")} - {*MODULES} if "testing" not in path.parts)


def test_the_library_writes_to_no_stream() -> None:
    for path in OTHERS:
        found = [way for way in ways_out(path.read_text("utf-8")) if "os." not in way]  # its files and pipes
        assert not found, f"{path}: {found}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_terminal_writes_to_a_stream(module: Path) -> None:
    name = str(module.relative_to(PACKAGE))
    found = ways_out(module.read_text("utf-8"))
    assert bool(found) == (name in DOORS), f"{name} writes past cli/terminal.py: {found}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_one_kind_of_option_takes_a_path(module: Path) -> None:
    """`click.Path` would show a private key that was given as the path of one."""
    uses = [
        node.lineno
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"Path", "File"}
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "click"
    ]
    assert not uses


@pytest.mark.parametrize(
    "source",
    [
        "import click\nclick.echo('x')",
        "from click import echo\necho('x')",
        "print('x')",
        "import sys\nsys.stdout.write('x')",
        "import sys\nout = sys.stderr",
        "import os\nos.write(1, b'x')",
        "error.show()",
    ],
)
def test_another_way_to_write_is_noticed(source: str) -> None:
    assert ways_out(source)


class _Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str, *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    @property
    def written(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "text", ["a\nb", "\r\x1b[2J", "\ud800", "caf\u00e9 \u65e5", "\u202e\u200b\u3164", "x" * 100_000]
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252", "utf-16"])
def test_a_line_is_one_line_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str, text: str) -> None:
    out = _Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.say(text)
    shown = out.written.decode(out.encoding)
    assert shown.count("\n") == 1
    assert shown.removesuffix("\n").isprintable()
    assert len(shown) < 100_000


def test_each_text_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Terminal("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    terminal.say("a", "b\nc", flush=False)
    terminal.finish()
    assert out.written.decode(out.encoding).split("\n") == ["a", "b\\nc", ""]


def test_a_document_is_in_utf_8_on_every_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("utf-8", "ascii", "latin-1"):
        stream = _Terminal(encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        terminal.document('{"a": 1}\n')
        terminal.document("caf\u00e9\n")
        terminal.file(b"\xff\x00")
        assert stream.written == b'{"a": 1}\ncaf\xc3\xa9\n\xff\x00'


HOSTILE = '{"a":\t"\x1b[2J\x9b2J\u202e\u96db\r\x08"}\n'.encode() + b"\xff\x9b\n"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_a_file_of_others_moves_no_cursor_of_a_terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = _Terminal(encoding, tty=True)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.file(HOSTILE)
    shown = out.written.decode(encoding)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert shown.startswith('{"a":\t"\\x1b[2J')
    assert shown.count("\n") == 2


def test_a_file_of_others_is_unchanged_unless_it_goes_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Terminal("utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    terminal.file(HOSTILE)
    assert out.written == HOSTILE


def test_a_stream_that_the_caller_closed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    terminal.say("a")
    terminal.say_marked("a", "b", color="red")
    terminal.note("a")
    terminal.document("\u00e9")
    terminal.file(b"a")
    terminal.note_at_once("a")
    terminal.status("a")
    terminal.prepare()
    terminal.finish()
    assert not terminal.has_status()


@pytest.mark.parametrize("tty", [True, False])
def test_a_mark_is_in_color_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch, tty: bool) -> None:
    stream = _Terminal("utf-8", tty=tty)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.say_marked("ok\x1b[31m", " \x1b[2Jx", color="green")
    assert (b"\x1b[32m" in stream.written) == tty
    assert b"\x1b[31m" not in stream.written
    assert b"\x1b[2J" not in stream.written


def test_a_note_shows_no_private_key(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Terminal("utf-8")
    monkeypatch.setattr(sys, "stderr", stream)
    terminal.note("error: -----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----: no such file")
    assert b"MIGH" not in stream.written
    assert b"no such file" in stream.written
