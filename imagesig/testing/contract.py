"""The contract of a key provider, as a pytest class: what `KeyProvider` and `SigningKey` promise, one test each.

A provider proves itself by a test class of its own::

    class TestMyProvider(ProviderContract):
        key_types = (KeyType.ECDSA_P256, KeyType.RSA_3072)

        @pytest.fixture
        def provider(self):
            with MyProvider(...) as provider:
                yield provider

`ContractHooks` has what else differs from place to place, with defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from imagesig.crypto.algorithms import Algorithm, KeyType, Scheme, ToSign, signing_algorithms
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    AccessDenied,
    KeyExists,
    KeyMismatch,
    KeyProviderError,
    KeyProviderUnavailable,
    UnsupportedAlgorithm,
)
from imagesig.keys.provider import KeyProvider, ManagesKeys, SigningKey
from imagesig.testing.contract_hooks import LONG_MESSAGE_BYTES, ContractHooks, pytest

_THREADS = 8


class ProviderContract(ContractHooks):
    """The tests that every key provider passes. Subclass it as `Test...`, set `key_types` and give `provider`.

    Each test makes keys of its own. Where making a key is slow or costs money, override `make_key` to hand out keys
    that are there already; tests of `generate` and `list` run only for a provider that is a `ManagesKeys`.
    """

    # --- what a key says of itself ------------------------------------------------------------------------------

    def test_the_place_holds_some_type_of_key(self) -> None:
        assert self.key_types, "set key_types to every type of key that the place can hold"

    def test_public_keys_begin_with_the_public_key_that_signs(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            assert provider.public_keys(name)[0] == key.public_keys[0] == key.info.public_key

    def test_the_key_id_stays_the_same_when_the_key_is_opened_again(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as first, provider.open(name) as second:
            assert first.info.key_id
            assert first.info.key_id == second.info.key_id

    def test_two_keys_have_two_ids(self, provider: KeyProvider, name: str) -> None:
        other = self.make_key(provider, self.key_types[-1])
        with provider.open(name) as first, provider.open(other) as second:
            assert (first.info.key_id == second.info.key_id) == (first.info.public_key == second.info.public_key)

    def test_no_secret_shows_in_a_repr_or_an_error(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            shown = [repr(provider), repr(key), repr(key.info), key.check()]
        with pytest.raises(self.missing_key) as caught:
            provider.open(self.missing_name())
        shown += [repr(caught.value), caught.value.hint]
        assert not [text for text in shown for secret in self.secrets if secret in text]

    def test_check_says_how_it_verified_that_the_key_can_sign(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            assert key.check()

    # --- signing ------------------------------------------------------------------------------------------------

    def test_a_key_signs_with_every_algorithm_it_names(self, provider: KeyProvider, key_type: KeyType) -> None:
        with provider.open(self.make_key(provider, key_type)) as key:
            assert key.info.public_key.key_type is key_type
            for algorithm in key.info.algorithms:
                key.info.public_key.verify(key.sign(b"message", algorithm), b"message", algorithm)

    def test_a_digest_is_signed_or_refused(self, provider: KeyProvider, key_type: KeyType) -> None:
        with provider.open(self.make_key(provider, key_type)) as key:
            for algorithm in key.info.algorithms:
                digest = ToSign(b"message", algorithm).digest if algorithm.hash else b"message"
                if key.signs_digests(algorithm):
                    assert algorithm.hash is not None
                    key.info.public_key.verify(key.sign_digest(digest, algorithm), b"message", algorithm)
                else:
                    with pytest.raises(UnsupportedAlgorithm):
                        key.sign_digest(digest, algorithm)

    def test_a_batch_keeps_its_order_and_may_mix_algorithms(self, provider: KeyProvider, key_type: KeyType) -> None:
        with provider.open(self.make_key(provider, key_type)) as key:
            algorithms = key.info.algorithms
            requests = [ToSign(b"message %d" % at, algorithms[at % len(algorithms)]) for at in range(9)]
            signatures = key.sign_batch(requests)
            assert len(signatures) == len(requests)
            for request, signature in zip(requests, signatures, strict=True):
                key.info.public_key.verify(signature, request.message, request.algorithm)

    def test_empty_and_long_messages_are_signed(self, provider: KeyProvider, key_type: KeyType) -> None:
        with provider.open(self.make_key(provider, key_type)) as key:
            algorithm = key.info.algorithms[0]
            for message in (
                b"m" * self.min_message(algorithm),
                b"m" * min(LONG_MESSAGE_BYTES, self.max_message(algorithm)),
            ):
                key.info.public_key.verify(key.sign(message, algorithm), message, algorithm)

    def test_a_message_longer_than_the_place_takes_is_refused(self, provider: KeyProvider, key_type: KeyType) -> None:
        limits = {algorithm: self.max_message(algorithm) for algorithm in signing_algorithms(key_type)}
        if min(limits.values()) >= LONG_MESSAGE_BYTES:
            return
        with provider.open(self.make_key(provider, key_type)) as key:
            for algorithm in key.info.algorithms:
                if limits[algorithm] < LONG_MESSAGE_BYTES:
                    with pytest.raises(KeyProviderError):
                        key.sign(b"m" * (limits[algorithm] + 1), algorithm)

    def test_an_empty_batch_is_an_empty_list(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            assert key.sign_batch([]) == []

    def test_an_algorithm_the_key_does_not_have_is_refused_before_the_place_is_asked(
        self, provider: KeyProvider, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def asked(*_: object) -> None:
            raise AssertionError("the place was asked for a signature")

        with provider.open(name) as key:
            foreign = Algorithm(Scheme.ED25519PH, None)
            monkeypatch.setattr(type(key), "_sign_all", asked)
            monkeypatch.setattr(type(key), "_sign", asked)
            with pytest.raises(UnsupportedAlgorithm):
                key.sign_batch([ToSign(b"good", key.info.algorithms[0]), ToSign(b"bad", foreign)])

    # --- pinning, opening, closing ------------------------------------------------------------------------------

    def test_the_pinned_key_signs(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            assert key.expect(key.info.public_key).sign(b"message")

    def test_another_key_than_the_pinned_one_is_refused_now_and_later(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            with pytest.raises(KeyMismatch):
                key.expect(_another_public_key())
            with pytest.raises(KeyMismatch):
                key.sign(b"message")

    def test_a_key_is_pinned_to_a_version_that_it_has(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            own = key.info.public_key
            with key.pinned_to(own) as pinned:
                assert pinned.info.public_key == own
                assert pinned.sign(b"message")
        with provider.open(name) as key, pytest.raises(KeyMismatch):
            key.pinned_to(_another_public_key())

    def test_a_missing_key_is_not_found(self, provider: KeyProvider) -> None:
        with pytest.raises(self.missing_key):
            provider.open(self.missing_name())

    def test_a_missing_key_has_no_public_keys(self, provider: KeyProvider) -> None:
        with pytest.raises(self.missing_key):
            provider.public_keys(self.missing_name())

    def test_a_key_may_be_closed_twice_and_then_refuses_to_sign(self, provider: KeyProvider, name: str) -> None:
        key = provider.open(name)
        key.close()
        key.close()
        with pytest.raises(KeyProviderError):
            key.sign(b"message", signing_algorithms(self.key_types[0])[0])
        with pytest.raises(KeyProviderError):
            key.check()

    def test_closing_one_key_leaves_the_others_open(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as second:
            provider.open(name).close()
            assert second.sign(b"message")

    def test_a_provider_may_be_closed_twice_and_then_opens_nothing(self, provider: KeyProvider, name: str) -> None:
        provider.close()
        provider.close()
        with pytest.raises(KeyProviderError):
            provider.open(name)
        with pytest.raises(KeyProviderError):
            provider.public_keys(name)

    def test_closing_the_provider_closes_its_keys(self, provider: KeyProvider, name: str) -> None:
        key = provider.open(name)
        provider.close()
        with pytest.raises(KeyProviderError):
            key.sign(b"message", signing_algorithms(self.key_types[0])[0])

    def test_leaving_a_with_block_closes(self, provider: KeyProvider, name: str) -> None:
        with provider as entered:
            with entered.open(name) as key:
                assert key.sign(b"message")
            with pytest.raises(KeyProviderError):
                key.sign(b"message", signing_algorithms(self.key_types[0])[0])
        with pytest.raises(KeyProviderError):
            provider.open(name)

    def test_a_home_that_does_not_answer_is_unavailable(self) -> None:
        provider = self.unreachable()
        if provider is None:
            pytest.skip("the home is always there: override unreachable if it is a service")
        with provider, pytest.raises(KeyProviderUnavailable) as caught:
            provider.open(self.missing_name())
        assert caught.value.retryable

    def test_a_wrong_login_is_denied(self, provider: KeyProvider, name: str) -> None:
        stranger = self.wrong_login()
        if stranger is None:
            pytest.skip("the home has no logins: override wrong_login if it has")
        with stranger, pytest.raises(AccessDenied) as caught:
            stranger.open(name)
        assert not caught.value.retryable

    # --- threads ------------------------------------------------------------------------------------------------

    def test_threads_share_one_key(self, provider: KeyProvider, name: str) -> None:
        with provider.open(name) as key:
            _sign_in_threads(lambda: key, self.signatures_per_thread)

    def test_threads_each_open_the_key(self, provider: KeyProvider, name: str) -> None:
        _sign_in_threads(lambda: provider.open(name), self.signatures_per_thread)

    # --- managing -----------------------------------------------------------------------------------------------

    def test_a_generated_key_is_listed_with_its_type_and_uri(self, provider: KeyProvider, key_type: KeyType) -> None:
        place = _manages_keys(provider)
        before = {info.uri for info in place.list()}
        name = self.fresh_name(key_type)
        with place.generate(name, key_type) as key, provider.open(name) as opened:
            assert key.info.public_key == opened.info.public_key
        listed = [info for info in place.list() if info.uri not in before]
        assert [info.key_type for info in listed] == [key_type]
        assert listed[0].uri
        assert not [secret for secret in self.secrets if secret in listed[0].uri]

    def test_generating_never_replaces_a_key(self, provider: KeyProvider) -> None:
        place = _manages_keys(provider)
        name = self.fresh_name(self.key_types[0])
        with place.generate(name, self.key_types[0]) as first:
            with pytest.raises(KeyExists):
                place.generate(name, self.key_types[0])
            assert provider.public_keys(name) == first.public_keys


def _manages_keys(provider: KeyProvider) -> ManagesKeys:
    if not isinstance(provider, ManagesKeys):
        pytest.skip("the place does not generate or list keys")
    return provider


def _another_public_key() -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return PublicKey.from_cryptography(ec.generate_private_key(ec.SECP256R1()).public_key())


def _sign_in_threads(key_of_thread: Callable[[], SigningKey], count: int) -> None:
    start = Barrier(_THREADS)

    def sign(thread: int) -> None:
        key = key_of_thread()
        algorithm = key.info.algorithms[0]
        start.wait(timeout=60)
        for number in range(count):
            message = b"thread %d message %d" % (thread, number)
            key.info.public_key.verify(key.sign(message, algorithm), message, algorithm)

    with ThreadPoolExecutor(_THREADS) as pool:
        for result in [pool.submit(sign, thread) for thread in range(_THREADS)]:
            result.result()
