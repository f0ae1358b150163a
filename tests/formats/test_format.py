"""What the formats share."""

from __future__ import annotations

import base64

import pytest

from imagesig.errors import FormatViolation
from imagesig.formats.format import decode_base64


@pytest.mark.parametrize("length", range(7))
def test_base64_is_read(length: int) -> None:
    assert decode_base64(base64.b64encode(b"\xff" * length).decode(), "x") == b"\xff" * length


@pytest.mark.parametrize("length", range(1, 7))
@pytest.mark.parametrize("change", ["{}\n", " {}", "{}=", "{}==", "{}====", "={}", "{}\x00", "{}A"])
def test_base64_with_anything_around_it_is_refused_whatever_its_length(change: str, length: int) -> None:
    with pytest.raises(FormatViolation, match="not standard base64"):
        decode_base64(change.format(base64.b64encode(b"\xff" * length).decode()), "x")


@pytest.mark.parametrize("text", ["AB==", "AAB=", "A", "AA", "AAA", "-_-_", "AA\u00e4=", "\ud800AAA"])
def test_a_second_text_for_the_same_bytes_is_refused(text: str) -> None:
    with pytest.raises(FormatViolation):
        decode_base64(text, "x")
