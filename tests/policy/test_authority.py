"""Keys that are one signer: what they are called, and when they are valid."""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagesig.policy.authority import distinct_keys
from imagesig.trust import TrustedKey, Window
from tests.makers import NOW, private_key

ONE, TWO, THREE = (private_key(number=number).public_key for number in (1, 2, 3))
DAYS = [NOW + timedelta(days=number) for number in range(5)]


def test_keys_that_share_none_stay_apart() -> None:
    keys = (TrustedKey("a", (ONE,)), TrustedKey("b", (TWO, THREE)))
    assert distinct_keys(keys) == keys


def test_keys_that_share_one_are_one_signer_also_through_a_third() -> None:
    joined = distinct_keys((TrustedKey("a", (ONE,)), TrustedKey("b", (TWO,)), TrustedKey("c", (ONE, TWO, THREE))))
    assert joined == (TrustedKey("a", (ONE, TWO, THREE)),)


@pytest.mark.parametrize(
    ("windows", "joined"),
    [
        ([Window(DAYS[0], DAYS[3]), Window(DAYS[1], DAYS[2])], Window(DAYS[1], DAYS[2])),
        ([Window(DAYS[1], DAYS[2]), Window(DAYS[0], DAYS[3])], Window(DAYS[1], DAYS[2])),
        ([Window(DAYS[0], DAYS[2]), Window(DAYS[1], DAYS[3])], Window(DAYS[1], DAYS[2])),
        ([Window(None, DAYS[2]), Window(DAYS[1], None)], Window(DAYS[1], DAYS[2])),
        ([Window(None, None), Window(None, DAYS[2])], Window(None, DAYS[2])),
    ],
)
def test_a_joined_key_is_valid_while_all_of_its_windows_are(windows: list[Window], joined: Window) -> None:
    keys = [TrustedKey(f"key {number}", (ONE,), window) for number, window in enumerate(windows)]
    assert distinct_keys(keys) == (TrustedKey("key 0", (ONE,), joined),)
