"""Private keys in memory: reading every form in which people keep them, signing with them, writing them down.

Read: PEM `PRIVATE KEY` and `ENCRYPTED PRIVATE KEY` (PKCS#8), `EC PRIVATE KEY` (SEC1) and `RSA PRIVATE KEY` (PKCS#1),
both also encrypted in the legacy way, cosign's encrypted key, and PKCS#12 with its certificates. Written: PKCS#8 PEM,
or cosign's encrypted key where there is a passphrase.

A file that is no such key raises `KeyUnusable`: for the place where it lies, that is what it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from imagesig.crypto.algorithms import Hash, KeyType, Scheme, ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    ImagesigError,
    KeyProviderError,
    KeyUnusable,
    MalformedError,
    SecretRequired,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.external import explained, external_call
from imagesig.keys.file import cosign_key
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource, ask
from imagesig.redacted import RedactedStruct

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


class PrivateKey(RedactedStruct, frozen=True):
    """A private key of a type that imagesig works with. `chain`: certificates, leaf first, if it came with any."""

    hidden = ("loaded",)

    loaded: PrivateKeyTypes
    public_key: PublicKey
    chain: tuple[Certificate, ...] = ()

    @classmethod
    def generate(cls, key_type: KeyType) -> PrivateKey:
        """A new key from the operating system's randomness."""
        with external_call("new private key"):
            return cls._generated(key_type)

    @classmethod
    def _generated(cls, key_type: KeyType) -> PrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        curves: dict[KeyType, ec.EllipticCurve] = {
            KeyType.ECDSA_P256: ec.SECP256R1(),
            KeyType.ECDSA_P384: ec.SECP384R1(),
            KeyType.ECDSA_P521: ec.SECP521R1(),
        }
        if key_type.is_ecdsa:
            return cls.of(ec.generate_private_key(curves[key_type]))
        if key_type.is_rsa:
            bits = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}[key_type]
            return cls.of(rsa.generate_private_key(public_exponent=65537, key_size=bits))
        return cls.of(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, loaded: PrivateKeyTypes) -> PrivateKey:
        """Wraps a key object of `cryptography`.

        Raises:
            UnsupportedAlgorithm: a curve, RSA size or kind of key that imagesig does not work with.
        """
        with external_call("private key"):
            return cls(loaded, PublicKey.from_cryptography(loaded.public_key()))

    def sign(self, request: ToSign) -> bytes:
        """The raw signature. ECDSA: DER.

        Raises:
            UnsupportedAlgorithm: the algorithm is not one for this type of key.
        """
        try:  # no `with`: it would be felt with every signature
            return self._sign(request)
        except ImagesigError:
            raise
        except Exception as error:
            raise explained(error, "signing with a private key in memory") from error

    def _sign(self, request: ToSign) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

        key, algorithm, message = self.loaded, request.algorithm, request.message
        if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm.scheme is Scheme.ECDSA and algorithm.hash:
            return key.sign(message, ec.ECDSA(_hash(algorithm.hash)))
        if isinstance(key, rsa.RSAPrivateKey) and algorithm.scheme is Scheme.RSA_PKCS1V15 and algorithm.hash:
            return key.sign(message, padding.PKCS1v15(), _hash(algorithm.hash))
        if isinstance(key, rsa.RSAPrivateKey) and algorithm.scheme is Scheme.RSA_PSS and algorithm.hash:
            salt_length = algorithm.hash.size if algorithm.salt_length is None else algorithm.salt_length
            scheme = padding.PSS(padding.MGF1(_hash(algorithm.hash)), salt_length)
            return key.sign(message, scheme, _hash(algorithm.hash))
        if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm.scheme is Scheme.ED25519:
            return key.sign(message)
        raise UnsupportedAlgorithm(f"a {self.public_key.key_type.value} key in memory cannot sign {algorithm}")

    def to_pem(self, passphrase: str | None) -> bytes:
        """PKCS#8 PEM where there is no passphrase; else, an empty one included, cosign's encrypted key."""
        with external_call("private key"):
            from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

            if passphrase is None:
                return self.loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pkcs8 = self.loaded.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cosign_key.encrypt(pkcs8, _encoded(passphrase))


