"""What the formats share."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from imagesig.errors import FormatViolation
from imagesig.formats.format import decode_base64, key_window_check
from imagesig.signature import EXPIRY
from imagesig.trust import TrustedKey, Window
from tests.makers import NOW, private_key


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


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("window", "passes"),
    [
        (Window(NOW - HOUR, None), True),
        (Window(None, NOW + HOUR), True),
        (Window(NOW, NOW), True),
        (Window(NOW + HOUR, None), False),
        (Window(None, NOW - HOUR), False),
        (Window(NOW - 2 * HOUR, NOW - HOUR), False),
    ],
    ids=str,
)
def test_a_key_counts_within_its_window(window: Window, passes: bool) -> None:
    assert window.contains(NOW) is passes
    (check,) = key_window_check(TrustedKey("key", (private_key().public_key,), window), NOW)
    assert (check.name, check.passed, check.failure is None) == (EXPIRY, passes, passes)


def test_a_key_without_a_window_has_no_check_of_it() -> None:
    assert key_window_check(TrustedKey("key", (private_key().public_key,)), NOW) == ()
