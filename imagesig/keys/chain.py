"""Certificate chains of a key: put in order and matched to the key. `imagesig.trust` decides about trust."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from imagesig import limits
from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InvalidArgument, KeyMismatch, LimitExceeded, MalformedError
from imagesig.trust.path import climb


def chain_in(data: bytes, public_key: PublicKey) -> tuple[Certificate, ...]:
    """The chain in a file beside a key, if its first certificate is for this key; otherwise empty."""
    try:
        found = parse_certificates(data, "certificates")
    except ImagesigError:
        return ()
    return climb(found[0], found[1:]) if is_certificate_of(found[0], public_key) else ()


def is_certificate_of(certificate: Certificate, public_key: PublicKey) -> bool:
    try:
        return certificate.public_key == public_key
    except ImagesigError:  # a type of key that imagesig does not support
        return False


def parse_chain(data: bytes, what: str) -> tuple[Certificate, ...]:
    """A chain that the user names: PEM, leaf first, each certificate issued by the next.

    Raises:
        InvalidArgument: not certificates, or not in that order.
    """
    try:
        chain = parse_certificates(data, what)
    except (MalformedError, LimitExceeded) as error:
        raise InvalidArgument(str(error), hint="give PEM certificates: the key's own first, then its issuer") from error
    check_order(chain, what)
    return chain


def check_order(chain: Sequence[Certificate], what: str) -> None:
    """Raises `InvalidArgument` unless there are not too many certificates, each issued by the next."""
    if not 1 <= len(chain) <= limits.CHAIN_CERTIFICATES:
        raise InvalidArgument(f"{what}: {len(chain)} certificates, 1 to {limits.CHAIN_CERTIFICATES} are needed")
    for number, (certificate, issuer) in enumerate(pairwise(chain), 1):
        if not certificate.is_issued_by(issuer):
            raise InvalidArgument(
                f"{what}: certificate {number} was not issued by certificate {number + 1}",
                hint="put the key's own certificate first, then its issuer, and so on up to the root",
            )


def check_leaf(chain: Sequence[Certificate], public_keys: Sequence[PublicKey], key_id: str, what: str) -> PublicKey:
    """The public key of the chain's first certificate.

    Raises:
        KeyMismatch: it is not one of `public_keys`.
    """
    leaf = chain[0].public_key
    if leaf in public_keys:
        return leaf
    number = next((at for at, item in enumerate(chain, 1) if any(is_certificate_of(item, k) for k in public_keys)), 0)
    raise KeyMismatch(
        f"{key_id}: its public key is {public_keys[0].fingerprint}, "
        f"the first certificate of {what} is for {leaf.fingerprint}",
        hint=f"put certificate {number} first: it is for this key"
        if number
        else "get a certificate for this key: imagesig key csr",
    )
