"""Addresses are split in one place, and what it splits is what every other parser sees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import imagesig
from imagesig.errors import InvalidArgument, UnexpectedResponse
from imagesig.url import URL_CHARACTERS, is_loopback, join_url, parse_url, redact, served_url

PACKAGE = Path(imagesig.__file__).parent
SPLITTERS = frozenset({"urlsplit", "urlparse", "urljoin", "urlunsplit", "urlunparse", "urldefrag"})
SPLITTERS |= {"SplitResult", "ParseResult"}


def splitters(source: str) -> set[str]:
    """What a module uses of `urllib.parse` to take URLs apart."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "urllib.parse":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "urllib":
            names |= SPLITTERS & {"urlsplit"}  # the module itself: then anything of it may be used
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Import) and any(alias.name.startswith("urllib3.util") for alias in node.names):
            names.add("urlparse")
    return names & SPLITTERS


def test_urls_are_split_in_one_module() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if splitters(path.read_text(encoding="utf-8"))
    }
    assert found == {"url.py"}


@pytest.mark.parametrize(
    "source",
    ["from urllib.parse import urljoin", "import urllib.parse\nurllib.parse.urlsplit('')", "from urllib import parse"],
)
def test_a_second_splitter_would_be_seen(source: str) -> None:
    assert splitters(source)


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("http://h", "h", 80, "/"),
        ("HTTPS://Reg.Example:5000/v2/?a=b#c", "reg.example", 5000, "/v2/?a=b"),
        ("http://[2001:DB8::1]:81/x", "2001:db8::1", 81, "/x"),
        ("http://a_b.c:/", "a_b.c", 80, "/"),
        ("http://h./", "h.", 80, "/"),
        ("http://u:p@h/x", "h", 80, "/x"),
    ],
)
def test_the_parts_of_an_address(text: str, host: str, port: int, target: str) -> None:
    url = parse_url(text)
    assert (url.host, url.port, url.target, url.has_login) == (host, port, target, "@" in text)
    assert parse_url(str(url)).origin == url.origin


@pytest.mark.parametrize(
    "text",
    [
        "", "h", "//h/", "http:h", "http:/h", "http://", "http:///x", "ftp://h/", "http://[", "http://]/", "http://[::g]/",
        "http://[::1%25eth0]/", "http://[v1.x]/", "http://a[::1]/", "http://[::1]a:80/", "http://[::1][::2]/",
        "http://h:x/", "http://h:-1/", "http://h:65536/", "http://h:0/", "http://h:\u0663/", f"http://h:{'9' * 5000}/",
        "http://h h/", "http://h\t/", "http://h/\n", "http://h/\x00", "http://h/\x7f", "http://h\\@e/", "http://h/\u20ac",
        "http://\u2460.0.0.1/", "http://127\uff0e0.0.1/", "http://h<x>/", "http://.h/", "http://-/", "http://%31/",
        "http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://0177.0.0.1/", "http://1.2.3.4./",
        "http://1.2.3.256/", "http://1.2.3.0x4/", f"http://h/{'x' * URL_CHARACTERS}",
    ],
)  # fmt: skip
def test_what_two_parsers_may_read_differently_is_no_address(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_url(text)


@pytest.mark.parametrize(
    ("reference", "joined"),
    [
        ("/b?c", "https://h:81/b?c"),
        ("b", "https://h:81/a/b"),
        ("../b", "https://h:81/b"),
        ("?q", "https://h:81/a/x?q"),
        ("//o/b", "https://o/b"),
        ("https://o/b", "https://o/b"),
    ],
)
def test_a_reference_is_joined(reference: str, joined: str) -> None:
    assert join_url("https://h:81/a/x", reference) == joined


@pytest.mark.parametrize("reference", ["https:///x", "https:x", "//", "///x", "\thttps://o/", "ht\ntps://o/", "x y"])
def test_a_reference_with_a_scheme_or_slashes_but_no_host_is_refused(reference: str) -> None:
    with pytest.raises(InvalidArgument):
        join_url("https://h/a", reference)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("", "empty"),
        ("http://h/", "HTTPS to HTTP"),
        ("https://u:s3cret@o/", "a user or a password"),
        ("gopher://o/", "needed"),
        ("https://[", "cannot be read"),
    ],
)
def test_an_unusable_url_of_a_server_is_an_unexpected_response(reference: str, reason: str) -> None:
    with pytest.raises(UnexpectedResponse, match=reason) as refused:
        served_url("https://h/a", reference, "Location")
    assert "s3cret" not in str(refused.value)


def test_a_server_without_tls_may_name_one_without_tls() -> None:
    assert str(served_url("http://h/a", "http://o/b#c", "Location")) == "http://o/b"


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ('https://o/b?f="a b"', "https://o/b?f=%22a%20b%22"),
        ("/b?{a}|\\^`<>", "https://h/b?%7Ba%7D%7C%5C%5E%60%3C%3E"),
        ("?f=\xe9%20", "https://h/a?f=%E9%20"),
    ],
)
def test_a_query_is_escaped_where_a_server_has_not_done_it(reference: str, url: str) -> None:
    assert str(served_url("https://h/a", reference, "Location")) == url


@pytest.mark.parametrize(
    "reference", ["https://h o/?a", "https://o\\@e/?a", "/a b?c", "https:// ?@e/", "?a\x7f", "?a\n", "?\u20ac", "?\t"]
)
def test_only_printable_characters_of_queries_are_escaped(reference: str) -> None:
    with pytest.raises(UnexpectedResponse):
        served_url("https://h/a", reference, "Location")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.9.1", "::1", "::ffff:7f00:1"]
)
def test_loopback_is_an_address_or_localhost(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["127.evil.example", "127.0.0.1.evil.example", "127.1", "a.localhost", "localhost.x", "0.0.0.0", "::", ""],
)
def test_a_name_that_looks_like_loopback_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("secret", ["s3/cret", "s3#cret", "s3?cret", "s3@cret", "s3\ncret", "s3:cret", "s3\\cret"])
def test_a_password_is_taken_away_however_it_is_written(secret: str) -> None:
    for text in (f"https://me:{secret}@h:1/x?y#z", f"me:{secret}@h:1/x", f"//me:{secret}@h:1/x"):
        shown = redact(text)
        assert "cret" not in shown
        assert shown.endswith("h:1/x")
