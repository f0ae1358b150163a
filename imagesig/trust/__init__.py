"""What one rule trusts. Nothing that comes with an artefact ever gets in here."""

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
