"""Keys that are encrypted with a passphrase: their ciphers, and the PKCS#8 inside.

`cryptography` opens them, and shows neither the PKCS#8 nor further keys of a PKCS#12 file. Both matter: PKCS#8 says
whether an RSA key is restricted, and of several keys it must be clear which one signs. So this module decrypts too,
with the ciphers that are in use.

Spec: RFC 8018 (PBES2), RFC 7914 (scrypt), RFC 7292 section 4 and appendix B (PKCS#12).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from imagesig import limits
from imagesig.encoding import asn1
from imagesig.errors import ImagesigError, KeyUnusable, MalformedError
from imagesig.external import external_call
from imagesig.keys.file.block_cipher import TRIPLE_DES, unpadded

_AES_BYTES = {"aes128_cbc": 16, "aes192_cbc": 24, "aes256_cbc": 32}
_RC2_128_BITS = 58
"""How RFC 8018 writes them in the parameters of RC2."""
_READ_CIPHERS = frozenset({*_AES_BYTES, TRIPLE_DES, "rc2"})
_READ_SCHEMES = frozenset({"pkcs12_sha1_tripledes_3key", "pkcs12_sha1_rc2_40", "pkcs12_sha1_rc4_128", "pbes1_md5_des"})
"""The ciphers and the older schemes that `cryptography` reads."""
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_HASHES = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_BLOCK = 64
"""Bytes of a block of SHA-1."""


def unread_cipher(subject: str, cipher: str, hint: str) -> KeyUnusable:
    """The error for a key whose encryption is not read. It is no wrong passphrase."""
    return KeyUnusable(f"{subject}: encrypted in a way that is not read ({cipher}), AES-CBC is needed", hint=hint)


def check_derivation(data: bytes, subject: str, *, is_pkcs12: bool = False) -> None:
    """Returns unless opening this file would take more time or memory than any tool asks for.

    The file's author chooses both, and they are spent before a wrong passphrase is noticed.

    Raises:
        KeyUnusable: it would.
    """
    try:
        with external_call("private key", asn1.unreadable("the private key")):
            costs = list(_derivation_costs(data, is_pkcs12))
    except ImagesigError:
        return  # the reader that needs it says so
    for cost, most, unit in costs:
        if cost > most:
            raise KeyUnusable(f"{subject}: its passphrase is derived with {cost} {unit}, at most {most} are read")


def _derivation_costs(data: bytes, is_pkcs12: bool) -> Iterator[tuple[int, int, str]]:
    """The rounds, or the bytes of scrypt, of each derivation, with their limit and unit."""
    algorithms = list(_algorithms(data)) if is_pkcs12 else [_encrypted_key(data)["encryption_algorithm"]]
    rounds = [_rounds_of_mac(data)] if is_pkcs12 else []
    for algorithm in algorithms:
        parameters = algorithm["parameters"]
        if algorithm["algorithm"].native != "pbes2":
            rounds.append(parameters["iterations"].native)
            continue
        function = parameters["key_derivation_func"]
        if function["algorithm"].native == "pbkdf2":
            rounds.append(function["parameters"]["iteration_count"].native)
        else:
            _, cost, block, parallel = _scrypt_parameters(function["parameters"])
            yield 128 * cost * block * parallel, limits.DERIVATION_BYTES, "bytes"
    for count in rounds:
        yield count, limits.DERIVATION_ROUNDS, "rounds"


def _rounds_of_mac(data: bytes) -> int:
    from asn1crypto import pkcs12

    mac = pkcs12.Pfx.load(data)["mac_data"].native
    return int(mac["iterations"]) if mac else 0


def cipher_of_pkcs8(der: bytes) -> str:
    """The cipher of an EncryptedPrivateKeyInfo that `cryptography` does not read; empty if it does, or not known."""
    try:
        with external_call("private key", asn1.unreadable("the private key")):
            return _unread(_encrypted_key(der)["encryption_algorithm"])
    except ImagesigError:
        return ""


def cipher_of_pkcs12(data: bytes) -> str:
    """The same for everything that is encrypted in a PKCS#12 file."""
    try:
        with external_call("PKCS#12 file", asn1.unreadable("the PKCS#12 file")):
            return next((name for algorithm in _algorithms(data) if (name := _unread(algorithm))), "")
    except ImagesigError:
        return ""


