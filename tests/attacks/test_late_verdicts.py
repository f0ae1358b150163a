"""A deadline that passes while a signature is read is no verdict: the image is neither refused nor unsigned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from imagesig import (
    Policy,
    Session,
    SigningKey,
    attest,
    explain,
    inspect,
    remove,
    sign,
    sign_blob,
    sign_many,
    verify,
    verify_attestation,
    verify_blob,
    verify_many,
)
from imagesig.deadlines import Stop, deadline, until_set
from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    SignatureInvalid,
)
from imagesig.formats.bundle import Bundle
from imagesig.formats.bundle_attestation import BundleAttestation
from imagesig.testing import InMemoryRegistry, MemoryProvider

SECONDS = 0.4
"""A deadline that passes in any case: the step that is late takes longer."""


@pytest.fixture
def image(key: SigningKey) -> Iterator[str]:
    with InMemoryRegistry() as server:
        name = server.add_image("team/app:1.0")
        sign(name, key, formats=["bundle"])
        attest(name, key, predicate_type="custom", predicate=b"{}", formats=["bundle"])
        yield name


@pytest.fixture(params=["parse", "authenticate"])
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the next signature take longer than the deadline. Its bytes are then taken for broken ones."""
    left = [0]
    for kind in (Bundle, BundleAttestation):
        real = getattr(kind, request.param)

        def late(self: object, *arguments: object, real: Callable[..., object] = real) -> object:
            if left[0]:
                left[0] -= 1
                time.sleep(SECONDS + 0.1)
                raise SignatureInvalid("what was read until now has no signature")
            return real(self, *arguments)

        monkeypatch.setattr(kind, request.param, late)
    return lambda: left.__setitem__(0, 1)


def test_verification_that_is_late_refuses_nothing(image: str, key: SigningKey, slow: Callable[[], None]) -> None:
    slow()
    with pytest.raises(DeadlineExceeded):
        verify(image, key, timeout=SECONDS)
    slow()
    with pytest.raises(DeadlineExceeded):
        verify_attestation(image, key, predicate_type="custom", timeout=SECONDS)
    slow()
    (outcome,) = verify_many([image], key, timeout=SECONDS)
    assert isinstance(outcome.error, DeadlineExceeded)


def test_a_session_forgets_a_verdict_that_was_late(image: str, key: SigningKey, slow: Callable[[], None]) -> None:
    with Session() as session:
        slow()
        with pytest.raises(DeadlineExceeded):
            session.verify(image, key, timeout=SECONDS)
        assert session.verify(image, key).verified


def test_an_explanation_that_is_late_says_that_nothing_is_known(
    image: str, key: SigningKey, slow: Callable[[], None]
) -> None:
    slow()
    (requirement,) = explain(image, Policy.any_of(key), timeout=SECONDS).requirements
    assert requirement.is_met is None


def test_an_inspection_that_is_late_shows_nothing_broken(image: str, slow: Callable[[], None]) -> None:
    slow()
    try:
        shown = inspect(image, timeout=SECONDS)
    except DeadlineExceeded:
        return
    assert not any(item.problem for item in (*shown.signatures, *shown.attestations))


def test_an_attestation_that_is_late_replaces_nothing_in_silence(
    image: str, key: SigningKey, slow: Callable[[], None]
) -> None:
    slow()
    with pytest.raises(DeadlineExceeded):
        attest(image, key, predicate_type="custom", predicate=b'{"new": 1}', replace=True, timeout=SECONDS)


def test_a_removal_that_is_late_does_not_say_that_the_key_signed_nothing(
    image: str, key: SigningKey, slow: Callable[[], None]
) -> None:
    slow()
    with pytest.raises(DeadlineExceeded):
        remove(image, key=key, timeout=SECONDS)
    assert len(remove(image, key=key).removed) == 1


def test_a_replacement_that_is_late_does_not_leave_the_old_signature_in_silence(
    key: SigningKey, slow: Callable[[], None]
) -> None:
    new, old = MemoryProvider().open(), key.info.public_key
    with InMemoryRegistry() as server:
        image = server.add_image("team/other:1.0")
        sign(image, key, formats=["bundle"])
        slow()
        with pytest.raises(DeadlineExceeded):
            sign(image, new, formats=["bundle"], replace=old, timeout=SECONDS)
        slow()
        (outcome,) = sign_many([image], new, formats=["bundle"], replace=old, timeout=SECONDS)
        assert isinstance(outcome.error, DeadlineExceeded)
        assert len(sign(image, new, formats=["bundle"], replace=old).removed) == 1


def test_a_blob_that_is_late_is_not_refused(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    made = sign_blob(b"content", key)
    monkeypatch.setattr("imagesig.api.blob.verifying_blob.authenticate", _late)
    with pytest.raises(DeadlineExceeded):
        verify_blob(b"content", key, bundle=made.bundle, timeout=SECONDS)


def _late(*_: object) -> object:
    time.sleep(SECONDS + 0.1)
    raise SignatureInvalid("what was read until now has no signature")


def _of(kind: type[ImagesigError], text: str) -> ImagesigError:
    return kind(text, **({"rejections": ()} if kind is NoSignatureAccepted else {}))


@pytest.mark.parametrize("kind", [NoSignatures, NoSignatureAccepted, SignatureInvalid])
def test_an_error_that_is_a_verdict_is_raised_in_time_only(kind: type[ImagesigError]) -> None:
    with pytest.raises(kind), deadline(60):
        raise _of(kind, "in time")
    with pytest.raises(DeadlineExceeded, match=r"the deadline passed, before the verdict \(late\)"), deadline(0):
        raise _of(kind, "late")
    stop = Stop()
    stop.set()
    with pytest.raises(DeadlineExceeded, match="cancelled by the caller"), until_set(stop), deadline(60):
        raise _of(kind, "cancelled")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(MalformedError), deadline(0):
        raise MalformedError("broken")
    with pytest.raises(DeadlineExceeded), deadline(0), deadline(60):  # the outer one is the earlier one
        raise NoSignatures("late")
