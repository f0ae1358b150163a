"""Attributes of objects in a token, read leniently. Call these functions under the module's lock.

python-pkcs11 decodes the attributes of every object that a search finds, so one odd label or flag in the token ends the
search for all keys. Here an attribute that cannot be decoded is None, and a label keeps bytes that are not UTF-8.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from imagesig.keys.pkcs11.errors import is_lost


@cache
def _mapper() -> type[Any]:
    import pkcs11
    from pkcs11.attributes import AttributeMapper

    text = {pkcs11.Attribute.LABEL, pkcs11.Attribute.APPLICATION, pkcs11.Attribute.URL, pkcs11.Attribute.UNIQUE_ID}

    class Lenient(AttributeMapper):
        def pack_attribute(self, key: Any, value: Any) -> bytes:
            if key in text and isinstance(value, str):
                return value.encode("utf-8", "surrogateescape")
            packed: bytes = super().pack_attribute(key, value)
            return packed

        def unpack_attributes(self, key: Any, value: bytes) -> Any:
            if key in text:
                return value.decode("utf-8", "surrogateescape")
            if not value:
                return None  # a flag without a value, as if the object did not have it
            try:
                return super().unpack_attributes(key, value)
            except Exception:  # noqa: BLE001 - python-pkcs11 raises various types
                return None

    return Lenient


def lenient_attributes() -> Any:
    """The `attribute_mapper` for `Token.open`."""
    return _mapper()()


def read_attribute(handle: Any, name: str) -> Any:
    """One attribute; None if the object has none, hides it, or if it cannot be decoded."""
    import pkcs11

    try:
        return handle[pkcs11.Attribute[name]]
    except Exception as error:
        if is_lost(error):
            raise
        return None


def may_sign(handle: Any) -> bool:
    """False if the module says that the key may not sign. If it says nothing, signing is tried."""
    return read_attribute(handle, "SIGN") is not False


def signing_object(handle: Any) -> Any:
    """The same object with the method `sign`, which python-pkcs11 omits if the module hides CKA_SIGN."""
    return _signing_kind()(handle.wrapper)


@cache
def _signing_kind() -> type[Any]:
    import pkcs11._pkcs11

    library: Any = pkcs11._pkcs11
    # python-pkcs11 asks the module for the type of key at each signature, and needs it only to choose a mechanism.
    members = {"key_type": None}
    return type("PrivateKey", (library.PrivateKey, library.SignMixin, library.Object), members)
