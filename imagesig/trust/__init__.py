"""What one rule trusts: keys and certificate authorities. Nothing from an artefact is ever added.

Public names load on first use.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.trust.anchors": """
        CertificateAuthority ContentTrust PinFile Role RootKeyId Strangers TimestampAuthorities TrustAnchors TrustedKey
        Window
    """,
    "imagesig.trust.holder": "Holder HolderKind",
    "imagesig.trust.revocation": "CertificateStatus RevocationStatus",
    "imagesig.trust.timestamp": "Timestamp examine_timestamp",
    "imagesig.crypto.certificate": "Certificate parse_certificates",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)
