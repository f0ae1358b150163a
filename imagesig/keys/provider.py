"""The two interfaces for keys: `KeyProvider`, which opens keys of one place, and `SigningKey`, one private key.

To write a provider, subclass both, raise only `imagesig.errors.KeyProviderError` and its subclasses, never put a secret
into a repr, an error or a log, and run `imagesig.testing.ProviderContract`. Other exceptions reach callers as a
`KeyProviderError` that names the provider and the type of the exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self, final, runtime_checkable

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm, KeyType, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    BadSignature,
    ImagesigError,
    KeyMismatch,
    KeyUnusable,
    SignatureInvalid,
    UnsupportedAlgorithm,
)
from imagesig.keys.closing import Closing
from imagesig.keys.guarding import check_result, error_of, guard
from imagesig.signature import SignerInfo


class KeyInfo(Struct, frozen=True):
    """One key in the result of `list`.

    `open_key(uri)` opens it. `key_type` is None for a key that imagesig cannot use; `detail` then gives the reason.
    """

    uri: str
    key_type: KeyType | None
    detail: str = ""


_KEY_METHODS = ("info", "public_keys", "pinned_to", "check", "signs_digests", "_release")
_PROVIDER_METHODS = ("open", "public_keys", "generate", "list", "facts", "endpoint", "_release")


class SigningKey(Closing, ABC):
    """One private key, whose bytes never leave its provider.

    Thread-safe. Close it, or use it as a context manager; closing its provider closes it too.
    """

    _expected: PublicKey | None = None
    _opened_by: KeyProvider | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        guard(cls, _KEY_METHODS, _check_open, _check_result)

    @property
    def is_closed(self) -> bool:
        return self._closed or (self._opened_by is not None and self._opened_by.is_closed)

    def _refuse_closed(self) -> None:
        if self.is_closed:
            raise KeyUnusable(f"{self.info.key_id}: the key is closed; open it again to sign")

    @property
    @abstractmethod
    def info(self) -> SignerInfo:
        """Public key, usable algorithms, and a stable id with the key's version.

        For a rotating key: the version that signed last, or the one that would sign next.

        Raises:
            KeyProviderError: the provider cannot find out.
        """

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """Every public key that verifies signatures of this key, newest first."""
        return (self.info.public_key,)

    @abstractmethod
    def _sign(self, request: ToSign) -> bytes:
        """The raw signature for one request, whose algorithm is in `info.algorithms`. ECDSA: DER."""

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        """The signer, and its signatures for all requests, in order.

        Override this if one call can sign several messages, or if the key may rotate between two calls.
        """
        return self.info, [self._sign(request) for request in requests]

    @final
    @checks_arguments
    def sign(self, message: bytes, algorithm: Algorithm | None = None) -> bytes:
        """The signature of `message`: DER for ECDSA, the fixed-length string for RSA and Ed25519.

        `algorithm` defaults to the key's first, which every image verifier accepts. The signature is verified with the
        key's own public key before it is returned.

        Raises:
            UnsupportedAlgorithm: this key does not sign with that algorithm.
            KeyMismatch: the key is no longer the pinned one.
            BadSignature: the provider returned a signature that does not verify.
            KeyProviderError: the provider refused or failed.
        """
        return self._signed([ToSign(message, algorithm or self.info.algorithms[0])])[1][0]

    @final
    @checks_arguments
    def sign_digest(self, digest: bytes, algorithm: Algorithm | None = None) -> bytes:
        """The signature of the message with this digest, which is of the algorithm's hash. Otherwise as `sign`.

        Raises:
            InvalidArgument: the digest has another size.
            UnsupportedAlgorithm: this key needs the message itself; see `signs_digests`.
        """
        return self.sign_batch([ToSign.of_digest(digest, algorithm or self.info.algorithms[0])])[0]

    def signs_digests(self, algorithm: Algorithm) -> bool:
        """Whether the digest of a message is enough to sign it with this algorithm. Never for Ed25519.

        Override this if `_sign` reads only `request.digest`.
        """
        return False

    @final
    @checks_arguments
    def sign_batch(self, requests: Sequence[ToSign]) -> list[bytes]:
        """One signature per request, in order, or an error. Raises as `sign` does."""
        return self._signed(requests)[1]

    @final
    @checks_arguments
    def signed(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        """The result of `sign_batch`, with the signer that made all signatures: one version of the key."""
        return self._signed(requests)

    def _signed(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        """speed: the arguments have been checked, once (benchmarks/test_pkcs11.py)."""
        self._refuse_closed()
        try:
            return self._verified(list(requests))
        except ImagesigError:
            raise
        except Exception as error:
            self._refuse_closed()  # another thread closed the key while it signed
            raise error_of(self, error) from error

    def _verified(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        if not requests:
            return self.info, []
        possible = self.info.algorithms
        for request in requests:
            if request.algorithm not in possible:
                raise UnsupportedAlgorithm(
                    f"{self.info.key_id}: cannot sign {request.algorithm}; "
                    f"this {self.info.public_key.key_type.value} key signs {', '.join(map(str, possible))}"
                )
            if request.hashed and not self.signs_digests(request.algorithm):
                raise UnsupportedAlgorithm(
                    f"{self.info.key_id}: needs the message to sign {request.algorithm}, not its digest"
                )
        signer, signatures = self._sign_all(requests)
        self._check_expected(signer)
        if len(signatures) != len(requests):
            raise BadSignature(f"{signer.key_id}: {len(signatures)} signatures came back for {len(requests)} messages")
        for request, signature in zip(requests, signatures, strict=True):
            try:
                signer.public_key.verify_request(signature, request)
            except SignatureInvalid as error:
                raise BadSignature(
                    f"{signer.key_id}: the signature that came back does not verify with the key's own public key "
                    f"({error})",
                    hint="compare the public key of the token, server or key version with the expected one",
                ) from error
        return signer, list(signatures)

    @final
    @checks_arguments
    def expect(self, public_key: PublicKey) -> Self:
        """Pins the key to this public key: now and at every later signature.

        Raises:
            KeyMismatch: the key has another public key.
        """
        self._expected = public_key
        self._check_expected(self.info)
        return self

    @checks_arguments
    def pinned_to(self, public_key: PublicKey) -> SigningKey:
        """A key that signs only with the version that has this public key; it may be this object.

        Override this if older versions can sign. Closing this key closes the result too.

        Raises:
            KeyMismatch: no version with that public key can sign.
        """
        return self.expect(public_key)

    def _check_expected(self, signer: SignerInfo) -> None:
        if self._expected is not None and signer.public_key != self._expected:
            raise KeyMismatch(
                f"{signer.key_id}: its public key is {signer.public_key.fingerprint}, "
                f"{self._expected.fingerprint} was pinned",
                hint="find out who replaced or rotated the key before you pin the new one",
            )

    def check(self) -> str:
        """Proves that the key can sign now, by default with a test message; returns how. Raises as `sign` does."""
        self.sign(b"imagesig key check: this signs nothing")
        return "signed and verified a test message"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.info.key_id!r}, {self.info.public_key!r})"


class KeyProvider(Closing, ABC):
    """Opens the keys of one place: a folder, a token, a transit mount, a KMS account. Thread-safe."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        guard(cls, _PROVIDER_METHODS, _check_open, _check_result)

    @abstractmethod
    def open(self, name: str) -> SigningKey:
        """The key of that name: a file path, PKCS#11 URI, transit key name or KMS key id.

        Raises:
            KeyNotFound, KeyUnusable, AccessDenied, KeyProviderUnavailable: see `imagesig.errors`.
        """

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """Every public key that verifies signatures of that key, newest first.

        Needs no permission to sign, if the place has such permissions. Raises as `open` does.
        """
        with self.open(name) as key:
            return key.public_keys

    def _refuse_closed(self) -> None:
        if self.is_closed:
            raise KeyUnusable(f"{type(self).__name__}: the provider is closed; make a new one")


