"""Reads and writes PKCS#11 URIs. Pure.

Spec: RFC 7512; `slot-id` and `serial` also as cosign reads them. Attributes of vendors and of the library are accepted
and ignored: `module-path` names the library.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_SCHEME = "pkcs11:"
_TEXTS = frozenset(
    {"token", "manufacturer", "serial", "model", "library-manufacturer", "library-description", "object", "type"}
    | {"slot-description", "slot-manufacturer", "slot-id", "library-version", "id"}
)
_QUERY = frozenset({"pin-source", "pin-value", "module-name", "module-path"})
_NAMES = _TEXTS | _QUERY
_NAME = regex(r"[a-z0-9_-]+", re.IGNORECASE)
_PERCENT = regex(r"%(?![0-9A-Fa-f]{2})")
_FORM = "write pkcs11:token=LABEL;object=LABEL?pin-source=file:/PATH, with %3B for a ; in a label"
_VERSION = regex(r"[0-9]{1,3}(?:\.[0-9]{1,3})?")
_PATH_SAFE = "-._~:[]@!$'()*+,=&"
_CHARACTERS = 4096


class Pkcs11Uri(RedactedStruct, frozen=True):
    """The decoded attributes for matching; missing ones are empty or None.

    `object` has bytes that are not UTF-8 as surrogates, because tokens have such labels in spite of the standard.
    `pin_value` is a secret that is always refused; `pin_source` names a file.
    """

    hidden = ("pin_value",)

    token: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    slot_id: int | None = None
    slot_description: str = ""
    slot_manufacturer: str = ""
    object: str = ""
    id: bytes = b""
    type: str = ""
    module_path: str = ""
    module_name: str = ""
    pin_source: str = ""
    pin_value: str = ""

    def __str__(self) -> str:
        """The canonical path of the URI, without its query."""
        texts = {
            "token": self.token,
            "serial": self.serial,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "slot-id": "" if self.slot_id is None else str(self.slot_id),
            "slot-description": self.slot_description,
            "slot-manufacturer": self.slot_manufacturer,
            "object": self.object,
        }
        encoded = {name: text.encode("utf-8", "surrogateescape") for name, text in texts.items() if text}
        parts = [f"{name}={quote_from_bytes(text, _PATH_SAFE)}" for name, text in encoded.items()]
        parts += ["id=" + "".join(f"%{byte:02X}" for byte in self.id)] if self.id else []
        parts += [f"type={self.type}"] if self.type else []
        return _SCHEME + ";".join(parts)


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """The attributes of the URI.

    Raises:
        InvalidArgument: not a PKCS#11 URI. The message never shows the query, which may contain a PIN.
    """
    if uri[: len(_SCHEME)].lower() != _SCHEME or len(uri) > _CHARACTERS:
        raise InvalidArgument(f"key URI {quote(uri.partition('?')[0])}: pkcs11:ATTRIBUTE=VALUE;… is needed")
    path, _, query = uri[len(_SCHEME) :].partition("?")
    attributes = _split(path, ";", "path")
    options = _split(query, "&", "query")
    if "pin-source" in options and "pin-value" in options:
        raise InvalidArgument("PKCS#11 URI: it has pin-source and pin-value, only one is allowed")
    slot_id = _text(attributes, "slot-id")
    if slot_id and not (slot_id.isascii() and slot_id.isdigit() and len(slot_id) < 20):
        raise InvalidArgument(f"PKCS#11 URI: slot-id {quote(slot_id)}, a number is needed")
    version = _text(attributes, "library-version")
    if version and not _VERSION.fullmatch(version):
        raise InvalidArgument(f"PKCS#11 URI: library-version {quote(version)}, MAJOR or MAJOR.MINOR is needed")
    return Pkcs11Uri(
        token=_text(attributes, "token"),
        serial=_text(attributes, "serial"),
        manufacturer=_text(attributes, "manufacturer"),
        model=_text(attributes, "model"),
        slot_id=int(slot_id) if slot_id else None,
        slot_description=_text(attributes, "slot-description"),
        slot_manufacturer=_text(attributes, "slot-manufacturer"),
        object=attributes.get("object", b"").decode("utf-8", "surrogateescape"),
        id=attributes.get("id", b""),
        type=_text(attributes, "type"),
        module_path=_text(options, "module-path"),
        module_name=_text(options, "module-name"),
        pin_source=_text(options, "pin-source"),
        pin_value=_text(options, "pin-value"),
    )


def key_uri(name: str) -> Pkcs11Uri:
    """The label and the id of a key, from its URI or label.

    Raises:
        InvalidArgument: the URI names no key.
    """
    uri = parse_pkcs11_uri(name) if name.lower().startswith(_SCHEME) else Pkcs11Uri(object=name)
    if not uri.object and not uri.id:
        raise InvalidArgument(
            f"PKCS#11 key {uri}: object=LABEL or id=%XX is needed to name a key",
            hint="`imagesig key list pkcs11:token=LABEL` shows the keys",
        )
    if uri.type not in ("", "private", "public"):
        raise InvalidArgument(
            f"PKCS#11 key {uri}: type={uri.type} is not a key", hint="write type=private, or leave it out"
        )
    return Pkcs11Uri(object=uri.object, id=uri.id)


def _split(text: str, separator: str, where: str) -> dict[str, bytes]:
    known, misplaced = (_TEXTS, _QUERY) if where == "path" else (_QUERY, _TEXTS)
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else []:
        name, equals, value = part.partition("=")
        if not equals or not _NAME.fullmatch(name):
            hint = "write no slashes after pkcs11:" if text.startswith("//") else _FORM
            raise InvalidArgument(f"PKCS#11 URI: its {where} has a part that is not ATTRIBUTE=VALUE", hint=hint)
        if name in misplaced:
            place = "after" if where == "path" else "before"
            raise InvalidArgument(
                f"PKCS#11 URI: {quote(name)} is in its {where}, it is needed {place} the question mark"
            )
        if name not in _NAMES and name.lower() in _NAMES:
            raise InvalidArgument(f"PKCS#11 URI: {quote(name)} in its {where}: lower case is needed, {name.lower()}")
        if _PERCENT.search(value):
            raise InvalidArgument(
                f"PKCS#11 URI: {quote(name)} has a % without two hex digits after it", hint="write %25 for a % itself"
            )
        if name in found and (name in known or where == "path"):
            raise InvalidArgument(f"PKCS#11 URI: {quote(name)} is given twice", hint="write %3B for a ; in a value")
        try:
            found[name] = unquote_to_bytes(value)
        except UnicodeEncodeError:
            raise InvalidArgument(f"PKCS#11 URI: {quote(name)} is not UTF-8, other bytes are needed as %XX") from None
    return found


def _text(attributes: dict[str, bytes], name: str) -> str:
    try:
        return attributes.get(name, b"").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument(f"PKCS#11 URI: {name} is not UTF-8") from None
