"""Chains of certificates beside a key: put in order, and matched to the key. Whom to trust is not decided here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from imagesig import limits
from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InvalidArgument, KeyMismatch, LimitExceeded, MalformedError
from imagesig.trust.path import climb


def chain_in(data: bytes, public_key: PublicKey) -> tuple[Certificate, ...]:
    """The chain in a file that somebody put there, if its first certificate is this key's; else an empty one."""
    try:
        found = parse_certificates(data, "certificates")
    except ImagesigError:
        return ()
    return climb(found[0], found[1:]) if is_certificate_of(found[0], public_key) else ()


def is_certificate_of(certificate: Certificate, public_key: PublicKey) -> bool:
    try:
        return certificate.public_key == public_key
    except ImagesigError:  # of a kind of key that we do not work with
        return False


def parse_chain(data: bytes, what: str) -> tuple[Certificate, ...]:
    """A chain that somebody names: PEM, leaf first, each certificate issued by the next.

    Raises:
        InvalidArgument: not certificates, or not in that order.
    """
    try:
        chain = parse_certificates(data, what)
    except (MalformedError, LimitExceeded) as error:
        raise InvalidArgument(str(error), hint="give PEM certificates: the key's own first, its issuer next") from error
    check_order(chain, what)
    return chain


def check_order(chain: Sequence[Certificate], what: str) -> None:
    """Raises `InvalidArgument` unless each certificate was issued by the next, and there are not too many."""
    if not 1 <= len(chain) <= limits.CHAIN_CERTIFICATES:
        raise InvalidArgument(f"{what}: {len(chain)} certificates, 1 to {limits.CHAIN_CERTIFICATES} make a chain")
    for number, (certificate, issuer) in enumerate(pairwise(chain), 1):
        if not certificate.is_issued_by(issuer):
            raise InvalidArgument(
                f"{what}: certificate {number} was not issued by certificate {number + 1}",
                hint="put the key's own certificate first, then its issuer, and so on up to the root",
            )


def check_leaf(chain: Sequence[Certificate], public_keys: Sequence[PublicKey], key_id: str, what: str) -> PublicKey:
    """The public key of the chain's first certificate, which is one of the key's own.

    Raises:
        KeyMismatch: it is not.
    """
    leaf = chain[0].public_key
    if leaf in public_keys:
        return leaf
    number = next((at for at, item in enumerate(chain, 1) if any(is_certificate_of(item, k) for k in public_keys)), 0)
    raise KeyMismatch(
        f"{key_id}: its public key is {public_keys[0].fingerprint}, "
        f"the first certificate of {what} is for {leaf.fingerprint}",
        hint=f"certificate {number} is this key's: it must come first"
        if number
        else "have a certificate issued for this key: imagesig key csr",
    )
