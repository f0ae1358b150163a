"""`verify_many` on threads: its outcomes, its requests, its memory, and how it ends."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import Transport, sign, verify_many
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    DeadlineExceeded,
    InvalidArgument,
    KeyProviderError,
    NoSignatureAccepted,
    NoSignatures,
    Unreachable,
)
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import ANONYMOUS, Credential
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_public_keys
from imagesig.policy import Policy, Rule, Scope, Signed
from imagesig.policy.authority import KeyReference
from imagesig.testing import Answer, InMemoryRegistry, Request

NOBODY = Transport(credentials=lambda _host: ANONYMOUS)


pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def pushed(server: InMemoryRegistry, name: str, key: SigningKey | None, login: tuple[str, str] | None = None) -> str:
    """The reference by tag of a small image, signed if a key is given."""
    reference = f"{server.host}/{name}:1.0"
    image = registry(reference, credentials=login or (lambda _host: ANONYMOUS))
    build_image(image.home, {"name": name.encode()}, PLATFORMS[0], "1.0")
    if key:
        sign(image, key, formats=["cosign"])
    return reference


def by_digest(reference: str) -> str:
    repository = reference.rpartition(":")[0]
    return f"{repository}@{registry(reference).home.resolve('1.0').digest}"


def policy(key: SigningKey) -> Policy:
    return Policy.any_of(key.info.public_key, formats=["cosign"])


def test_every_image_has_an_outcome_with_its_index(
    server: InMemoryRegistry, key: SigningKey, other: SigningKey
) -> None:
    images = [pushed(server, "a", key), pushed(server, "b", None), pushed(server, "c", other), f"{server.host}/UPPER"]
    outcomes = {outcome.index: outcome for outcome in verify_many(images, policy(key), transport=NOBODY)}
    kinds = [type(outcomes[index].error) for index in range(4)]
    assert kinds == [type(None), NoSignatures, NoSignatureAccepted, InvalidArgument]
    assert [outcomes[index].image for index in range(4)] == images
    assert outcomes[0].ok
    assert outcomes[0].result is not None


def test_outcomes_are_in_the_order_of_the_images_with_in_order(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}", key) for number in range(12)]
    outcomes = verify_many(images, policy(key), transport=NOBODY, in_order=True)
    assert [outcome.image for outcome in outcomes] == images


def test_a_public_key_is_accepted_as_the_policy(server: InMemoryRegistry, key: SigningKey) -> None:
    (outcome,) = verify_many([pushed(server, "a", key)], key.info.public_key, transport=NOBODY)
    assert outcome.ok


def test_no_more_images_are_taken_than_the_window_allows(server: InMemoryRegistry, key: SigningKey) -> None:
    taken = itertools.count()
    reference = pushed(server, "a", key)
    endless = (reference for _ in taken)
    outcomes = verify_many(endless, policy(key), workers=2, transport=NOBODY)
    next(outcomes)
    outcomes.close()
    assert next(taken) <= 2 * 4 + 1


def test_an_image_that_is_given_twice_is_verified_once(server: InMemoryRegistry, key: SigningKey) -> None:
    reference = by_digest(pushed(server, "a", key))
    server.requests.clear()
    outcomes = list(verify_many([reference] * 40, policy(key), transport=NOBODY))
    assert all(outcome.ok for outcome in outcomes)
    assert len(server.requests) == 2


def test_the_same_digest_under_another_name_has_its_own_verdict(server: InMemoryRegistry, key: SigningKey) -> None:
    signed = by_digest(pushed(server, "a", key))
    unsigned = pushed(server, "b", None)
    outcomes = list(verify_many([signed, by_digest(unsigned), signed], policy(key), transport=NOBODY, in_order=True))
    assert [outcome.ok for outcome in outcomes] == [True, False, True]


def test_a_retryable_error_is_not_remembered_for_the_image(server: InMemoryRegistry, key: SigningKey) -> None:
    reference = by_digest(pushed(server, "a", key))
    broken = itertools.count()
    server.faults.append(lambda _request: Answer(503) if next(broken) < 4 else None)
    outcomes = list(verify_many([reference, reference], policy(key), workers=1, transport=NOBODY))
    assert [type(outcome.error) for outcome in outcomes] == [Unreachable, type(None)]


def test_a_key_of_the_policy_is_opened_once(server: InMemoryRegistry, key: SigningKey) -> None:
    opened: list[str] = []

    def open_keys(text: str) -> tuple[PublicKey, ...]:
        opened.append(text)
        return (key.info.public_key,)

    images = [pushed(server, f"app{number}", key) for number in range(10)]
    outcomes = list(verify_many(images, Policy.any_of("release"), open_keys=open_keys, transport=NOBODY))
    assert all(outcome.ok for outcome in outcomes)
    assert opened == ["release"]


def test_a_rule_whose_key_cannot_be_opened_fails_its_images_and_is_tried_once(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    asked: list[str] = []

    def open_keys(text: str) -> tuple[PublicKey, ...]:
        asked.append(text)
        raise KeyProviderError("the token is locked")

    good = [pushed(server, f"good/app{number}", key) for number in range(3)]
    bad = [pushed(server, f"bad/app{number}", key) for number in range(3)]
    two_rules = Policy(
        default=policy(key).default,
        rules={Scope("docker", f"{server.host}/bad"): Rule((Signed((KeyReference("broken"),)),))},
    )
    outcomes = list(verify_many([*good, *bad], two_rules, open_keys=open_keys, transport=NOBODY, in_order=True))
    assert [type(outcome.error) for outcome in outcomes] == [type(None)] * 3 + [KeyProviderError] * 3
    assert asked == ["broken"]


def test_a_run_logs_in_once_to_a_registry_with_passwords(key: SigningKey) -> None:
    login = ("alice", "s3cret")
    with InMemoryRegistry(basic=login) as server:
        images = [pushed(server, f"app{number}", key, login) for number in range(8)]
        refused: list[Request] = []
        server.faults.append(
            lambda request: refused.append(request) if "authorization" not in request.headers else None
        )
        lookups: list[str] = []

        def credentials(host: str) -> Credential:
            lookups.append(host)
            return Credential(*login)

        outcomes = list(verify_many(images, policy(key), workers=1, transport=Transport(credentials=credentials)))
        assert all(outcome.ok for outcome in outcomes)
        assert len(refused) == 1
        assert lookups == [server.host]


def test_a_token_server_is_asked_once_for_each_repository(key: SigningKey) -> None:
    login = ("alice", "s3cret")
    with InMemoryRegistry(bearer=login) as server:
        images = [pushed(server, f"app{number}", key, login) for number in range(8)]
        server.requests.clear()
        outcomes = list(verify_many(images, policy(key), transport=Transport(credentials=login)))
        assert all(outcome.ok for outcome in outcomes)
        assert server.asked(containing="/token") == 8


def test_after_the_deadline_of_the_run_every_image_has_that_error(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}", key) for number in range(3)]
    outcomes = list(verify_many(images, policy(key), deadline=0, transport=NOBODY))
    assert [type(outcome.error) for outcome in outcomes] == [DeadlineExceeded] * 3


def test_closing_starts_nothing_more_and_waits_for_running_work(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [by_digest(pushed(server, f"app{number}", key)) for number in range(20)]
    outcomes = verify_many(iter(images), policy(key), workers=2, transport=NOBODY)
    next(outcomes)
    outcomes.close()
    before = len(server.requests)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imagesig_")]
    assert len(server.requests) == before


def test_an_exception_of_the_images_iterator_ends_the_run(server: InMemoryRegistry, key: SigningKey) -> None:
    def images() -> Iterator[str]:
        yield pushed(server, "a", key)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(verify_many(images(), policy(key), transport=NOBODY))


def test_zero_workers_are_refused_immediately(key: SigningKey) -> None:
    with pytest.raises(InvalidArgument, match="0 workers"):
        verify_many([], policy(key), workers=0)


def test_an_error_keeps_no_frames_alive(server: InMemoryRegistry, key: SigningKey) -> None:
    (outcome,) = verify_many([pushed(server, "a", None)], policy(key), transport=NOBODY)
    assert outcome.error is not None
    assert outcome.error.__traceback__ is None


def test_layouts_and_registries_mix(server: InMemoryRegistry, key: SigningKey, tmp_path: Path) -> None:
    from imagesig.images.layout.layout import Layout, layout

    home = Layout.create(tmp_path / "image")
    build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    sign(layout(tmp_path / "image", "1.0"), key, formats=["cosign"], identity="registry.example/app:1.0")
    images = [f"oci:{tmp_path / 'image'}:1.0", pushed(server, "a", key)]
    outcomes = list(verify_many(images, policy(key), transport=NOBODY, in_order=True))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert outcomes[0].result is not None
    assert outcomes[0].result.image == images[0]


def test_keys_are_opened_from_files_by_default(server: InMemoryRegistry, key: SigningKey, tmp_path: Path) -> None:
    (tmp_path / "k.pub").write_text(key.info.public_key.pem)
    (outcome,) = verify_many([pushed(server, "a", key)], str(tmp_path / "k.pub"), transport=NOBODY)
    assert outcome.ok
    assert open_public_keys(str(tmp_path / "k.pub")) == (key.info.public_key,)
