"""PKCS#12 files (`.p12`, `.pfx`): a private key with its certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.encoding import asn1
from imagesig.errors import KeyUnusable, LimitExceeded, MalformedError, UnsupportedAlgorithm, WrongSecret
from imagesig.external import external_call
from imagesig.keys.file.private_key import PrivateKey
from imagesig.trust.path import climb

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates


def read_pkcs12(data: bytes, subject: str, ask_passphrase: Callable[[], bytes]) -> PrivateKey:
    """The key of a PKCS#12 file, with its chain of certificates up to the last issuer in the file.

    `ask_passphrase` is called only if the file opens neither without a passphrase nor with an empty one.

    Raises:
        KeyUnusable: the file has no private key.
        WrongSecret: the passphrase is wrong or the file is damaged; PKCS#12 does not distinguish the two.
        UnsupportedAlgorithm: an unsupported curve, RSA size or key type.
    """
    content = _load(data, None) or _load(data, b"") or _load(data, ask_passphrase())
    if content is None:
        raise WrongSecret(f"{subject}: the passphrase is wrong, or the file is damaged")
    if content.key is None:
        raise KeyUnusable(f"{subject}: the PKCS#12 file has no private key")
    try:
        key = PrivateKey.of(content.key)
    except UnsupportedAlgorithm as error:
        raise UnsupportedAlgorithm(f"{subject}: {error}", hint=error.hint) from None
    if content.cert is None:
        return key
    return PrivateKey(key.loaded, key.public_key, _chain(content))


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
