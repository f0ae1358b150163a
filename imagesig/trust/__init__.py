"""The trust anchors of one rule. Nothing from an artefact becomes a trust anchor."""

from imagesig.trust.anchors import (
    CertificateAuthority,
    Role,
    Strangers,
    TimestampAuthorities,
    TrustAnchors,
    TrustedKey,
    Window,
)
from imagesig.trust.holder import Holder, HolderKind

__all__ = [
    "CertificateAuthority",
    "Holder",
    "HolderKind",
    "Role",
    "Strangers",
    "TimestampAuthorities",
    "TrustAnchors",
    "TrustedKey",
    "Window",
]
