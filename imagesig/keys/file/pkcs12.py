"""PKCS#12 files (`.p12`, `.pfx`): a private key with its certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.restricted import check_unrestricted
from imagesig.encoding import asn1
from imagesig.errors import KeyUnusable, LimitExceeded, MalformedError, UnsupportedAlgorithm, WrongSecret
from imagesig.external import external_call
from imagesig.keys.file.password_encryption import check_derivation, cipher_of_pkcs12, keys_in_pkcs12, unread_cipher
from imagesig.keys.file.private_key import PrivateKey
from imagesig.trust.path import climb

_CONVERT = "convert it: openssl pkcs12 -in FILE -out FILE.pem, then openssl pkcs12 -export -in FILE.pem -out NEW.p12"

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates


def read_pkcs12(data: bytes, subject: str, ask_passphrase: Callable[[], bytes]) -> PrivateKey:
    """The key of a PKCS#12 file, with its chain of certificates up to the last issuer in the file.

    `ask_passphrase` is called only if the file opens neither without a passphrase nor with an empty one.

    Raises:
        KeyUnusable: the file has no private key or several, or its encryption is not read.
        WrongSecret: the passphrase is wrong or the file is damaged; PKCS#12 does not distinguish the two.
        UnsupportedAlgorithm: an unsupported curve, RSA size or key type.
    """
    check_derivation(data, subject, is_pkcs12=True)
    passphrase = b""
    content = _load(data, None) or _load(data, b"")
    if content is None:
        passphrase = ask_passphrase()
        content = _load(data, passphrase)
    if content is None:
        if cipher := cipher_of_pkcs12(data):  # OpenSSL may read it, so the passphrase may be wrong
            raise WrongSecret(
                f"{subject}: the passphrase is wrong, or the file is encrypted in a way that is not read ({cipher})",
                hint=_CONVERT,
            )
        raise WrongSecret(f"{subject}: the passphrase is wrong, or the file is damaged")
    if content.key is None:
        raise KeyUnusable(f"{subject}: the PKCS#12 file has no private key")
    _check_keys(data, passphrase, content, subject)
    try:
        key = PrivateKey.of(content.key)
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithm(f"{subject}: {error}", hint=error.hint) from None
    if content.cert is None:
        return key
    chain = _chain(content)
    try:
        _ = chain[0].public_key  # a certificate for a restricted key
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithm(f"{subject}: {error}", hint=error.hint) from None
    return PrivateKey(key.loaded, key.public_key, chain)


def _check_keys(data: bytes, passphrase: bytes, content: PKCS12KeyAndCertificates, subject: str) -> None:
    """Returns if the file has one private key, and not one of RSA that is restricted to PSS."""
    try:
        found = keys_in_pkcs12(data, passphrase)
    except MalformedError as error:
        raise KeyUnusable(f"{subject}: its keys cannot be counted: {error}", hint=_CONVERT) from error
    if len(found) > 1:
        raise KeyUnusable(
            f"{subject}: the PKCS#12 file has {len(found)} private keys, exactly one is needed",
            hint="write the one to sign with into a file of its own: openssl pkcs12 -export -inkey KEY -in CERTIFICATE",
        )
    for key, is_readable in found:
        if is_readable:
            check_unrestricted(key, subject)
            return
    # Its encryption is outdated. OpenSSL writes a certificate for this key, which is restricted if the key is.
    if content.cert is None and _is_rsa(content):
        raise unread_cipher(subject, "an outdated one, for a key of RSA", _CONVERT)


def _is_rsa(content: PKCS12KeyAndCertificates) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    return isinstance(content.key, RSAPrivateKey)


def _load(data: bytes, passphrase: bytes | None) -> PKCS12KeyAndCertificates | None:
    try:
        # A wrong passphrase may cause an error anywhere in the file.
        with external_call("PKCS#12 file", asn1.unreadable("the PKCS#12 file")):
            from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

            return load_pkcs12(data, passphrase)
    except MalformedError:
        return None


def _chain(content: PKCS12KeyAndCertificates) -> tuple[Certificate, ...]:
    assert content.cert is not None
    found = (content.cert, *content.additional_certs)
    if len(found) > limits.CERTIFICATES:
        raise LimitExceeded(f"PKCS#12 file: {len(found)} certificates, at most {limits.CERTIFICATES} are read")
    with external_call("PKCS#12 file", asn1.unreadable("a certificate of the PKCS#12 file")):
        from cryptography.hazmat.primitives.serialization import Encoding

        # The file has them in any order.
        leaf, *others = [Certificate.from_der(item.certificate.public_bytes(Encoding.DER)) for item in found]
    return climb(leaf, others)
