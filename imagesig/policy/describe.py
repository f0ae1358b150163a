"""Authorities in words."""

from __future__ import annotations

from typing import assert_never

from imagesig.policy.authority import Authority, KeyReference
from imagesig.trust import CertificateAuthority, TrustedKey
from imagesig.trust.anchors import ALWAYS


def describe_authority(authority: Authority) -> str:
    """Where its keys or certificates are, and when they are valid."""
    match authority:
        case CertificateAuthority():
            holders = ", ".join(str(holder) for holder in authority.holders) or "every holder it certified"
            return f"{describe_place(authority)} as {authority.role.value}; {holders}"
        case TrustedKey() | KeyReference():
            return describe_place(authority) + ("" if authority.window == ALWAYS else f"; {authority.window}")
        case _:
            assert_never(authority)


def describe_place(authority: Authority) -> str:
    """Where its keys or certificates are."""
    match authority:
        case CertificateAuthority():
            return f"{len(authority.certificates)} certificates"
        case TrustedKey():
            return ", ".join(key.fingerprint for key in authority.public_keys)
        case KeyReference():
            return authority.text + (f" pinned to {authority.fingerprint}" if authority.fingerprint else "")
        case _:
            assert_never(authority)
