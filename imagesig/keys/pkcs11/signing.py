"""Signs with the mechanisms of one token. Call it under the module's lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imagesig.crypto.algorithms import Algorithm, KeyType, ToSign
from imagesig.errors import KeyProviderUnavailable, UnsupportedAlgorithm
from imagesig.keys.pkcs11.codes import code_in
from imagesig.keys.pkcs11.encoding import NO_MECHANISM, Operation, algorithms_for, operations_for
from imagesig.keys.pkcs11.errors import (
    NO_LOGIN_NEEDED,
    NOT_LOGGED_IN,
    describe_error,
    is_about_mechanism,
    is_lost,
    is_wrong_pin,
)
from imagesig.keys.secrets import SecretSource

if TYPE_CHECKING:
    from imagesig.keys.pkcs11.key import FoundKey
    from imagesig.keys.pkcs11.module import Module
    from imagesig.keys.pkcs11.uri import Pkcs11Uri

_Call = tuple[Operation, dict[str, Any]]
_ED25519_BYTES = 64
_NO_PIN_EACH_TIME = NO_LOGIN_NEEDED | {"CKR_OPERATION_NOT_INITIALIZED", "CKR_USER_ALREADY_LOGGED_IN"}


class Signer:
    """What one token can do, and how its keys want to sign."""

    def __init__(self, module: Module, secrets: SecretSource) -> None:
        self._module = module
        self._secrets = secrets
        self._mechanisms: frozenset[str] | None = None
        self._calls: dict[Algorithm, list[_Call]] = {}
        self._pin_each_time: dict[Pkcs11Uri, bool] = {}

    def algorithms(self, key_type: KeyType, token: Any) -> tuple[Algorithm, ...]:
        """Raises as `algorithms_for` does."""
        return algorithms_for(key_type, self._mechanisms_of(token))

    def digest_algorithms(self, algorithms: Sequence[Algorithm], token: Any) -> frozenset[Algorithm]:
        """Those of the algorithms for which the token takes a digest."""
        mechanisms = self._mechanisms_of(token)
        return frozenset(
            item for item in algorithms if any(one.takes_digest for one in operations_for(item, mechanisms))
        )

    def sign(self, found: FoundKey, request: ToSign, token: Any) -> bytes:
        """One C_Sign; more only where the token refuses the mechanism or the way to give the PIN."""
        # speed: looked up once for each algorithm, a twentieth of a signature (benchmarks/test_pkcs11.py)
        calls = self._calls.get(request.algorithm) or self._find_calls(request.algorithm, token)
        pin = self._pin_for(found, token)
        refused: Exception | None = None
        for call in tuple(calls):
            if request.hashed and not call[0].takes_digest:
                continue
            try:
                return self._sign_with(call, found, request, pin)
            except Exception as error:
                if is_about_mechanism(error):
                    refused = error
                    calls.append(calls.pop(0))
                    continue
                if not self._learns(error, found, token, pin):
                    raise
                if pin is not None:
                    raise self._without_pin(found, error) from error
                return self._sign_as_learned(call, found, request, token, error)
        raise UnsupportedAlgorithm(
            f"{found.uri}: the token refuses CKM_{call[0].mechanism} for {request.algorithm} with this key",
            hint=NO_MECHANISM,
        ) from refused

    def _without_pin(self, found: FoundKey, error: Exception) -> KeyProviderUnavailable:
        """Closes the sessions: the operation that the PIN was for is still active. The next attempt gives no PIN."""
        self._module.start_anew()
        return KeyProviderUnavailable(
            f"{found.uri}: the token says that this key needs the PIN for every signature, and refuses it: "
            f"{describe_error(error)}",
            hint="try again; if it stays, update the module",
        )

    def _sign_as_learned(self, call: _Call, found: FoundKey, request: ToSign, token: Any, first: Exception) -> bytes:
        """The signature with a PIN, where none was given before. Raises the first error if it fails too."""
        pin = self._pin_for(found, token)
        try:
            return self._sign_with(call, found, request, pin)
        except Exception as second:
            self._learns(second, found, token, pin)
            if is_wrong_pin(second):
                raise
            self._pin_each_time.pop(found.uri, None)
            raise first from second

    def _pin_for(self, found: FoundKey, token: Any) -> str | None:
        """The PIN for one signature, if the key wants it for each."""
        each_time = found.always_authenticate
        if self._pin_each_time:
            each_time = self._pin_each_time.get(found.uri, each_time)
        return self._module.pins.for_signing(token, self._secrets) if each_time else None

    def _sign_with(self, call: _Call, found: FoundKey, request: ToSign, pin: str | None) -> bytes:
        operation, options = call
        data = operation.data(request)
        try:
            return bytes(found.handle.sign(data, **options, **({} if pin is None else {"pin": pin})))
        except Exception as error:
            # NSS takes a buffer of exactly the right size; python-pkcs11 makes one of the size that NSS names.
            if operation.mechanism != "EDDSA" or code_in(error) != "CKR_ARGUMENTS_BAD":
                raise
            signature = self._module.functions.sign_exactly(found.handle, options["mechanism"], data, _ED25519_BYTES)
            if signature is None:
                raise
            return signature

    def _learns(self, error: Exception, found: FoundKey, token: Any, pin: str | None) -> bool:
        """Whether the key wants the PIN for each signature against what the token says. Remembers a wrong PIN."""
        code = code_in(error)
        if pin is None:
            learned = code == NOT_LOGGED_IN and self._module.functions.tolerant
        else:
            learned = code in _NO_PIN_EACH_TIME
            if is_wrong_pin(error):
                self._module.pins.refuse(token, pin)
        if learned:
            self._pin_each_time[found.uri] = pin is None
        return learned

    def _find_calls(self, algorithm: Algorithm, token: Any) -> list[_Call]:
        import pkcs11

        calls: list[_Call] = []
        for operation in operations_for(algorithm, self._mechanisms_of(token)):
            parameter: Any = None
            if operation.parameter:
                hash_name, mgf, salt = operation.parameter
                parameter = (pkcs11.Mechanism[hash_name], pkcs11.MGF[mgf], salt)
            options = {"mechanism": pkcs11.Mechanism[operation.mechanism], "mechanism_param": parameter}
            calls.append((operation, options))
        return self._calls.setdefault(algorithm, calls)

    def _mechanisms_of(self, token: Any) -> frozenset[str]:
        """Their names; none if the token does not tell them."""
        if self._mechanisms is None:
            try:
                names = frozenset(getattr(item, "name", str(item)) for item in token.slot.get_mechanisms())
            except Exception as error:
                if is_lost(error) and not self._module.functions.tolerant:
                    raise
                names = frozenset()
            self._mechanisms = names
        return self._mechanisms
