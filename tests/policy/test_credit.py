"""One signer for each authority and no signer for two, as many authorities as that allows; and never slowly."""

from __future__ import annotations

import random
import time
from itertools import permutations

from imagesig.policy.credit import credit


def test_a_signer_that_fits_two_authorities_is_credited_to_the_one_without_another_signer() -> None:
    assert credit({"x": ["a", "b"], "y": ["a"]}) == {"x": "b", "y": "a"}
    assert credit({"y": ["a"], "x": ["a", "b"]}) == {"x": "b", "y": "a"}


def test_signers_are_reassigned_along_any_number_of_authorities() -> None:
    chain = {str(number): [number, number + 1] for number in range(2000)}
    assert len(credit(chain | {"last": [0]})) == 2001


def test_one_signer_is_credited_to_one_authority() -> None:
    assert len(credit({"x": ["a", "a"], "y": ["a"], "z": ["a"]})) == 1
    assert credit({"x": [], "y": []}) == credit({"x": []}) == credit({}) == {}
    assert credit({"x": ["a", "b"]}) == {"x": "a"}


def test_no_assignment_credits_more_authorities() -> None:
    chance = random.Random(7)
    for _ in range(300):
        fitting = {name: [key for key in "abcd" if chance.random() < 0.4] for name in "wxyz"}
        made = credit(fitting)
        assert len(set(made.values())) == len(made)
        assert all(signer in fitting[authority] for authority, signer in made.items())
        best = max(
            sum(signer in fitting[name] for name, signer in zip(fitting, order, strict=True))
            for order in permutations("abcd")
        )
        assert len(made) == best, fitting


def test_thousands_of_signers_are_credited_quickly() -> None:
    signers = list(range(2000))
    started = time.process_time()
    assert len(credit({str(number): signers for number in range(50)})) == 50
    assert time.process_time() - started < 1
