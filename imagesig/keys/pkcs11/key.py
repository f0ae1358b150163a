"""One private key in a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from imagesig.crypto.algorithms import Algorithm, ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import BadSignature, KeyUnusable, MalformedError
from imagesig.keys.pkcs11.encoding import signature_from_token
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.keys.provider import SigningKey
from imagesig.signature import SignerInfo

if TYPE_CHECKING:
    from imagesig.keys.pkcs11.provider import Pkcs11Provider


class FoundKey(Struct, frozen=True):
    """A private key object in the session of one generation, with its full URI and public key.

    `always_authenticate`: the token says that the key needs the PIN for every signature (CKA_ALWAYS_AUTHENTICATE).
    `digests` are the algorithms for which the token takes a digest.
    """

    handle: Any
    generation: int
    uri: Pkcs11Uri
    public_key: PublicKey
    algorithms: tuple[Algorithm, ...]
    chain: tuple[Certificate, ...]
    always_authenticate: bool
    digests: frozenset[Algorithm]


class Pkcs11Key(SigningKey):
    """One private key in a token."""

    def __init__(self, provider: Pkcs11Provider, wanted: Pkcs11Uri) -> None:
        self._provider = provider
        self._found = provider.attempt(f"PKCS#11 key {wanted}", lambda: provider.find(wanted))
        self._uri = self._found.uri
        self._what = f"PKCS#11 key {self._uri}"
        self._info = SignerInfo(self._found.public_key, str(self._uri), self._found.algorithms, self._found.chain)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def signs_digests(self, algorithm: Algorithm) -> bool:
        return algorithm in self._found.digests

    def _sign(self, request: ToSign) -> bytes:
        return self._sign_all([request])[1][0]

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        """All signatures under one lock and one login. A broken session is opened again once."""
        return self._info, self._provider.attempt(self._what, lambda: [self._sign_one(item) for item in requests])

    def _sign_one(self, request: ToSign) -> bytes:
        self._refresh()
        signature = self._provider.sign(self._found, request)
        try:
            return signature_from_token(signature, self._info.public_key.key_type)
        except MalformedError as error:
            raise BadSignature(f"{self._info.key_id}: {error}") from error

    def _refresh(self) -> None:
        """Finds the key again if its session is invalid: after a fork, or after the token was removed."""
        if self._found.generation == self._provider.generation:
            return
        self._found = self._provider.find(self._uri)
        if self._found.public_key != self._info.public_key:
            raise KeyUnusable(f"{self._info.key_id}: another key has this URI now", hint="open the key again")
