"""Parses Vault's answers about transit keys: versions of a key, and signatures."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import BadSignature, ImagesigError, KeyProviderError, KeyUnusable
from imagesig.patterns import regex
from imagesig.text import quote

_SIGNATURE = regex(r"vault:v([0-9]{1,9}):([A-Za-z0-9+/]+={0,2})")
_TYPES = {key_type.value: key_type for key_type in KeyType}
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


class KeyVersions(Struct, frozen=True):
    """Every version of one transit key whose signatures Vault still accepts."""

    key_type: KeyType
    public_keys: dict[int, PublicKey]

    @property
    def latest(self) -> int:
        return max(self.public_keys)


def parse_key(data: dict[str, Any], key_id: str) -> KeyVersions:
    type_name = data.get("type")
    if not isinstance(type_name, str):
        raise KeyProviderError(
            f"{key_id}: Vault's answer names no type of key", hint="name the mount of a transit engine: ?mount=NAME"
        )
    if type_name not in _TYPES:
        raise KeyUnusable(
            f"{key_id}: is a {quote(type_name)} key, one of {', '.join(_TYPES)} is needed", hint="name another key"
        )
    if data.get("derived"):
        raise KeyUnusable(f"{key_id}: is a derived key, which has no public key", hint="name another key")
    keys = data.get("keys")
    if not isinstance(keys, dict) or not keys:
        raise KeyProviderError(f"{key_id}: Vault's answer has no versions of it")
    oldest = max(int(data.get(name) or 0) for name in ("min_available_version", "min_decryption_version"))
    found = {}
    for text, entry in keys.items():
        if not text.isdecimal() or not isinstance(entry, dict):
            raise KeyProviderError(f"{key_id}: Vault's answer has the version {quote(text)}, a number is needed")
        if int(text) >= oldest:
            found[int(text)] = _parse_public_key(entry.get("public_key"), _TYPES[type_name], f"{key_id} version {text}")
    if not found:
        raise KeyUnusable(
            f"{key_id}: none of its versions may be used (min_decryption_version {oldest})",
            hint="lower min_decryption_version of the key",
        )
    return KeyVersions(_TYPES[type_name], found)


def _parse_public_key(text: object, key_type: KeyType, what: str) -> PublicKey:
    if not isinstance(text, str) or len(text) > limits.PUBLIC_KEY_BYTES:
        raise KeyProviderError(f"{what}: Vault's answer has no public key")
    try:
        if key_type is KeyType.ED25519:
            raw = base64.b64decode(text, validate=True)
            public_key = PublicKey.from_der(_ED25519_SPKI + raw)
        else:
            public_key = PublicKey.from_pem(text)
    except (ImagesigError, binascii.Error) as error:
        raise KeyProviderError(f"{what}: its public key cannot be read ({error})") from error
    if public_key.key_type is not key_type:
        raise KeyProviderError(f"{what}: is a {public_key.key_type.value} key, but Vault calls it {key_type.value}")
    return public_key


def parse_signatures(data: dict[str, Any], count: int, key_id: str) -> tuple[int, list[bytes]]:
    results = data.get("batch_results")
    if not isinstance(results, list) or len(results) != count:
        raise BadSignature(f"{key_id}: Vault's answer does not have {count} signatures")
    versions, signatures = set(), []
    for number, result in enumerate(results):
        error = result.get("error") if isinstance(result, dict) else "no object"
        if error:
            raise KeyUnusable(
                f"{key_id}: Vault did not sign message {number + 1} of {count}: {quote(error)}",
                hint="check the version, and min_encryption_version and the other settings of the key",
            )
        match = _SIGNATURE.fullmatch(str(result.get("signature")))
        if not match:
            raise BadSignature(f"{key_id}: Vault's answer {quote(result.get('signature'))} is not vault:vN:BASE64")
        versions.add(int(match[1]))
        signatures.append(base64.b64decode(match[2]))
    if len(versions) != 1:
        raise BadSignature(f"{key_id}: one call was signed with the versions {sorted(versions)}, one is needed")
    return versions.pop(), signatures
