"""What targets judge with: an authority, a key, and what verifying and inspecting do with one artefact."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError
from imagesig.formats import select_formats
from imagesig.signature import StoredSignature
from imagesig.trust import CertificateAuthority, TimestampAuthorities, TrustAnchors, TrustedKey
from imagesig.trust.anchors import Strangers

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CORPUS = Path(__file__).parent / "corpus"
MATERIAL = Path(__file__).parent / "material"
"""Certificates of an authority and a key, the same in every run."""


@cache
def authority() -> tuple[Certificate, ...]:
    return parse_certificates((MATERIAL / "authority.pem").read_bytes(), "authority")


@cache
def anchors() -> TrustAnchors:
    key = PublicKey.from_pem((MATERIAL / "key.pub").read_bytes())
    certificates = authority()
    return TrustAnchors(
        (TrustedKey("key", (key,)),),
        (CertificateAuthority("ca", certificates),),
        TimestampAuthorities(certificates),
        Strangers.JUDGED,
    )


def judged(name: str, stored: StoredSignature) -> None:
    """Everything that verifying and inspecting do with one stored signature."""
    (chosen,) = select_formats([name])
    envelope = chosen.parse(stored)
    for look in (chosen.claim, getattr(chosen, "describe", chosen.claim)):
        try:
            look(envelope)
        except ImagesigError:
            continue
    chosen.authenticate(envelope, anchors(), NOW)
