"""What the contract and the base class catch: providers that break one promise each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.errors import (
    AccessDenied,
    BadSignature,
    KeyMismatch,
    KeyNotFound,
    KeyProviderUnavailable,
    KeyUnusable,
)
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.provider import KeyProvider, SigningKey
from imagesig.keys.uri import KeySettings
from imagesig.signature import SignerInfo
from imagesig.testing import ProviderContract, UriContract


class _Key(SigningKey):
    """An honest key in memory."""

    def __init__(self, private_key: PrivateKey) -> None:
        self._private_key = private_key

    @property
    def info(self) -> SignerInfo:
        return SignerInfo(self._private_key.public_key, "memory:1")

    def _sign(self, request: ToSign) -> bytes:
        return self._private_key.sign(request)


class _HashesTwice(_Key):
    def _sign(self, request: ToSign) -> bytes:
        return super()._sign(ToSign(request.digest, request.algorithm))


class _SwapsTheBatch(_Key):
    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        signer, signatures = super()._sign_all(requests)
        return signer, signatures[::-1]


class _LosesOneOfTheBatch(_Key):
    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        signer, signatures = super()._sign_all(requests)
        return signer, signatures[1:]


class _Rotates(_Key):
    """Becomes another key between `info` and the signature."""

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        self._private_key = PrivateKey.generate(KeyType.ECDSA_P256)
        return super()._sign_all(requests)


class _NeverCloses(_Key):
    """Goes on signing after `close`, and shows its passphrase."""

    is_closed = False

    def __repr__(self) -> str:
        return "key with passphrase swordfish"


class _Provider(KeyProvider):
    def __init__(self, kind: type[_Key]) -> None:
        self._kind = kind
        self._private_key = PrivateKey.generate(KeyType.ECDSA_P256)

    def open(self, name: str) -> SigningKey:
        return self._kind(self._private_key)


class _ProviderThatNeverCloses(_Provider):
    is_closed = False


class _Contract(ProviderContract):
    key_types = (KeyType.ECDSA_P256,)
    secrets = ("swordfish",)

    def make_key(self, provider: KeyProvider, key_type: KeyType) -> str:
        return "any"


def _key(kind: type[_Key]) -> SigningKey:
    return _Provider(kind).open("any")


def test_a_signature_over_a_digest_hashed_twice_is_caught() -> None:
    with pytest.raises(BadSignature):
        _key(_HashesTwice).sign(b"message")


def test_signatures_in_another_order_are_caught() -> None:
    key = _key(_SwapsTheBatch)
    with pytest.raises(BadSignature):
        key.sign_batch([ToSign(message, key.info.algorithms[0]) for message in (b"first", b"second")])


def test_a_missing_signature_is_caught() -> None:
    key = _key(_LosesOneOfTheBatch)
    with pytest.raises(BadSignature, match="1 signatures came back for 2"):
        key.sign_batch([ToSign(message, key.info.algorithms[0]) for message in (b"first", b"second")])


def test_a_key_that_rotates_away_from_the_pinned_one_is_caught() -> None:
    key = _key(_Rotates)
    key.expect(key.info.public_key)
    with pytest.raises(KeyMismatch):
        key.sign(b"message")


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (_HashesTwice, "test_threads_share_one_key"),
        (_HashesTwice, "test_the_pinned_key_signs"),
        (_Rotates, "test_the_pinned_key_signs"),
    ],
)
def test_the_contract_fails_a_provider_whose_signatures_are_refused(kind: type[_Key], check: str) -> None:
    with pytest.raises((BadSignature, KeyMismatch)):
        getattr(_Contract(), check)(_Provider(kind), "any")


CLOSING = [
    "test_a_key_may_be_closed_twice_and_then_refuses_to_sign",
    "test_a_provider_may_be_closed_twice_and_then_opens_nothing",
    "test_closing_the_provider_closes_its_keys",
]


@pytest.mark.parametrize("check", CLOSING)
def test_the_contract_fails_a_provider_that_never_closes(check: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        getattr(_Contract(), check)(_ProviderThatNeverCloses(_NeverCloses), "any")


@pytest.mark.parametrize("check", CLOSING)
def test_the_base_classes_close_a_provider_that_does_nothing_for_it(check: str) -> None:
    getattr(_Contract(), check)(_Provider(_Key), "any")


def test_the_error_of_a_closed_key_has_an_instruction() -> None:
    key = _key(_Key)
    key.close()
    with pytest.raises(KeyUnusable, match="memory:1: the key is closed; open it again to sign"):
        key.sign_batch([ToSign(b"message", key.info.algorithms[0])])


def test_closing_a_key_while_it_signs_is_not_an_internal_error() -> None:
    class Closes(_Key):
        def _sign(self, request: ToSign) -> bytes:
            self.close()
            raise AttributeError("what was released")

    with pytest.raises(KeyUnusable, match="the key is closed"):
        _key(Closes).sign(b"message")


def test_the_contract_fails_a_provider_that_opens_what_is_not_there() -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        _Contract().test_a_missing_key_is_not_found(_Provider(_Key))


def test_the_contract_fails_a_repr_with_a_secret() -> None:
    class Missing(_Provider):
        def open(self, name: str) -> SigningKey:
            if name == _Contract().missing_name():
                from imagesig.errors import KeyNotFound

                raise KeyNotFound("no such key")
            return super().open(name)

    with pytest.raises(AssertionError):
        _Contract().test_no_secret_shows_in_a_repr_or_an_error(Missing(_NeverCloses), "any")


class _Failing(_Provider):
    def __init__(self, error: Exception) -> None:
        super().__init__(_Key)
        self._error = error

    def open(self, name: str) -> SigningKey:
        raise self._error


@pytest.mark.parametrize("error", [KeyNotFound("none"), AccessDenied("no")], ids=["not found", "denied"])
def test_the_contract_fails_a_provider_that_hides_that_its_home_does_not_answer(error: Exception) -> None:
    class Contract(_Contract):
        def unreachable(self) -> KeyProvider:
            return _Failing(error)

    with pytest.raises(type(error)):
        Contract().test_a_home_that_does_not_answer_is_unavailable()


@pytest.mark.parametrize("error", [KeyNotFound("none"), KeyProviderUnavailable("no")], ids=["not found", "unavailable"])
def test_the_contract_fails_a_provider_that_takes_a_wrong_login_for_something_else(error: Exception) -> None:
    class Contract(_Contract):
        def wrong_login(self) -> KeyProvider:
            return _Failing(error)

    with pytest.raises(type(error)):
        Contract().test_a_wrong_login_is_denied(_Provider(_Key), "any")


def test_the_contract_of_uris_fails_a_factory_that_takes_everything() -> None:
    class Contract(UriContract):
        wrong_uris = ("toy://",)

        def resolve(self, uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
            return _Provider(_Key), uri

    with pytest.raises(pytest.fail.Exception):
        Contract().test_a_wrong_uri_is_an_invalid_argument()
