"""The contract of a `ProviderFactory`, as a pytest class: what the URIs of a scheme promise, one test each."""

from __future__ import annotations

from collections.abc import Mapping

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument
from imagesig.keys.provider import KeyProvider, ManagesKeys
from imagesig.keys.secrets import from_environ
from imagesig.keys.uri import KeySettings
from imagesig.testing.contract_hooks import pytest


class UriContract:
    """The tests that every factory of key URIs passes.

    Subclass it as `Test...` and override its hooks::

        class TestMyUris(UriContract):
            wrong_uris = ("mine://", "mine://a?unknown=1")

            def resolve(self, uri, settings):
                return from_uri(uri, settings)

            @pytest.fixture
            def uri(self):
                return "mine://release"
    """

    wrong_uris: tuple[str, ...] = ()
    """Texts that are no URI of the scheme."""

    environ: Mapping[str, str] = {}
    """The variables that the factory reads: addresses, logins. A fixture may assign it."""

    secrets: tuple[str, ...] = ()
    """Logins that no repr may show. A fixture may assign it."""

    key_type = KeyType.ECDSA_P256
    """A type of key that the place can generate."""

    def resolve(self, uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
        """Calls the factory. Must be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no factory: override resolve")

    @pytest.fixture
    def uri(self) -> str:
        """The URI of a key that is there. Must be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture named uri")

    def uri_for(self, provider: KeyProvider) -> str:
        """A URI under which a key can be generated; empty, the default, skips the test of that."""
        return ""

    @property
    def settings(self) -> KeySettings:
        return KeySettings(environ=self.environ, secrets=from_environ(self.environ))

    def test_the_uri_of_a_key_opens_it(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in self.environ:
            monkeypatch.delenv(name, raising=False)  # a factory reads its settings, not the process
        provider, name = self.resolve(uri, self.settings)
        with provider, provider.open(name) as key:
            assert key.check()
            assert provider.public_keys(name)[0] == key.info.public_key

    def test_a_wrong_uri_is_an_invalid_argument(self) -> None:
        assert self.wrong_uris, "set wrong_uris to texts that are no URI of the scheme"
        for wrong in self.wrong_uris:
            with pytest.raises(InvalidArgument):
                self.resolve(wrong, self.settings)

    def test_no_login_shows_in_a_repr(self, uri: str) -> None:
        provider, name = self.resolve(uri, self.settings)
        with provider:
            assert not [secret for secret in self.secrets if secret in repr(provider) + name]

    def test_the_uri_of_a_generated_key_opens_it(self, uri: str) -> None:
        place, _ = self.resolve(uri, self.settings)
        with place:
            new = self.uri_for(place)
            if not new or not isinstance(place, ManagesKeys):
                pytest.skip("the place does not generate keys")
            _, name = self.resolve(new, self.settings)
            with place.generate(name, self.key_type) as made:
                public_key = made.info.public_key
        provider, name = self.resolve(new, self.settings)
        with provider:
            assert provider.public_keys(name)[0] == public_key