def decrypted_pkcs8(der: bytes, passphrase: bytes) -> bytes | None:
    """The PKCS#8 in an EncryptedPrivateKeyInfo; None if this module does not decrypt its cipher."""
    try:
        with external_call("private key", asn1.unreadable("the private key")):
            info = _encrypted_key(der)
            return _decrypted(info["encryption_algorithm"], info["encrypted_data"].native, passphrase)
    except MalformedError:
        return None


def keys_in_pkcs12(data: bytes, passphrase: bytes) -> frozenset[tuple[bytes, bool]]:
    """Every distinct private key of a PKCS#12 file: its PKCS#8 and True, or encrypted bytes and False.

    Keys in contents that this module does not decrypt are not seen: before OpenSSL 3, RC2 encrypted the certificates.

    Raises:
        MalformedError: the structure cannot be read.
    """
    with external_call("PKCS#12 file", asn1.unreadable("the PKCS#12 file")):
        return frozenset(_keys(data, passphrase))


def _encrypted_key(der: bytes) -> Any:
    from asn1crypto import keys

    asn1.check(der, "private key")
    return keys.EncryptedPrivateKeyInfo.load(der, strict=True)


# --- PKCS#12 ---------------------------------------------------------------------------------------------------------


def _contents(data: bytes) -> list[Any]:
    from asn1crypto import pkcs12

    asn1.check(data, "PKCS#12 file")
    return list(pkcs12.Pfx.load(data).authenticated_safe)


def _bags(content: bytes) -> Iterator[Any]:
    from asn1crypto import pkcs12

    asn1.check(content, "PKCS#12 file")
    for bag in pkcs12.SafeContents.load(content):
        if bag["bag_id"].native == "safe_contents":
            yield from _bags(bag["bag_value"].dump())
        else:
            yield bag


def _keys(data: bytes, passphrase: bytes) -> Iterator[tuple[bytes, bool]]:
    for info in _contents(data):
        if info["content_type"].native == "data":
            content = info["content"].native
        elif info["content_type"].native == "encrypted_data":
            inner = info["content"]["encrypted_content_info"]
            algorithm = inner["content_encryption_algorithm"]
            content = _decrypted(algorithm, inner["encrypted_content"].native, passphrase)
        else:
            content = None
        for bag in () if content is None else _bags(content):
            kind, value = bag["bag_id"].native, bag["bag_value"]
            if kind == "key_bag":
                yield value.dump(), True
            elif kind == "pkcs8_shrouded_key_bag":
                encrypted = value["encrypted_data"].native
                key = _decrypted(value["encryption_algorithm"], encrypted, passphrase)
                yield (encrypted, False) if key is None else (key, True)


def _algorithms(data: bytes) -> Iterator[Any]:
    """The algorithm of everything that is encrypted and can be seen without the passphrase."""
    for info in _contents(data):
        if info["content_type"].native == "encrypted_data":
            yield info["content"]["encrypted_content_info"]["content_encryption_algorithm"]
        elif info["content_type"].native == "data":
            for bag in _bags(info["content"].native):
                if bag["bag_id"].native == "pkcs8_shrouded_key_bag":
                    yield bag["bag_value"]["encryption_algorithm"]


# --- ciphers ---------------------------------------------------------------------------------------------------------


def _unread(algorithm: Any) -> str:
    scheme = str(algorithm["algorithm"].native)
    if scheme != "pbes2":
        return "" if scheme in _READ_SCHEMES else scheme
    encryption, function = (algorithm["parameters"][name] for name in ("encryption_scheme", "key_derivation_func"))
    cipher = str(encryption["algorithm"].native)
    if function["algorithm"].native == "pbkdf2":
        hash_name = str(function["parameters"]["prf"]["algorithm"].native)
        if hash_name not in _HASHES:
            return f"{cipher} with {hash_name}"
    if cipher == "rc2" and encryption["parameters"]["rc2_parameter_version"].native != _RC2_128_BITS:
        return cipher
    return "" if cipher in _READ_CIPHERS else cipher


