"""Extended headers of a tar: one name and one size at most, and nothing that readers read differently."""

from __future__ import annotations

import pytest

from imagesig.errors import MalformedError
from imagesig.images.archive.pax import Extended, parse_extended, parse_global
from tests.differential.tars import record


def test_name_and_size_are_read_and_other_records_are_ignored() -> None:
    text = (
        record(b"mtime", b"1.5") + record(b"path", b"a/b") + record(b"SCHILY.xattr.a", b"x\0") + record(b"size", b"12")
    )
    assert parse_extended(text, "test") == Extended(b"a/b", 12)


@pytest.mark.parametrize(
    "text",
    [
        record(b"path", b"a") + record(b"path", b"a"),
        record(b"mtime", b"1") * 2,
        record(b"path", b""),
        record(b"path", b"a\0b"),
        record(b"size", b"-1"),
        record(b"size", b"01"),
        record(b"size", b"+1"),
        record(b"size", b""),
        record(b"uid", b"x"),
        record(b"mtime", b"now"),
        record(b"linkpath", b"a"),
        record(b"hdrcharset", b"BINARY"),
        record(b"GNU.sparse.name", b"a"),
        record(b"SCHILY.realsize", b"1"),
        record(b"", b"a"),
        record(b"a\0", b"a"),
        b"0" + record(b"path", b"a"),
        b"+" + record(b"path", b"a"),
        record(b"path", b"a")[:-1],
        record(b"path", b"a") + b"\0",
    ],
)
def test_a_record_that_readers_read_differently_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_extended(text, "test")


def test_a_global_header_may_hold_a_comment_alone() -> None:
    parse_global(record(b"comment", b"commit"), b"pax_global_header", "test")
    for text, name in [(record(b"path", b"a"), b"pax_global_header"), (record(b"comment", b"a"), b"index.json")]:
        with pytest.raises(MalformedError, match="global"):
            parse_global(text, name, "test")
