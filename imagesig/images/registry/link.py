"""`Link` headers: the URL of the next page of a list. Pure.

Spec: RFC 8288 sections 3 and 3.3, with the leniency of its appendix B.3 for blanks and empty members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagesig.errors import UnexpectedResponse
from imagesig.patterns import regex
from imagesig.text import quote

_CHARACTERS = 64 * 1024
_BLANK = regex(r"[ \t]*+")
_BETWEEN = regex(r"[ \t,]*+")
_TARGET = regex(r"<([^<>\"\s]*+)>")
_NAME = regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]++")
_QUOTED = regex(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_BARE = regex(r"[^\s\",;<>\\]++")
_ESCAPED = regex(r"\\(.)", re.DOTALL)


def next_page(header: str, what: str) -> str:
    """The URL of the next page, absolute or relative; empty if there is no next page.

    `header` may be several headers, joined with commas.

    Raises:
        UnexpectedResponse: not a Link header, or one with several next pages.
    """
    if len(header) > _CHARACTERS:
        raise UnexpectedResponse(f"{what}: a Link header of {len(header)} characters, at most {_CHARACTERS} are read")
    found = [target for target, relations in _links(header, what) if "next" in relations]
    if len(set(found)) > 1:
        raise UnexpectedResponse(f"{what}: its Link header has {len(found)} next pages")
    if found and not found[0]:
        raise UnexpectedResponse(f"{what}: its Link header has an empty URL for the next page")
    return found[0] if found else ""


def _links(header: str, what: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each target with its relations, in lower case because they are case-insensitive."""
    at = _after(_BETWEEN, header, 0)
    while at < len(header):
        target = _TARGET.match(header, at)
        if target is None:
            raise _malformed(header, what, "a target in angle brackets is needed")
        parameters, at = _parameters(header, target.end(), what)
        yield target[1], frozenset(parameters.get("rel", "").lower().split())
        if at < len(header) and header[at] != ",":
            raise _malformed(header, what, "a comma is needed between two links")
        at = _after(_BETWEEN, header, at)


def _parameters(header: str, at: int, what: str) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while True:
        at = _after(_BLANK, header, at)
        if not header.startswith(";", at):
            return found, at
        at = _after(_BLANK, header, at + 1)
        if at == len(header) or header[at] in ";,":
            continue
        name = _NAME.match(header, at)
        if name is None:
            raise _malformed(header, what, "a parameter's name is needed")
        at = _after(_BLANK, header, name.end())
        value = ""
        if header.startswith("=", at):
            at = _after(_BLANK, header, at + 1)
            match = _QUOTED.match(header, at) or _BARE.match(header, at)
            if match is None:
                raise _malformed(header, what, f"a value is needed for {quote(name[0])}")
            value = _ESCAPED.sub(r"\1", match[1]) if header[at] == '"' else match[0]
            at = match.end()
        found.setdefault(name[0].lower(), value)  # the first of several is used


def _after(pattern: re.Pattern[str], header: str, at: int) -> int:
    match = pattern.match(header, at)
    return match.end() if match else at


def _malformed(header: str, what: str, why: str) -> UnexpectedResponse:
    return UnexpectedResponse(f"{what}: Link {quote(header)}: {why}")
