"""Attributes of objects in a token, whatever a module writes into them. Every call here is under the module's lock.

python-pkcs11 decodes the attributes of every object that a search finds, so that one odd label or flag anywhere in the
token ends the search for all keys. Here what cannot be decoded is None, and a label keeps bytes that are not UTF-8.
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
                return None  # a flag without a value is a flag that is not shown
            try:
                return super().unpack_attributes(key, value)
            except Exception:  # noqa: BLE001 - of any attribute, of any object in the token
                return None

    return Lenient


def lenient_attributes() -> Any:
    """What `Token.open` takes as its `attribute_mapper`."""
    return _mapper()()


def read_attribute(handle: Any, name: str) -> Any:
    """One attribute, None where the object does not have it, does not show it, or shows nothing that can be read."""
    import pkcs11

    try:
        return handle[pkcs11.Attribute[name]]
    except Exception as error:
        if is_lost(error):
            raise
        return None


def may_sign(handle: Any) -> bool:
    """False where the module says that the key may not; what a module does not show is tried."""
    return read_attribute(handle, "SIGN") is not False


def signing_object(handle: Any) -> Any:
    """The same object, with `sign`: python-pkcs11 leaves that out where the module does not show CKA_SIGN."""
    if hasattr(handle, "sign"):
        return handle
    return _signing_kind()(handle.wrapper)


@cache
def _signing_kind() -> type[Any]:
    import pkcs11._pkcs11

    library: Any = pkcs11._pkcs11
    return type("PrivateKey", (library.PrivateKey, library.SignMixin, library.Object), {})