class Form(Enum):
    """How a private key is kept; the value is for people."""

    PLAIN = "PEM, not encrypted"
    ENCRYPTED = "PEM, encrypted"
    COSIGN = "cosign encrypted key"
    PKCS12 = "PKCS#12"


_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)-----")
_PLAIN_LABELS = (b"PRIVATE KEY", b"EC PRIVATE KEY", b"RSA PRIVATE KEY")
# What `cryptography` reads; and the vector must be as long as its cipher wants, or `cryptography` 50 panics.
_LEGACY_ENCRYPTION = re.compile(
    rb"^DEK-Info: (AES-(128|256)-CBC,[0-9A-F]{32}|DES-EDE3-CBC,[0-9A-F]{16})\r?$", re.IGNORECASE | re.MULTILINE
)
_CONVERT = "convert it: openssl pkcs8 -topk8 -in FILE -out FILE.pem"
_PKCS12_VERSION = b"\x02\x01\x03"


def form_of(data: bytes) -> Form | None:
    """The form of the private key in `data`; None where there is none that imagesig reads."""
    if _is_pkcs12(data):
        return Form.PKCS12
    block = _pem_block(data)
    if block is None:
        return None
    label, text = block
    if label in cosign_key.LABELS:
        return Form.COSIGN
    if label == b"ENCRYPTED PRIVATE KEY" or (label in _PLAIN_LABELS and b"Proc-Type: 4,ENCRYPTED" in text):
        return Form.ENCRYPTED
    return Form.PLAIN if label in _PLAIN_LABELS else None


def has_private_key(data: bytes) -> bool:
    """Whether private key material may be in `data`, in a form that we read or in any other PEM block."""
    return b"PRIVATE KEY" in data or _is_pkcs12(data)


def read_private_key(data: bytes, subject: str, secrets: SecretSource) -> PrivateKey:
    """The one private key in the contents of a key file. `subject` names the file in errors and to `secrets`.

    `secrets` is asked only if the key is encrypted, and once. Everything slow happens here, nothing when signing.

    Raises:
        KeyUnusable: no private key, more than one, or damaged.
        SecretRequired: it is encrypted and there is no passphrase.
        WrongSecret: the passphrase does not open it.
        UnsupportedAlgorithm: another curve, RSA size or kind of key.
    """
    form = form_of(data)
    if form is None:
        raise _no_private_key(data, subject)
    if form is Form.PKCS12:
        from imagesig.keys.file.pkcs12 import read_pkcs12

        return read_pkcs12(data, subject, lambda: passphrase_for(subject, secrets))
    block = _pem_block(data)
    assert block is not None
    label, pem = block
    if form is Form.COSIGN:
        pkcs8 = _open_cosign(pem, subject, passphrase_for(subject, secrets))
        return _load(lambda: _from_pkcs8(pkcs8), subject)
    if form is Form.ENCRYPTED:
        if label in _PLAIN_LABELS and not _LEGACY_ENCRYPTION.search(pem):
            raise KeyUnusable(f"{subject}: encrypted in a way that is not read", hint=_CONVERT)
        passphrase = passphrase_for(subject, secrets)
        return _load(lambda: _from_pem(pem, passphrase), subject, encrypted=True)
    if label == b"PRIVATE KEY":
        return _load(lambda: _from_pkcs8(_der(pem)), subject)
    return _load(lambda: _from_pem(pem, None), subject)


def passphrase_for(subject: str, secrets: SecretSource) -> bytes:
    """The passphrase of an encrypted key. Raises `SecretRequired` where the source has none."""
    secret = ask(secrets, SecretRequest(SecretKind.PASSPHRASE, subject))
    if secret is None:
        raise SecretRequired(
            f"{subject}: the key is encrypted and no passphrase was given",
            hint="put it into a file for --passphrase-file, or into the variable IMAGESIG_PASSPHRASE",
        )
    return _encoded(secret)


def _encoded(passphrase: str) -> bytes:
    # A variable of the environment that is not UTF-8 reaches us with its bytes as surrogates.
    return passphrase.encode("utf-8", "surrogateescape")


def _is_pkcs12(data: bytes) -> bool:
    # PFX ::= SEQUENCE { version INTEGER {v3(3)}, ... }; every other DER private key says version 0 or 1 there. The
    # sequence's length takes 1 to 4 bytes, or is indefinite.
    return data[:1] == b"\x30" and _PKCS12_VERSION in (data[at : at + 3] for at in range(2, 7))


