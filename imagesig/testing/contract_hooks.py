"""What differs from one key provider to the next: the hooks of its contract."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Iterator

from imagesig.crypto.algorithms import Algorithm, KeyType
from imagesig.errors import KeyNotFound, KeyProviderError, MissingExtra
from imagesig.keys.provider import KeyProvider, ManagesKeys

try:
    import pytest as pytest  # for `contract`, too: there it would be imported before this message
except ImportError as absent:
    _missing = MissingExtra("imagesig.testing.ProviderContract", "testing")
    _missing.hint = "run: pip install pytest"
    raise _missing from absent

LONG_MESSAGE_BYTES = 1024 * 1024


class ContractHooks:
    """The hooks of `ProviderContract`: `key_types` and `provider` must be set, the others have defaults."""

    key_types: tuple[KeyType, ...] = ()
    """Every type of key that the place can hold, the quickest to make first: tests that need any key take that."""

    secrets: tuple[str, ...] = ()
    """Passphrases, PINs and tokens of the place: no repr and no error may show them. A fixture may assign it."""

    missing_key: type[KeyProviderError] = KeyNotFound
    """What `open` raises for a missing key. Override it for a place whose protocol does not tell why it fails."""

    signatures_per_thread = 25
    """Lower it for a place that signs slowly."""

    @pytest.fixture
    def provider(self) -> Iterator[KeyProvider]:
        """Yields the provider under test, and closes it afterwards. Must be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture named provider")

    def make_key(self, provider: KeyProvider, key_type: KeyType) -> str:
        """Puts a key of this type there and returns the name under which `provider.open` finds it."""
        if not isinstance(provider, ManagesKeys):
            raise NotImplementedError(f"{type(provider).__name__} cannot generate keys: override make_key")
        name = self.fresh_name(key_type)
        provider.generate(name, key_type).close()
        return name

    def fresh_name(self, key_type: KeyType) -> str:
        """A name that no key of the place has yet, in the form that the place needs."""
        return f"contract-{key_type.value}-{randomness.token_hex(6)}"

    def missing_name(self) -> str:
        """A well-formed name that no key of the place has."""
        return "contract-no-such-key"

    def unreachable(self) -> KeyProvider | None:
        """A provider of the same kind whose home does not answer; None if the home is part of this machine."""
        return None

    def wrong_login(self) -> KeyProvider | None:
        """A provider of the same keys with a login that the home refuses; None if there are no logins."""
        return None

    def max_message(self, _algorithm: Algorithm) -> int:
        """The longest message in bytes that the place signs with this algorithm; at most 1 MiB is tried."""
        return LONG_MESSAGE_BYTES

    def min_message(self, _algorithm: Algorithm) -> int:
        """The shortest message in bytes that the place signs with this algorithm."""
        return 0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Runs each test that takes a `key_type` once for every one of `key_types`."""
        if "key_type" in metafunc.fixturenames:
            metafunc.parametrize("key_type", self.key_types, ids=[key_type.value for key_type in self.key_types])

    @pytest.fixture
    def name(self, provider: KeyProvider) -> str:
        """The name of a key of the first type."""
        return self.make_key(provider, self.key_types[0])
