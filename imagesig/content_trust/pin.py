"""Decides which root keys of a repository are trusted, by their certificates and the pins of the caller.

Spec: notary's trust pinning; here a pin is checked each time, not only at first contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from imagesig.content_trust.key import TrustKey
from imagesig.content_trust.metadata import Root
from imagesig.content_trust.role import ROOT, Role, check_signatures
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import Expired, ImagesigError, MalformedError, NotTrusted, SignatureRejected
from imagesig.external import external_call
from imagesig.text import quote
from imagesig.trust.anchors import CertificateAuthority, PinFile, RootKeyId, RootPin

_EARLY = timedelta(days=1)
"""How far a certificate may begin in the future, as in notary. There is no leeway after its end."""


def check_root(
    root: Root, repository: str, pins: Sequence[RootPin], now: datetime, *, accepts_expired: bool = False
) -> None:
    """Returns if enough pinned keys for this repository signed the root file. Without pins every certificate fits.

    With `accepts_expired`, a certificate that has expired is judged at its end.

    Raises:
        SignatureRejected: they did not.
    """
    usable: list[TrustKey] = []
    first: ImagesigError | None = None
    for key in root.roles[ROOT].keys:
        try:
            at = min(now, key.certificates[0].not_after) if accepts_expired and key.certificates else now
            _check_key(key, repository, pins, at)
            usable.append(key)
        except (SignatureRejected, MalformedError) as error:
            first = first or error
    if len({key.canonical_id for key in usable}) < root.roles[ROOT].threshold:
        if isinstance(first, SignatureRejected):
            raise first
        raise NotTrusted(f"{repository}: none of its root keys can be trusted{f': {first}' if first else ''}")
    check_signatures(Role(ROOT, tuple(usable), root.roles[ROOT].threshold), root.document)


def _check_key(key: TrustKey, repository: str, pins: Sequence[RootPin], now: datetime) -> None:
    by_key = any(_is_key(pin, key) for pin in pins)
    if key.certificates:
        _check_certificate(key.certificates, repository, now, by_key=by_key)
    elif not by_key:
        raise NotTrusted(f"{repository}: its root key {key.id} has no certificate, and is not pinned")
    if pins and not by_key and not any(_certifies(pin, key, now) for pin in pins):
        raise NotTrusted(
            f"{repository}: its root key {key.id} is not one that is pinned",
            hint="if its owner has replaced the key, pin the new one: imagesig trust inspect shows its id",
        )


def _is_key(pin: RootPin, key: TrustKey) -> bool:
    match pin:
        case RootKeyId():
            return pin.id in (key.id, key.canonical_id)
        case CertificateAuthority() | PinFile():
            return False
        case _:
            return pin == key.public_key


def _certifies(pin: RootPin, key: TrustKey, now: datetime) -> bool:
    """Whether the pin is an authority that issued the key's certificate. Raises `Expired` if that is over."""
    match pin:
        case CertificateAuthority():
            return _issued(pin, key, now)
        case RootKeyId() | PublicKey() | PinFile():
            return False
    assert_never(pin)


def _issued(authority: CertificateAuthority, key: TrustKey, now: datetime) -> bool:
    from imagesig.trust.chain import check_validity, paths_to_authorities

    leaf, *others = key.certificates
    try:
        ((_, path), *_more) = paths_to_authorities(leaf, others, (authority,), now)
    except NotTrusted:
        return False
    check_validity(path[1:], now, now)
    return True


def _check_certificate(certificates: Sequence[Certificate], repository: str, now: datetime, *, by_key: bool) -> None:
    for certificate in certificates:
        if certificate.has_weak_signature:
            raise NotTrusted(f"{repository}: the root certificate {certificate.label} is signed with a weak hash")
    leaf = certificates[0]
    if not leaf.not_before - _EARLY <= now <= leaf.not_after:
        raise Expired(
            f"{repository}: its root certificate is valid from {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}"
        )
    name = _common_name(leaf)
    if name == repository or (name.endswith("*") and repository.startswith(name[:-1])):
        return
    # A certificate that names no repository cannot be one of another repository: the pinned key is enough.
    if by_key and "/" not in name and "*" not in name:
        return
    raise NotTrusted(f"{repository}: its root certificate is for {quote(name)}")


def _common_name(certificate: Certificate) -> str:
    from cryptography.x509.oid import NameOID

    with external_call("certificate", lambda error: MalformedError("certificate: its subject cannot be read")):
        found = certificate.subject_name.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if len(found) == 1 else ""