_NEEDS_OPEN = frozenset({"check", "open", "public_keys", "generate", "list", "facts", "endpoint"})
_RESULTS = {"info": SignerInfo, "open": SigningKey, "generate": SigningKey, "pinned_to": SigningKey}


def _check_open(name: str, owner: SigningKey | KeyProvider) -> None:
    if name in _NEEDS_OPEN:
        owner._refuse_closed()


def _check_result(name: str, owner: SigningKey | KeyProvider, result: object) -> None:
    needed = _RESULTS.get(name)
    if needed is not None:
        check_result(owner, name, result, needed)
    if needed is SigningKey and result is not owner:
        assert isinstance(result, SigningKey)
        result._opened_by = owner if isinstance(owner, KeyProvider) else owner._opened_by


@runtime_checkable
class ManagesKeys(Protocol):
    """Optional: providers that can create and list keys."""

    def generate(self, name: str, key_type: KeyType) -> SigningKey:
        """Creates a key pair and opens it.

        Raises:
            KeyExists: a key of that name exists; it stays unchanged.
            UnsupportedAlgorithm: the provider has no keys of this type.
        """
        ...

    def list(self) -> Iterator[KeyInfo]:
        """Every key that this login can see."""
        ...


@runtime_checkable
class TellsFacts(Protocol):
    """Optional: providers that describe themselves in `imagesig doctor`."""

    def facts(self) -> Iterator[tuple[str, str | ImagesigError]]:
        """Names and values for people, without secrets. An error in place of a value says why it is missing.

        Raises:
            KeyProviderError: the place cannot be reached or used; earlier facts remain valid.
        """
        ...
