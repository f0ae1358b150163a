"""Reads private keys in every supported format.

PEM `PRIVATE KEY` and `ENCRYPTED PRIVATE KEY` (PKCS#8), `EC PRIVATE KEY` (SEC1) and `RSA PRIVATE KEY` (PKCS#1), also
with legacy PEM encryption, cosign's encrypted key, PKCS#12 with its certificates, and the keys of notary and docker's
content trust. Anything else is `KeyUnusable`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from itertools import chain as chain_together
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from imagesig.crypto.certificate_pem import BEGIN
from imagesig.crypto.key_text import hint_for_private_key
from imagesig.crypto.restricted import check_unrestricted
from imagesig.errors import (
    KeyProviderError,
    KeyUnusable,
    MalformedError,
    SecretRequired,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.external import external_call
from imagesig.keys.chain import chain_in
from imagesig.keys.file import cosign_key, notary_key
from imagesig.keys.file.block_cipher import decrypted_legacy
from imagesig.keys.file.disk import read_key_file
from imagesig.keys.file.form import NOTARY_ED25519, PEM_LABEL, PLAIN_LABELS, Form, form_of, pem_block
from imagesig.keys.file.password_encryption import (
    check_derivation,
    cipher_of_pkcs8,
    decrypted_pkcs8,
    unread_cipher,
)
from imagesig.keys.file.pkcs12 import read_pkcs12
from imagesig.keys.file.private_key import PrivateKey, encoded
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource, ask, docker_variable
from imagesig.patterns import regex

# The ciphers that `cryptography` reads. A vector of another length makes `cryptography` 50 panic.
_LEGACY_ENCRYPTION = regex(
    rb"^DEK-Info: (AES-(128|256)-CBC,[0-9A-F]{32}|DES-EDE3-CBC,[0-9A-F]{16})\r?$", re.IGNORECASE | re.MULTILINE
)
_Key = TypeVar("_Key", PrivateKey, PrivateKey | None)
_NOT_READ = "not a private key that imagesig reads"
_READ = "give PEM (PKCS#8, SEC1, PKCS#1), cosign's encrypted key or PKCS#12"
_DAMAGED = "copy the key again, or make it anew from its source; `openssl pkey -in FILE -noout` checks it"
_TRY_RIGHT_ONE = "give the right passphrase; of a secret in a file, only one line break at its end is left out"
CONVERT = "convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW.pem"


def read_private_key(data: bytes, subject: str, secrets: SecretSource) -> PrivateKey:
    """The only private key in the contents of a key file. `subject` names the file in errors and to `secrets`.

    `secrets` is asked once, and only if the key is encrypted. All slow work is done here, not when signing.
    Every error has a hint.

    Raises:
        KeyUnusable: no private key, more than one, or a damaged one.
        SecretRequired: the key is encrypted and there is no passphrase.
        WrongSecret: the passphrase is wrong.
        UnsupportedAlgorithm: an unsupported curve, RSA size or key type.
    """
    try:
        return _read(data, subject, secrets)
    except KeyUnusable as error:
        error.hint = error.hint or hint_for_private_key(data, _DAMAGED if form_of(data) else _READ)
        raise
    except WrongSecret as error:
        error.hint = error.hint or _TRY_RIGHT_ONE
        raise


def _read(data: bytes, subject: str, secrets: SecretSource) -> PrivateKey:
    form = form_of(data)
    if form is None:
        several = len(PEM_LABEL.findall(data)) > 1
        what = "several private keys in one file, exactly one is needed" if several else _NOT_READ
        raise KeyUnusable(f"{subject}: {what}", hint="write the one to sign with into another file" if several else "")
    if form is Form.PKCS12:
        return read_pkcs12(data, subject, lambda: passphrase_for(subject, secrets))
    block = pem_block(data)
    assert block is not None
    label, pem = block
    if form is Form.COSIGN:
        pkcs8 = _open_cosign(pem, subject, passphrase_for(subject, secrets))
        return _load(lambda: _from_pkcs8(pkcs8), subject)
    if form is Form.ENCRYPTED:
        if label in PLAIN_LABELS and not _LEGACY_ENCRYPTION.search(pem):
            raise unread_cipher(subject, "its DEK-Info", CONVERT)
        passphrase = passphrase_for(subject, secrets, notary_key.attributes_of(data).role)
        if label == NOTARY_ED25519:
            return _load(lambda: _from_legacy_ed25519(pem, passphrase), subject, encrypted=True)
        if label in PLAIN_LABELS:
            return _load(lambda: _from_pem(pem, passphrase), subject, encrypted=True)
        return _from_encrypted_pkcs8(pem, passphrase, subject)
    if label == b"PRIVATE KEY":
        return _load(lambda: _from_pkcs8(_der(pem)), subject)
    if label == NOTARY_ED25519:
        return _load(lambda: notary_key.read_ed25519(_der(pem)), subject)
    return _load(lambda: _from_pem(pem, None), subject)


def passphrase_for(subject: str, secrets: SecretSource, role: str = "") -> bytes:
    """The passphrase of an encrypted key. Raises `SecretRequired` if the source has none."""
    secret = ask(secrets, SecretRequest(SecretKind.PASSPHRASE, subject, role=role))
    if secret is None:
        variable = docker_variable(role) if role else "IMAGESIG_PASSPHRASE"
        raise SecretRequired(
            f"{subject}: the key is encrypted and no passphrase was given",
            hint=f"put it into a file for --passphrase-file, or into the variable {variable}",
        )
    return encoded(secret)


def _load(load: Callable[[], _Key], subject: str, *, encrypted: bool = False) -> _Key:
    try:
        with external_call(subject, lambda error: _not_loaded(subject, encrypted, error)):
            return load()
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithm(f"{subject}: {error}", hint=error.hint) from None


def _not_loaded(subject: str, encrypted: bool, error: Exception) -> KeyProviderError | None:
    from cryptography.exceptions import InternalError
    from cryptography.exceptions import UnsupportedAlgorithm as Unknown

    if isinstance(error, ValueError | TypeError | InternalError):  # `InternalError`: a short Ed448 key
        if encrypted:  # a wrong passphrase decrypts to random bytes, which look like damage
            return WrongSecret(f"{subject}: the passphrase is wrong, or the file is damaged")
        return KeyUnusable(f"{subject}: an invalid or damaged private key")
    if isinstance(error, Unknown):
        return KeyUnusable(f"{subject}: OpenSSL does not support its encryption or encoding")
    return None


def _from_pem(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return PrivateKey.of(load_pem_private_key(pem, passphrase))


def _from_der(der: bytes, passphrase: bytes) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return PrivateKey.of(load_der_private_key(der, passphrase))


def _from_encrypted_pkcs8(pem: bytes, passphrase: bytes, subject: str) -> PrivateKey:
    try:
        encrypted = _der(pem)
    except ValueError:
        encrypted = b""  # the error below says so
    check_derivation(encrypted, subject)
    try:
        # These bytes, not the text: in a block with headers, `cryptography` finds others than were checked.
        key = _load(lambda: _from_der(encrypted, passphrase), subject, encrypted=True)
    except (WrongSecret, KeyUnusable):
        if other := _load_other(encrypted, passphrase, subject):
            return other
        if cipher := cipher_of_pkcs8(encrypted):
            raise unread_cipher(subject, cipher, CONVERT) from None
        raise
    if key.public_key.key_type.is_rsa:
        pkcs8 = decrypted_pkcs8(encrypted, passphrase)
        if pkcs8 is None:  # it may be restricted to PSS
            raise unread_cipher(subject, "an outdated one, for a key of RSA", CONVERT)
        check_unrestricted(pkcs8, subject)
    return key


def _load_other(encrypted: bytes, passphrase: bytes, subject: str) -> PrivateKey | None:
    """The key if it is of a kind that `cryptography` does not read; None for other kinds and passphrases."""
    pkcs8 = decrypted_pkcs8(encrypted, passphrase)
    if pkcs8 is None:
        return None
    if pkcs8.startswith(_ED25519_VERSION_2):
        return _load(lambda: _from_ed25519_version_2(pkcs8), subject, encrypted=True)
    return _load(lambda: notary_key.read_pkcs8(pkcs8), subject, encrypted=True)


def _from_legacy_ed25519(pem: bytes, passphrase: bytes) -> PrivateKey:
    match = _LEGACY_ENCRYPTION.search(pem)
    assert match is not None
    cipher, _, vector = match[1].partition(b",")
    body = pem.split(b"-----")[2].split(match[0], 1)[1]
    content = base64.b64decode(b"".join(body.split()), validate=True)
    return notary_key.read_ed25519(
        decrypted_legacy(cipher.decode(), bytes.fromhex(vector.decode()), content, passphrase)
    )


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.split(b"-----")[2].split()), validate=True)


_ED25519_VERSION_2 = bytes.fromhex("3051020101300506032b657004220420")


def _from_pkcs8(der: bytes) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    check_unrestricted(der, "private key")
    if der.startswith(_ED25519_VERSION_2):
        return _from_ed25519_version_2(der)
    if key := notary_key.read_pkcs8(der):
        return key
    return PrivateKey.of(load_der_private_key(der, None))


def _from_ed25519_version_2(der: bytes) -> PrivateKey:
    """An Ed25519 key in PKCS#8 version 2, as Rust tools write it: the public key follows the private one.

    `cryptography` reads only version 1. The layout is fixed: RFC 8410 section 10.3, without attributes.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    start = len(_ED25519_VERSION_2)
    private, rest = der[start : start + 32], der[start + 32 :]
    loaded = Ed25519PrivateKey.from_private_bytes(private)
    if rest != b"\x81\x21\x00" + loaded.public_key().public_bytes_raw():
        raise ValueError("the public key does not belong to the private key")
    return PrivateKey.of(loaded)


def _open_cosign(pem: bytes, subject: str, passphrase: bytes) -> bytes:
    try:
        return cosign_key.decrypt(pem, passphrase)
    except MalformedError as error:
        raise KeyUnusable(f"{subject}: {error}", hint=error.hint) from error
    except WrongSecret as error:
        raise WrongSecret(f"{subject}: {error}") from None


def with_certificates(private_key: PrivateKey, content: bytes, path: Path | None = None) -> PrivateKey:
    """The key with its certificates: its own, else those in the same PEM text, else those in a file beside it."""
    texts = chain_together([content], () if path is None else _certificate_files(path))
    for text in () if private_key.chain else texts:
        if BEGIN in text and (chain := chain_in(text, private_key.public_key)):
            return replace(private_key, chain=chain)
    return private_key


def _certificate_files(path: Path) -> Iterator[bytes]:
    """The contents of the readable files among `x.crt`, `x.pem`, `x.key.crt` and `x.key.pem`, for `x.key`."""
    for suffix in (".crt", ".pem"):
        for name in dict.fromkeys((path.with_suffix(suffix), path.with_name(path.name + suffix))):
            try:
                if name != path and (content := read_key_file(name).content):
                    yield content
            except KeyProviderError:
                continue
