"""Our reader of image references beside github.com/distribution/reference: both read alike, or ours refuses."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument
from imagesig.oci.reference import parse_reference
from tests.differential.readers import DOCUMENTS, EXAMPLES, Answer, Conversation, ask

pytestmark = pytest.mark.interop

_PIECES = [
    *("", "docker.io", "index.docker.io", "localhost", "LOCALHOST", "example.com", "Example.com", "ghcr.io", "host"),
    *(
        "127.0.0.1",
        "[::1]",
        "[fe80::1%25en0]",
        "::1",
        "xn--bcher-kva.de",
        "b\u00fccher.de",
        "a_b.c",
        "-a.b",
        "a-.b",
        "a..b",
    ),
    *("library", "app", "App", "team", "a__b", "a___b", "a.b", "a--b", "a-", "-a", "_a", "a_", ".a", "a.", "sha256"),
    *("latest", "1.0", "v1.0.0-rc.1", "_x", "-x", ".x", "a" * 128, "a" * 129, "a" * 250, "x+y", "5000", "0", "65536"),
    *("sha256:" + "ab" * 32, "sha256:" + "AB" * 32, "sha512:" + "ab" * 64, "md5:" + "a" * 32, "ab" * 32, "AB" * 32),
    *("\u017f", "\u212a", "\u0131", "\u0000", " ", "\n", "%2f", "..", "/", ":", "@", "\U0001f600", "\u2044", "\uff0f"),
]
_BETWEEN = ["/", "/", "/", ":", ":", "@", "", ".", "//", ":/", "@@", "-", "_"]


def make_reference(random: Random) -> str:
    """A text that is or resembles a reference."""
    parts = [random.choice(_PIECES)]
    for _ in range(random.randrange(5)):
        parts += [random.choice(_BETWEEN), random.choice(_PIECES)]
    text = "".join(parts)
    if text and random.random() < 0.2:
        at = random.randrange(len(text))
        text = text[:at] + random.choice("aZ0./:@-_ \n\u00e9") + text[at + random.randrange(2) :]
    return text


def check(text: str, answer: Answer) -> bool:
    """Whether ours reads it; if so, Go reads the same."""
    try:
        mine = parse_reference(text)
    except InvalidArgument:
        return False
    assert not answer.refused, (text, answer.error)
    found = {"domain": mine.domain, "path": mine.path, "tag": mine.tag, "digest": mine.digest}
    assert found == answer.value, text
    assert parse_reference(str(mine)) == mine
    return True


@pytest.fixture(scope="module")
def go() -> Iterator[Conversation]:
    with Conversation("reference") as conversation:
        yield conversation


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_texts_of_hypothesis_are_read_as_go_reads_them_or_refused(go: Conversation, random: Random) -> None:
    text = make_reference(random)
    check(text, go.ask(text.encode()))


def test_generated_texts_are_read_as_go_reads_them_or_refused() -> None:
    random = Random(2026)
    texts = [make_reference(random) for _ in range(DOCUMENTS)]
    read = sum(
        check(text, answer)
        for text, (_, answer) in zip(texts, ask("reference", [text.encode() for text in texts]), strict=True)
    )
    assert read > DOCUMENTS / 50
