"""The budget of one image, and the deadline that every cost is compared with."""

from __future__ import annotations

import threading

import pytest

from imagesig.deadlines import deadline, until_set
from imagesig.effort import ALLOWANCE, Cost, one_image, spend
from imagesig.errors import BudgetExceeded, DeadlineExceeded


def test_a_cost_after_the_deadline_is_refused_with_and_without_a_budget() -> None:
    with deadline(-1), pytest.raises(DeadlineExceeded, match="list: the deadline passed"):
        spend(Cost.NODES, 0, "list")
    with one_image(), deadline(-1), pytest.raises(DeadlineExceeded):
        spend(Cost.NODES, 1, "list")


def test_a_cost_after_the_caller_cancelled_is_refused() -> None:
    stop = threading.Event()
    with until_set(stop):
        spend(Cost.NODES, 1, "list")
        stop.set()
        with pytest.raises(DeadlineExceeded, match="cancelled by the caller"):
            spend(Cost.NODES, 1, "list")


@pytest.mark.parametrize("cost", Cost)
def test_an_image_may_cost_its_allowance_and_a_refused_cost_leaves_it_as_it_is(cost: Cost) -> None:
    with one_image():
        spend(cost, ALLOWANCE[cost] - 1, "image")
        with pytest.raises(BudgetExceeded, match=f"more than {ALLOWANCE[cost]} {cost.value}"):
            spend(cost, 2, "image")
        with one_image():
            spend(cost, 1, "image")
        with pytest.raises(BudgetExceeded):
            spend(cost, 1, "image")
    spend(cost, ALLOWANCE[cost] + 1, "no image")