def _decrypted(algorithm: Any, content: bytes, passphrase: bytes) -> bytes | None:
    """The content; None for a cipher or derivation that is not decrypted here, or another passphrase."""
    scheme, parameters = algorithm["algorithm"].native, algorithm["parameters"]
    if scheme == "pkcs12_sha1_tripledes_3key":
        salt, count = parameters["salt"].native, parameters["iterations"].native
        derived = (
            [_pkcs12_derived(secret, salt, purpose, count, size) for purpose, size in ((1, 24), (2, 8))]
            for secret in _pkcs12_secrets(passphrase)
        )
        found = (_opened(TRIPLE_DES, key, vector, content) for key, vector in derived)
        return next((item for item in found if item is not None), None)
    if scheme != "pbes2":
        return None
    encryption = parameters["encryption_scheme"]
    cipher = encryption["algorithm"].native
    size = 24 if cipher == TRIPLE_DES else _AES_BYTES.get(cipher, 0)
    key = _derived(parameters["key_derivation_func"], passphrase, size) if size else None
    return None if key is None else _opened(cipher, key, encryption["parameters"].native, content)


def _derived(function: Any, passphrase: bytes, size: int) -> bytes | None:
    name, parameters = function["algorithm"].native, function["parameters"]
    if name == "pbkdf2":
        hash_name = parameters["prf"]["algorithm"].native
        salt, count = parameters["salt"].native, parameters["iteration_count"].native
        return hashlib.pbkdf2_hmac(hash_name, passphrase, salt, count, size) if hash_name in _HASHES else None
    if name in (_SCRYPT, "scrypt"):
        salt, cost, block, parallel = _scrypt_parameters(parameters)
        memory = 128 * block * (cost + parallel + 4)  # RFC 7914 section 5, and a little more
        return hashlib.scrypt(passphrase, salt=salt, n=cost, r=block, p=parallel, dklen=size, maxmem=memory)
    return None


def _scrypt_parameters(parameters: Any) -> tuple[bytes, int, int, int]:
    """Salt, cost, block size and parallelization."""
    from asn1crypto import core

    given = core.SequenceOf.load(parameters.dump(), spec=core.Any)
    salt, cost, block, parallel = [item.parse().native for item in given][:4]
    return salt, cost, block, parallel


def _opened(cipher: str, key: bytes, vector: bytes, content: bytes) -> bytes | None:
    try:
        opened = unpadded(cipher, key, vector, content)
    except ValueError:
        return None
    return opened if opened[:1] == b"\x30" else None


def _pkcs12_secrets(passphrase: bytes) -> Iterator[bytes]:
    """The passphrase as PKCS#12 writes it: in UTF-16, with a zero. Tools disagree about an empty one."""
    try:
        text = passphrase.decode("utf-8")
    except UnicodeDecodeError:
        text = passphrase.decode("latin-1")
    yield text.encode("utf-16-be") + b"\0\0"
    if not passphrase:
        yield b""


def _pkcs12_derived(secret: bytes, salt: bytes, purpose: int, count: int, size: int) -> bytes:
    """RFC 7292 appendix B.2 with SHA-1."""
    state = b"".join(_repeated(part) for part in (salt, secret) if part)
    result = b""
    while len(result) < size:
        block = hashlib.sha1(bytes([purpose]) * _BLOCK + state, usedforsecurity=False).digest()
        for _ in range(1, count):
            block = hashlib.sha1(block, usedforsecurity=False).digest()
        result += block
        added = int.from_bytes((block * 4)[:_BLOCK]) + 1
        state = b"".join(
            ((int.from_bytes(state[at : at + _BLOCK]) + added) % (1 << 8 * _BLOCK)).to_bytes(_BLOCK)
            for at in range(0, len(state), _BLOCK)
        )
    return result[:size]


def _repeated(part: bytes) -> bytes:
    """The bytes, repeated up to a whole number of blocks."""
    size = -(-len(part) // _BLOCK) * _BLOCK
    return (part * (size // len(part) + 1))[:size]
