"""Pauses between attempts."""

from __future__ import annotations

import random

import pytest

from imagesig.deadlines import growing_pause, jitter


@pytest.mark.parametrize("attempt", range(1, 6))
def test_a_pause_doubles_with_each_attempt(attempt: int) -> None:
    least = 0.2 * 2 ** (attempt - 1)

    assert all(least <= growing_pause(attempt) <= 2 * least for _ in range(100))


def test_programs_with_the_same_seed_pause_differently_and_keep_their_random_numbers() -> None:
    seen = set()
    for _ in range(10):
        random.seed(7)
        before = random.getstate()
        seen.add((growing_pause(1), jitter(1.0)))
        assert random.getstate() == before

    assert len(seen) == 10


def test_jitter_spreads_over_its_whole_range() -> None:
    values = [jitter(8.0) for _ in range(1000)]

    assert 0 <= min(values) < 1
    assert 7 < max(values) <= 8
