"""`sign_many`: batches with one key, an outcome for each image, and what another run completes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imagesig import Transport, sign_many, verify_many
from imagesig.api.sign import signing_many
from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.errors import (
    AttachIncomplete,
    DeadlineExceeded,
    ImageNotFound,
    InvalidArgument,
    KeyProviderUnavailable,
    Unreachable,
)
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import ANONYMOUS
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.signature import SignerInfo
from imagesig.testing import Answer, InMemoryRegistry

NOBODY = Transport(credentials=lambda _host: ANONYMOUS)


pytestmark = pytest.mark.usefixtures("quick_retries")


class CountedKey(SigningKey):
    """A key in memory that counts how often it is asked, as a service would be."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self.batches: list[int] = []
        self.closed = False

    @property
    def info(self) -> SignerInfo:
        return self._key.info

    def _sign(self, request: ToSign) -> bytes:
        return self._key._sign(request)

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        self.batches.append(len(requests))
        return super()._sign_all(requests)


@pytest.fixture
def key(tmp_path: Path) -> CountedKey:
    return CountedKey(FileProvider(tmp_path).generate("k.key", KeyType.ECDSA_P256))


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def pushed(server: InMemoryRegistry, name: str) -> str:
    reference = f"{server.host}/{name}:1.0"
    image = registry(reference, credentials=lambda _host: ANONYMOUS)
    build_image(image.home, {"name": name.encode()}, PLATFORMS[0], "1.0")
    return reference


def test_every_image_is_signed_and_verifies(server: InMemoryRegistry, key: CountedKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(10)]
    outcomes = sorted(sign_many(images, key, transport=NOBODY), key=lambda outcome: outcome.index)
    assert [outcome.image for outcome in outcomes] == images
    assert all(outcome.result and outcome.result.signatures[0].state == "attached" for outcome in outcomes)
    assert all(outcome.ok for outcome in verify_many(images, key.info.public_key, transport=NOBODY))


def test_the_key_signs_a_batch_at_a_time(
    server: InMemoryRegistry, key: CountedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_many, "BATCH", 4)
    images = [pushed(server, f"app{number}") for number in range(10)]
    list(sign_many(images, key, formats=["cosign"], transport=NOBODY))
    assert key.batches == [4, 4, 2]


def test_signing_again_makes_no_signature(server: InMemoryRegistry, key: CountedKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(3)]
    list(sign_many(images, key, transport=NOBODY))
    key.batches.clear()
    outcomes = list(sign_many(images, key, transport=NOBODY))
    assert {made.state for outcome in outcomes if outcome.result for made in outcome.result.signatures} == {"present"}
    assert sum(key.batches) == 0


def test_a_missing_image_does_not_stop_the_rest(server: InMemoryRegistry, key: CountedKey) -> None:
    images = [pushed(server, "a"), f"{server.host}/none:1.0", pushed(server, "b")]
    outcomes = {outcome.index: outcome for outcome in sign_many(images, key, transport=NOBODY)}
    assert isinstance(outcomes[1].error, ImageNotFound)
    assert outcomes[0].ok
    assert outcomes[2].ok


def test_signatures_that_were_not_attached_are_listed_and_the_next_run_completes_them(
    server: InMemoryRegistry, key: CountedKey
) -> None:
    images = [pushed(server, "a"), pushed(server, "b")]
    refuse = lambda request: Answer(500) if request.method != "GET" and "/b/" in request.path else None  # noqa: E731
    server.faults.append(refuse)
    outcomes = {outcome.index: outcome for outcome in sign_many(images, key, transport=NOBODY)}
    assert outcomes[0].ok
    assert isinstance(outcomes[1].error, Unreachable)  # nothing is attached: the cause itself
    server.faults[:] = [
        lambda request: Answer(500) if request.method == "PUT" and "/b/manifests/sha256:" in request.path else None
    ]
    outcomes = {outcome.index: outcome for outcome in sign_many(images, key, transport=NOBODY)}
    assert isinstance(outcomes[1].error, AttachIncomplete)
    assert len(outcomes[1].error.attached) == 1
    assert len(outcomes[1].error.missing) == 1
    assert outcomes[1].error.retryable
    server.faults.clear()
    assert all(outcome.ok for outcome in sign_many(images, key, transport=NOBODY))
    assert all(outcome.ok for outcome in verify_many(images, key.info.public_key, transport=NOBODY))


def test_a_dry_run_writes_nothing(server: InMemoryRegistry, key: CountedKey) -> None:
    image = pushed(server, "a")
    server.requests.clear()
    (outcome,) = sign_many([image], key, dry_run=True, transport=NOBODY)
    assert outcome.result is not None
    assert {made.state for made in outcome.result.signatures} == {"planned"}
    assert not [request for request in server.requests if request.method != "GET"]


def test_a_key_that_fails_ends_the_run(
    server: InMemoryRegistry, key: CountedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        raise KeyProviderUnavailable("sealed")

    monkeypatch.setattr(key, "_sign_all", unavailable)
    with pytest.raises(KeyProviderUnavailable):
        list(sign_many([pushed(server, "a")], key, transport=NOBODY))
    assert not server.asked("PUT", "sha256-")


def test_after_the_deadline_of_the_run_every_image_has_that_error(server: InMemoryRegistry, key: CountedKey) -> None:
    (outcome,) = sign_many([pushed(server, "a")], key, deadline=0, transport=NOBODY)
    assert isinstance(outcome.error, DeadlineExceeded)


def test_an_unknown_format_is_refused_immediately(key: CountedKey) -> None:
    with pytest.raises(InvalidArgument, match="unknown"):
        sign_many([], key, formats=["gpg"])


def test_a_key_file_is_opened_and_closed_by_the_run(server: InMemoryRegistry, tmp_path: Path) -> None:
    FileProvider(tmp_path).generate("release.key", KeyType.ECDSA_P256)
    (outcome,) = sign_many([pushed(server, "a")], str(tmp_path / "release.key"), transport=NOBODY)
    assert outcome.ok
