"""Tokens of a PKCS#11 module: chosen by the attributes of a URI, and described for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imagesig.errors import KeyNotFound
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.text import quote


def choose_token(tokens: Sequence[tuple[int, Any]], wanted: Pkcs11Uri, module: str) -> Any:
    """The only token that fits, among tokens with their slot numbers. `module` is the module's name.

    Raises:
        KeyNotFound: none or several fit; the hint lists all tokens.
    """
    import pkcs11

    fitting = [token for slot_id, token in tokens if _fits(token, slot_id, wanted)]
    if len(fitting) > 1:  # SoftHSM also shows a slot for the next token
        fitting = [token for token in fitting if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED]
    if len(fitting) != 1:
        there = ", ".join(f"{quote(text_of(token.label))} (slot {slot_id})" for slot_id, token in tokens) or "none"
        raise KeyNotFound(
            f"PKCS#11 module {module}: {len(fitting)} tokens fit {wanted}, exactly one is needed",
            hint=f"tokens there: {there}",
        )
    return fitting[0]


def _fits(token: Any, slot_id: int, wanted: Pkcs11Uri) -> bool:
    if wanted.slot_id is not None:  # as in cosign, the slot has priority over the label
        return slot_id == wanted.slot_id
    return (
        wanted.token in ("", text_of(token.label))
        and wanted.serial in ("", text_of(token.serial))
        and wanted.manufacturer in ("", text_of(token.manufacturer_id))
        and wanted.model in ("", text_of(token.model))
        and wanted.slot_description in ("", text_of(token.slot.slot_description))
        and wanted.slot_manufacturer in ("", text_of(token.slot.manufacturer_id))
    )


def describe_token(token: Any, slot_id: int) -> str:
    """Label, serial number, slot and the state of the PIN, for people."""
    import pkcs11

    states = {
        pkcs11.TokenFlag.USER_PIN_LOCKED: "its PIN is locked",
        pkcs11.TokenFlag.USER_PIN_FINAL_TRY: "one more wrong PIN locks it",
        pkcs11.TokenFlag.LOGIN_REQUIRED: "needs a login",
    }
    state = next((text for flag, text in states.items() if token.flags & flag), "needs no login")
    return f"{quote(text_of(token.label))}, serial {text_of(token.serial)}, slot {slot_id}: {state}"


def identity_of(token: Any) -> str:
    """The token's label and serial number, which distinguish the tokens of a module."""
    return f"{text_of(token.label)}/{text_of(token.serial)}"


def text_of(value: str | bytes | None) -> str:
    """The text of a fixed-size field, without its padding."""
    decoded = value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
    return decoded.rstrip(" \0")
