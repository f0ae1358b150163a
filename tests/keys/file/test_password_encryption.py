"""A key file cannot make its reader spend any time or memory before the passphrase is known to be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import keys, parser, pem, pkcs12
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from imagesig import open_key
from imagesig.errors import KeyUnusable, WrongSecret
from imagesig.keys.secrets import fixed
from tests.keys.file.test_private_key import _EC

_ENCRYPTION = BestAvailableEncryption(b"right passphrase")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_ROUNDS = 2**31 - 1


def _der(tag: int, content: bytes) -> bytes:
    return bytes(parser.emit(0, int(tag == 16), tag, content))


def _pkcs8(function: Callable[[keys.EncryptedPrivateKeyInfo], bytes]) -> bytes:
    """An encrypted key with another derivation function."""
    der = _EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, _ENCRYPTION)
    info = keys.EncryptedPrivateKeyInfo.load(der)
    old = info["encryption_algorithm"]["parameters"]["key_derivation_func"].dump()
    return pem.armor("ENCRYPTED PRIVATE KEY", _replaced(der, old, function(info)))


def _replaced(der: bytes, old: bytes, new: bytes) -> bytes:
    """The DER with one value in the place of another, and the lengths around it."""
    if der == old:
        return new
    kind, method, tag, _, content, _ = parser.parse(der)
    if not method:
        return der
    parts, at = b"", 0
    while at < len(content):
        _, _, _, head, body, tail = parser.parse(content[at:])
        size = len(head + body + tail)
        parts += _replaced(content[at : at + size], old, new)
        at += size
    return bytes(parser.emit(kind, method, tag, parts))


def _many_rounds(info: keys.EncryptedPrivateKeyInfo) -> bytes:
    function = info["encryption_algorithm"]["parameters"]["key_derivation_func"]
    function["parameters"]["iteration_count"] = _ROUNDS
    return bytes(function.dump(force=True))


def _scrypt(cost: int, parallel: int) -> Callable[[keys.EncryptedPrivateKeyInfo], bytes]:
    numbers = b"".join(_der(2, number.to_bytes(8)) for number in (cost, 8, parallel))
    return lambda _: _der(16, _SCRYPT + _der(16, _der(4, b"saltsalt") + numbers))


def _pkcs12(*, mac: bool) -> bytes:
    der = serialize_key_and_certificates(b"name", _EC, None, None, _ENCRYPTION)
    pfx = pkcs12.Pfx.load(der)
    if mac:
        pfx["mac_data"]["iterations"] = _ROUNDS
        return bytes(pfx.dump(force=True))
    (info,) = pfx.authenticated_safe
    (bag,) = pkcs12.SafeContents.load(info["content"].native)
    bag["bag_value"]["encryption_algorithm"]["parameters"]["key_derivation_func"]["parameters"]["iteration_count"] = (
        _ROUNDS
    )
    safe = pkcs12.AuthenticatedSafe([{"content_type": "data", "content": pkcs12.SafeContents([bag]).dump(force=True)}])
    pfx["auth_safe"]["content"] = safe.dump(force=True)
    return bytes(pfx.dump(force=True))


FILES = {
    "PBKDF2 with many rounds": lambda: _pkcs8(_many_rounds),
    "scrypt with much memory": lambda: _pkcs8(_scrypt(2**24, 1)),
    "scrypt with much work": lambda: _pkcs8(_scrypt(2**14, 2**20)),
    "PKCS#12, many rounds for its MAC": lambda: _pkcs12(mac=True),
    "PKCS#12, many rounds for its key": lambda: _pkcs12(mac=False),
}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_a_key_that_is_too_dear_to_open_is_refused_at_once(make: Callable[[], bytes], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(make())
    file.chmod(0o600)
    began = time.process_time()
    with pytest.raises(KeyUnusable, match="its passphrase is derived with"):
        open_key(str(file), secrets=fixed("a wrong passphrase"))
    assert time.process_time() - began < 1


@pytest.mark.parametrize("header", ["DEK-Info: AES-256-CBC,00", "Proc-Type: 4,ENCRYPTED", "role: alice"])
def test_a_header_hides_no_derivation_that_is_too_dear(header: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    first, rest = _pkcs8(_many_rounds).decode().split("\n", 1)
    file.write_text(f"{first}\n{header}\n\n{rest}")
    file.chmod(0o600)
    began = time.process_time()
    with pytest.raises((KeyUnusable, WrongSecret)):
        open_key(str(file), secrets=fixed("a wrong passphrase"))
    assert time.process_time() - began < 1
