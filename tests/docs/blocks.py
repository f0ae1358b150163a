"""The code blocks of a page, in order: fences of Markdown, `code-block` directives and `::` blocks of reST.

A data block names its file: by `:caption:` in reST, by `<!-- file: NAME -->` in Markdown. A block that cannot run has
a comment in front of it, `.. not run: REASON` or `<!-- not run: REASON -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.abstract.lexers import BlockLexer
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.parsers.rest.lexers import END_PATTERN_TEMPLATE, DirectiveLexer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.rst"))]

SHELL = frozenset({"shell", "console"})
DATA = frozenset({"json", "toml", "yaml", "ini", "text"})
RUNNABLE = SHELL | DATA | {"python"}

# Sybil knows directives and fences, but not the plain literal block of reST.
_LITERAL = BlockLexer(re.compile(r"^(?P<prefix>[ \t]*)(?!\.\.\s)[^\n]*::[ \t]*\n", re.MULTILINE), END_PATTERN_TEMPLATE)
_LEXERS = {
    ".rst": (DirectiveLexer("code-block", r"[\w-]+"), _LITERAL),
    ".md": (FencedCodeBlockLexer(r"[\w-]*"),),
}
_COMMENT = re.compile(r"(?:\.\.|<!--) (?P<kind>not run|file):(?P<text>[^\n]*?)(?: *-->)?\s*\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of `page`: `line` is that of its first line of code."""

    page: Path
    line: int
    language: str
    source: str
    file: str = ""
    not_run: str | None = None
    """The reason; None: the block runs."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language or 'no language'})"


def blocks(page: Path) -> list[Block]:
    document = Document(page.read_text(encoding="utf-8"), str(page))
    for lexer in _LEXERS[page.suffix]:
        for region in lexer(document):
            document.add(region)
    return [_block(page, document, region) for _, region in document.regions]


def page_name(page: Path) -> str:
    """Such as `howto/vault`."""
    return str(page.relative_to(ROOT).with_suffix("")).removeprefix("docs/")


def _block(page: Path, document: Document, region: Region) -> Block:
    lexemes = region.lexemes
    source = lexemes["source"].strip_leading_newlines()
    line = document.text.count("\n", 0, region.start) + 2 + source.line_offset
    comment = _COMMENT.search(document.text[: region.start].rstrip())
    marks = {comment["kind"]: comment["text"].strip()} if comment else {}
    literal = "directive" not in lexemes and page.suffix == ".rst"
    return Block(
        page,
        line,
        "shell" if literal else lexemes.get("arguments") or lexemes.get("language") or "",
        source.rstrip("\n") + "\n",
        marks.get("file") or lexemes.get("options", {}).get("caption", ""),
        marks.get("not run"),
    )