def _pem_block(data: bytes) -> tuple[bytes, bytes] | None:
    """Label and text of the one private key block. Other blocks (EC PARAMETERS, certificates) and prose are skipped."""
    labels = list(_PEM_LABEL.finditer(data))
    if len(labels) != 1:
        return None
    label, start = labels[0][1], labels[0].start()
    end_line = b"-----END %s-----" % label
    end = data.find(end_line, start)
    return None if end < 0 else (label, data[start : end + len(end_line)] + b"\n")


def _no_private_key(data: bytes, subject: str) -> KeyUnusable:
    if len(_PEM_LABEL.findall(data)) > 1:
        return KeyUnusable(f"{subject}: several private keys in one file, exactly one is needed")
    if b"OPENSSH PRIVATE KEY" in data:
        hint = "OpenSSH's own form is not read: convert a copy with ssh-keygen -p -m PKCS8 -f FILE"
    elif b"PUBLIC KEY-----" in data:
        hint = "this is a public key: signing needs the private one"
    elif data[:1] == b"\x30":
        hint = "this may be DER: convert it with openssl pkey -inform DER -in FILE -out FILE.pem"
    else:
        hint = "PEM (PKCS#8, SEC1, PKCS#1), cosign's encrypted key and PKCS#12 are read"
    return KeyUnusable(f"{subject}: no private key that imagesig reads", hint=hint)


def _load(load: Callable[[], PrivateKey], subject: str, *, encrypted: bool = False) -> PrivateKey:
    try:
        with external_call(subject, lambda error: _not_loaded(subject, encrypted, error)):
            return load()
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithm(f"{subject}: {error}", hint=error.hint) from None


def _not_loaded(subject: str, encrypted: bool, error: Exception) -> KeyProviderError | None:
    from cryptography.exceptions import InternalError
    from cryptography.exceptions import UnsupportedAlgorithm as Unknown

    if isinstance(error, ValueError | TypeError | InternalError):  # the last one for a short Ed448 key
        if encrypted:  # a wrong passphrase makes garbage, and garbage is not told from damage
            return WrongSecret(f"{subject}: the passphrase does not open it, or the file is damaged")
        return KeyUnusable(f"{subject}: not a private key that can be read, or damaged")
    if isinstance(error, Unknown):
        return KeyUnusable(f"{subject}: encrypted or encoded in a way that OpenSSL does not know")
    return None


def _from_pem(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return PrivateKey.of(load_pem_private_key(pem, passphrase))


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.split(b"-----")[2].split()), validate=True)


_ED25519_VERSION_2 = bytes.fromhex("3051020101300506032b657004220420")


def _from_pkcs8(der: bytes) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    if der.startswith(_ED25519_VERSION_2):
        return _from_ed25519_version_2(der)
    return PrivateKey.of(load_der_private_key(der, None))


def _from_ed25519_version_2(der: bytes) -> PrivateKey:
    """An Ed25519 key in PKCS#8 version 2, where the public key follows the private one: Rust tools write it so.

    `cryptography` reads version 1 only. The layout is fixed: RFC 8410 section 10.3, without attributes.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    start = len(_ED25519_VERSION_2)
    private, rest = der[start : start + 32], der[start + 32 :]
    loaded = Ed25519PrivateKey.from_private_bytes(private)
    if rest != b"\x81\x21\x00" + loaded.public_key().public_bytes_raw():
        raise ValueError("the public key beside the private one is not its own")
    return PrivateKey.of(loaded)


def _open_cosign(pem: bytes, subject: str, passphrase: bytes) -> bytes:
    try:
        return cosign_key.decrypt(pem, passphrase)
    except MalformedError as error:
        raise KeyUnusable(f"{subject}: {error}", hint=error.hint) from error
    except WrongSecret as error:
        raise WrongSecret(f"{subject}: {error}") from None


def _hash(name: Hash) -> hashes.HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    classes: dict[Hash, Callable[[], hashes.HashAlgorithm]] = {
        Hash.SHA256: hashes.SHA256,
        Hash.SHA384: hashes.SHA384,
        Hash.SHA512: hashes.SHA512,
    }
    return classes[name]()
