"""cosign's encrypted private key: PKCS#8 in a NaCl secretbox whose key scrypt derives from the passphrase.

::

    -----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
    base64 of {"kdf": {"name": "scrypt", "params": {"N", "r", "p"}, "salt"},
               "cipher": {"name": "nacl/secretbox", "nonce"}, "ciphertext"}       byte strings in base64
    -----END ENCRYPTED SIGSTORE PRIVATE KEY-----

Older files have `COSIGN` instead of `SIGSTORE`. An empty passphrase is allowed.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import OURS, as_bytes, as_object
from imagesig.errors import LimitExceeded, MalformedError, WrongSecret
from imagesig.external import external_call
from imagesig.keys.file.form import COSIGN_LABELS
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

_WHAT = "cosign key"
_SALT_BYTES = 32
_NONCE_BYTES = 24
_TAG_BYTES = 16
_KEY_BYTES = 32

_SCRYPT = (65536, 8, 1)
# The parameters that cosign accepts. Others could need gigabytes of memory and hours of work before a wrong passphrase
# is noticed.
_ACCEPTED_SCRYPT = ((32768, 8, 1), _SCRYPT, (131072, 8, 1))


class _Box(RedactedStruct, frozen=True):
    """The decoded file. `scrypt` is (N, r, p)."""

    hidden = ("ciphertext",)

    scrypt: tuple[int, int, int]
    salt: bytes
    nonce: bytes
    ciphertext: bytes


def decrypt(pem: bytes, passphrase: bytes) -> bytes:
    """The private key as PKCS#8 DER. The key derivation needs about 0.3 s and 64 MiB, by design.

    Raises:
        MalformedError: not an encrypted key of cosign, or other key derivation parameters.
        LimitExceeded: the file is too large.
        WrongSecret: the passphrase is wrong.
    """
    box = _parse(pem)
    with external_call(_WHAT, _not_opened):
        from nacl.secret import SecretBox

        return SecretBox(_derive(box, passphrase)).decrypt(box.ciphertext, box.nonce)


def _not_opened(error: Exception) -> WrongSecret | None:
    from nacl.exceptions import CryptoError

    if isinstance(error, CryptoError):
        return WrongSecret(f"{_WHAT}: the passphrase is wrong")
    return None


def encrypt(pkcs8: bytes, passphrase: bytes) -> bytes:
    """cosign's encrypted key file for a private key in PKCS#8 DER."""
    box = _Box(_SCRYPT, os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES), b"")
    with external_call(_WHAT):
        from nacl.secret import SecretBox

        ciphertext = SecretBox(_derive(box, passphrase)).encrypt(pkcs8, box.nonce).ciphertext
    n, r, p = box.scrypt
    document = {
        "kdf": {"name": "scrypt", "params": {"N": n, "r": r, "p": p}, "salt": _text(box.salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(box.nonce)},
        "ciphertext": _text(ciphertext),
    }
    label = COSIGN_LABELS[0].decode()
    import textwrap

    body = "\n".join(textwrap.wrap(_text(go_json(document)), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def _derive(box: _Box, passphrase: bytes) -> bytes:
    n, r, p = box.scrypt
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    # speed: OpenSSL's scrypt takes two thirds of libsodium's time (benchmarks/test_cli.py)
    return Scrypt(salt=box.salt, length=_KEY_BYTES, n=n, r=r, p=p).derive(passphrase)


def _parse(pem: bytes) -> _Box:
    document = parse_object(_pem_body(pem), _WHAT, OURS)
    kdf = as_object(document.get("kdf"), f"{_WHAT}: kdf")
    cipher = as_object(document.get("cipher"), f"{_WHAT}: cipher")
    if kdf.get("name") != "scrypt":
        raise MalformedError(f"{_WHAT}: key derivation {quote(kdf.get('name'))}, 'scrypt' is needed")
    if cipher.get("name") != "nacl/secretbox":
        raise MalformedError(f"{_WHAT}: cipher {quote(cipher.get('name'))}, 'nacl/secretbox' is needed")
    box = _Box(
        scrypt=_scrypt_parameters(as_object(kdf.get("params"), f"{_WHAT}: params")),
        salt=as_bytes(kdf.get("salt"), f"{_WHAT}: salt"),
        nonce=as_bytes(cipher.get("nonce"), f"{_WHAT}: nonce"),
        ciphertext=as_bytes(document.get("ciphertext"), f"{_WHAT}: ciphertext"),
    )
    if len(box.salt) != _SALT_BYTES or len(box.nonce) != _NONCE_BYTES:
        raise MalformedError(
            f"{_WHAT}: salt of {len(box.salt)} and nonce of {len(box.nonce)} bytes, "
            f"{_SALT_BYTES} and {_NONCE_BYTES} are needed"
        )
    if len(box.ciphertext) <= _TAG_BYTES:
        raise MalformedError(f"{_WHAT}: ciphertext of {len(box.ciphertext)} bytes, more than {_TAG_BYTES} are needed")
    return box


def _pem_body(pem: bytes) -> bytes:
    if len(pem) > limits.KEY_FILE_BYTES:
        raise LimitExceeded(f"{_WHAT}: {len(pem)} bytes, at most {limits.KEY_FILE_BYTES} are read")
    for label in COSIGN_LABELS:
        _, found, rest = pem.partition(b"-----BEGIN %s-----" % label)
        body, ended, _ = rest.partition(b"-----END %s-----" % label)
        if found and ended:
            try:
                return base64.b64decode(b"".join(body.split()), validate=True)
            except binascii.Error:
                raise MalformedError(f"{_WHAT}: the PEM body is not base64") from None
    raise MalformedError(f"{_WHAT}: no PEM block {COSIGN_LABELS[0].decode()}")


def _scrypt_parameters(params: Mapping[str, object]) -> tuple[int, int, int]:
    given = tuple(params.get(name) for name in ("N", "r", "p"))
    for accepted in _ACCEPTED_SCRYPT:
        # `==` alone would accept 8.0 for 8 and True for 1.
        if given == accepted and all(type(number) is int for number in given):
            return accepted
    known = ", ".join(map(str, _ACCEPTED_SCRYPT))
    raise MalformedError(f"{_WHAT}: scrypt parameters {quote(given)} for (N, r, p), one of {known} is needed")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
