"""Errors that are kept as values."""

from __future__ import annotations

from typing import get_args

import pytest

from imagesig.errors import (
    ExitStatus,
    ImageNotFound,
    InvalidArgument,
    Label,
    MalformedError,
    NoSignatures,
    Rejection,
    SignatureInvalid,
    VerificationError,
)


def _raised() -> MalformedError:
    try:
        try:
            raise ValueError("cause")
        except ValueError as cause:
            raise MalformedError("effect") from cause
    except MalformedError as error:
        return error


def test_an_error_that_is_kept_drops_the_frames_of_itself_and_its_causes() -> None:
    error = _raised()
    assert error.__traceback__ is not None
    assert error.without_frames() is error
    assert error.__traceback__ is None
    assert error.__cause__ is not None
    assert error.__cause__.__traceback__ is None


def test_a_rejection_keeps_no_frames() -> None:
    assert Rejection("layer 0", _raised()).error.__traceback__ is None


def test_causes_in_a_circle_do_not_loop_forever() -> None:
    first, second = _raised(), _raised()
    first.__cause__, second.__cause__ = second, first
    assert first.without_frames().__cause__ is second


def test_a_kind_of_verification_error_cannot_forget_what_it_means_for_the_command() -> None:
    with pytest.raises(TypeError, match="summary"):
        type("TooOld", (VerificationError,), {}, status=12, label="refused")


def test_every_kind_of_verification_error_has_a_known_status_and_label() -> None:
    for kind in VerificationError.__subclasses__():
        assert kind.exit_status in get_args(ExitStatus)
        assert kind.label in get_args(Label)


def test_an_error_has_the_status_and_label_of_its_kind() -> None:
    assert (NoSignatures("none").exit_status, NoSignatures.label) == (10, "unsigned")
    assert (ImageNotFound("none").exit_status, ImageNotFound.label) == (11, "not found")
    assert (InvalidArgument("no").exit_status, InvalidArgument.label) == (2, "failed")
    assert (SignatureInvalid("no").exit_status, SignatureInvalid.label) == (1, "failed")
