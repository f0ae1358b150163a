"""PINs of tokens. A refused PIN is never tried again, because wrong PINs lock a token."""

from __future__ import annotations

from typing import Any

from imagesig.errors import KeyUnusable, PinLocked, SecretRequired, WrongSecret
from imagesig.keys.pkcs11.tokens import identity_of, text_of
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource, ask
from imagesig.text import quote

_BYTE_ORDER_MARK = "\ufeff"
GIVE_PIN = "set IMAGESIG_PKCS11_PIN, give --passphrase-file, or write ?pin-source=file:/PATH in the URI"


class Pins:
    """The PINs of one module's tokens. Call its methods inside `Module.locked()`."""

    def __init__(self) -> None:
        self._refused: set[tuple[str, int]] = set()

    def for_login(self, token: Any, secrets: SecretSource) -> Any:
        """The argument `user_pin` of `Token.open`: the PIN, or the request to use the token's PIN pad.

        Raises:
            SecretRequired: no PIN was given.
            WrongSecret: the token refused the same PIN before, or nobody types such a PIN.
            PinLocked: the PIN is locked, or one more wrong one would lock it.
        """
        import pkcs11

        name = token_name(token)
        if token.flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
            raise PinLocked(f"{name}: its PIN is locked", hint="let the security officer set a new one")
        if token.flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
            raise PinLocked(
                f"{name}: one more wrong PIN would lock it", hint="log in once with another tool, then try again"
            )
        if token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH:
            return pkcs11.PROTECTED_AUTH
        return self._asked(token, secrets)

    def for_signing(self, token: Any, secrets: SecretSource) -> str:
        """The PIN for a key that needs it for every signature. Raises as `for_login` does.

        Raises:
            KeyUnusable: the token has a PIN pad, which cannot be used for that.
        """
        import pkcs11

        if token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH:
            raise KeyUnusable(
                f"{token_name(token)}: its PIN pad cannot be used for a key that needs the PIN for every signature"
            )
        return self._asked(token, secrets)

    def refuse(self, token: Any, pin: Any) -> None:
        """Remembers that this PIN is wrong."""
        if isinstance(pin, str):
            self._refused.add((identity_of(token), hash(pin)))

    def _asked(self, token: Any, secrets: SecretSource) -> str:
        name = token_name(token)
        pin = ask(secrets, SecretRequest(SecretKind.PIN, name))
        if pin is None:
            raise SecretRequired(
                f"{name}: a PIN is needed and none was given",
                hint=GIVE_PIN,
            )
        if pin.startswith(_BYTE_ORDER_MARK) or any(character < " " for character in pin):
            raise WrongSecret(
                f"{name}: the PIN has a line break, a control character or a byte order mark, and was not tried",
                hint="write the PIN alone, in one line, as UTF-8 without a mark: a wrong PIN costs an attempt",
            )
        if (identity_of(token), hash(pin)) in self._refused:
            raise WrongSecret(f"{name}: this PIN was refused before and is not tried again", hint="give the right PIN")
        return pin


def token_name(token: Any) -> str:
    """The token for an error message."""
    return f"PKCS#11 token {quote(text_of(token.label))}"
