"""Notary Project signatures, as notation makes and verifies them: a JWS or COSE envelope, stored as a referrer."""

from imagesig.formats.notation.envelope import SIGNING_AUTHORITY, X509, Attribute
from imagesig.formats.notation.notation import ManifestForm, Notation

__all__ = ["SIGNING_AUTHORITY", "X509", "Attribute", "ManifestForm", "Notation", "notation_cose", "notation_jws"]


def notation_jws() -> Notation:
    """The format that writes and reads only JWS."""
    return Notation("jws")


def notation_cose() -> Notation:
    """The format that writes and reads only COSE."""
    return Notation("cose")
