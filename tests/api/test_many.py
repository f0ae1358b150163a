"""`remove_many`, and `sign_many(on_key_error=…)`: what one failure does to the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagesig import (
    AccessDenied,
    ImageNotFound,
    InvalidArgument,
    KeyMismatch,
    KeyProviderUnavailable,
    inspect,
    remove_many,
    sign,
    sign_many,
)
from imagesig.api.sign import signing_many
from imagesig.testing import InMemoryRegistry, MemoryProvider


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def test_signatures_of_many_images_are_removed_and_a_missing_image_does_not_stop_the_rest(
    server: InMemoryRegistry,
) -> None:
    key = MemoryProvider().open()
    images = [server.add_image(f"app{number}:1") for number in range(5)]
    for image in images:
        sign(image, key)
    outcomes = {outcome.index: outcome for outcome in remove_many([*images, f"{server.host}/none:1"], key=key)}

    assert isinstance(outcomes[5].error, ImageNotFound)
    assert all(outcomes[index].ok for index in range(5))
    assert not any(inspect(image).signatures for image in images)


@pytest.mark.parametrize("options", [{}, {"key": "a.pub", "all": True}, {"all": True, "workers": 0}], ids=str)
def test_wrong_options_of_remove_many_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        remove_many(["app:1"], **options)


def test_one_name_is_no_list_of_images_to_remove_from() -> None:
    with pytest.raises(InvalidArgument, match="a list of images"):
        remove_many("app:1", all=True)


def test_a_key_that_fails_ends_the_run_or_becomes_the_outcomes(
    server: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_many, "BATCH", 2)
    images = [server.add_image(f"app{number}:1") for number in range(6)]

    with pytest.raises(KeyProviderUnavailable):
        list(sign_many(images, MemoryProvider(fail_after=4).open(), workers=1))

    key = MemoryProvider(fail_after=4).open()
    outcomes = list(sign_many(images, key, workers=1, on_key_error="outcome"))
    assert sum(outcome.ok for outcome in outcomes) == 2
    assert [type(outcome.error) for outcome in outcomes if outcome.error] == [KeyProviderUnavailable] * 4
    assert sorted(outcome.index for outcome in outcomes) == list(range(6))


@pytest.mark.parametrize(("error", "times"), [(AccessDenied("no"), 1), (KeyMismatch("other"), 3)], ids=str)
def test_a_refused_login_is_not_tried_again(
    server: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch, error: AccessDenied | KeyMismatch, times: int
) -> None:
    monkeypatch.setattr(signing_many, "BATCH", 2)
    images = [server.add_image(f"app{number}:1") for number in range(6)]
    provider, tried = MemoryProvider(fail_after=0, error=error), []
    spend = provider.spend
    monkeypatch.setattr(provider, "spend", lambda: (tried.append(1), spend()))

    outcomes = list(sign_many(images, provider.open(), workers=1, on_key_error="outcome"))

    assert [type(outcome.error) for outcome in outcomes] == [type(error)] * 6
    assert len(tried) == times


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="on_key_error"):
        sign_many(["app:1"], "release.key", on_key_error="ignore")  # type: ignore[arg-type]
