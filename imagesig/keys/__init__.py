"""Signing keys and their providers. Each provider loads its SDK on first use."""

from imagesig.keys.provider import KeyInfo, KeyProvider, ManagesKeys, SigningKey
from imagesig.keys.uri import KeySettings, open_key, open_public_keys, resolve_key

__all__ = [
    "KeyInfo",
    "KeyProvider",
    "KeySettings",
    "ManagesKeys",
    "SigningKey",
    "open_key",
    "open_public_keys",
    "resolve_key",
]
