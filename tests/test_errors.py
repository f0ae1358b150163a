"""Errors that are kept as values."""

from __future__ import annotations

from imagesig.errors import MalformedError, Rejection


def _raised() -> MalformedError:
    try:
        try:
            raise ValueError("cause")
        except ValueError as cause:
            raise MalformedError("effect") from cause
    except MalformedError as error:
        return error


def test_an_error_that_is_kept_forgets_the_frames_of_itself_and_its_causes() -> None:
    error = _raised()
    assert error.__traceback__ is not None
    assert error.without_frames() is error
    assert error.__traceback__ is None
    assert error.__cause__ is not None
    assert error.__cause__.__traceback__ is None


def test_a_rejection_keeps_no_frames() -> None:
    assert Rejection("layer 0", _raised()).error.__traceback__ is None


def test_causes_in_a_circle_are_no_endless_loop() -> None:
    first, second = _raised(), _raised()
    first.__cause__, second.__cause__ = second, first
    assert first.without_frames().__cause__ is second
