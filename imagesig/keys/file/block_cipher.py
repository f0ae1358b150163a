"""Ciphers in CBC mode, and legacy PEM encryption (`DEK-Info`) of keys that `cryptography` does not read."""

from __future__ import annotations

import hashlib

TRIPLE_DES = "tripledes_3key"


def decrypted_legacy(cipher: str, vector: bytes, content: bytes, passphrase: bytes) -> bytes:
    """What legacy PEM encryption (`DEK-Info`) hides; `cipher` is its name there.

    Raises:
        ValueError: wrong padding, after another passphrase or damage.
    """
    size = {"AES-128-CBC": 16, "AES-256-CBC": 32, "DES-EDE3-CBC": 24}[cipher.upper()]
    key = block = b""
    while len(key) < size:  # OpenSSL's EVP_BytesToKey, one round
        block = hashlib.md5(block + passphrase + vector[:8], usedforsecurity=False).digest()
        key += block
    return unpadded(TRIPLE_DES if size == 24 else cipher, key[:size], vector, content)


def unpadded(cipher: str, key: bytes, vector: bytes, content: bytes) -> bytes:
    """The decrypted content. Raises `ValueError` for wrong padding."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    block = TripleDES(key) if cipher == TRIPLE_DES else algorithms.AES(key)
    decryptor = Cipher(block, modes.CBC(vector)).decryptor()
    padded = decryptor.update(content) + decryptor.finalize()
    unpadder = PKCS7(block.block_size).unpadder()
    return bytes(unpadder.update(padded) + unpadder.finalize())
