"""Tokens of a PKCS#11 module: chosen by the attributes of a URI, and described for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imagesig.errors import KeyNotFound
from imagesig.keys.pkcs11.functions import Functions
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.text import quote


def choose_token(tokens: Sequence[tuple[int, Any]], wanted: Pkcs11Uri, module: str, functions: Functions) -> Any:
    """The only token that fits, among tokens with their slot numbers. `module` is the module's name.

    A token that cannot be read fits only by the number of its slot.

    Raises:
        KeyNotFound: none or several fit; the hint lists all tokens and the broken slots.
    """
    import pkcs11

    readable = [(slot_id, token) for slot_id, token in tokens if slot_id not in functions.unknown]
    by_slot = wanted.slot_id is not None
    fitting = [token for slot_id, token in (tokens if by_slot else readable) if _fits(token, slot_id, wanted)]
    if len(fitting) > 1:  # SoftHSM also shows a slot for the next token
        fitting = [token for token in fitting if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED]
    if len(fitting) != 1:
        there = ", ".join(_named(token, slot_id) for slot_id, token in readable) or "none"
        broken = "".join(f"; slot {slot_id}: {answer}" for slot_id, answer in sorted(functions.slots.items()))
        if "softhsm" in module and not any(token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED for _, token in readable):
            broken += "; SOFTHSM2_CONF must name the configuration with the folder of your tokens"
        raise KeyNotFound(
            f"PKCS#11 module {module}: {len(fitting)} tokens fit {wanted}, exactly one is needed",
            hint=f"name one with token=, serial= or slot-id=; tokens there: {there}{broken}",
        )
    return fitting[0]


def _fits(token: Any, slot_id: int, wanted: Pkcs11Uri) -> bool:
    if wanted.slot_id is not None:  # as in cosign, the slot has priority over the label
        return slot_id == wanted.slot_id
    pairs = (
        (wanted.token, token.label),
        (wanted.serial, token.serial),
        (wanted.manufacturer, token.manufacturer_id),
        (wanted.model, token.model),
        (wanted.slot_description, token.slot.slot_description),
        (wanted.slot_manufacturer, token.slot.manufacturer_id),
    )
    return all(not text_of(named) or text_of(named) == text_of(shown) for named, shown in pairs)


def needs_login(token: Any) -> bool:
    """Whether the token declares that private keys need a login. Some tokens declare no and still hide the keys."""
    import pkcs11

    return bool(token.flags & pkcs11.TokenFlag.LOGIN_REQUIRED)


def describe_slots(tokens: Sequence[tuple[int, Any]], functions: Functions) -> list[tuple[str, str]]:
    """Every token and the state of its PIN, and every broken slot, as names and values for people."""
    found = [(slot_id, token) for slot_id, token in tokens if slot_id not in functions.unknown]
    described = [("PKCS#11 token", _describe_token(token, slot_id)) for slot_id, token in found]
    described += [("PKCS#11 slot", f"{slot_id}: {answer}") for slot_id, answer in sorted(functions.slots.items())]
    return described or [("PKCS#11 token", "none")]


def _named(token: Any, slot_id: int) -> str:
    """Label and slot."""
    label = quote(text_of(token.label)) if text_of(token.label) else _blank(token)
    return f"{label} (slot {slot_id})"


def _blank(token: Any) -> str:
    """Why a token has no label: SoftHSM also shows a slot for the next token."""
    import pkcs11

    return "no label" if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED else "not initialised"


def _describe_token(token: Any, slot_id: int) -> str:
    """Label, serial number, slot and the state of the PIN, for people."""
    import pkcs11

    if not text_of(token.label) and not token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED:
        return f"not initialised, slot {slot_id}"
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
    """The text of a fixed-size field, without its padding: blanks by the standard, NUL by some modules."""
    decoded = value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
    return decoded.rstrip(" \0")
