"""What one rule trusts. Nothing that comes with an artefact ever gets in here."""

from imagesig.trust.anchors import (
    CertificateAuthority,
    Role,
    TimestampAuthorities,
    TrustAnchors,
    TrustedKey,
    Window,
)

__all__ = ["CertificateAuthority", "Role", "TimestampAuthorities", "TrustAnchors", "TrustedKey", "Window"]
