"""Authorities in words."""

from __future__ import annotations

from typing import assert_never

from imagesig.crypto.public_key import PublicKey
from imagesig.policy.authority import Authority, KeyReference
from imagesig.trust import CertificateAuthority, ContentTrust, PinFile, RootKeyId, TrustedKey
from imagesig.trust.anchors import ALWAYS


def describe_authority(authority: Authority) -> str:
    """Where its keys or certificates are, and when they are valid."""
    match authority:
        case CertificateAuthority():
            holders = ", ".join(str(holder) for holder in authority.holders) or "every holder it certified"
            return f"{describe_place(authority)} as {authority.role.value}; {holders}"
        case ContentTrust():
            signers = f"; signed by {' and '.join(authority.signer_names)}" if authority.signers else ""
            pins = " or ".join(map(_describe_pin, authority.pins)) or "the root of first use"
            return f"{describe_place(authority)}; {pins}{signers}"
        case TrustedKey() | KeyReference():
            return describe_place(authority) + ("" if authority.window == ALWAYS else f"; {authority.window}")
        case _:
            assert_never(authority)


def describe_place(authority: Authority) -> str:
    """Where its keys or certificates are."""
    match authority:
        case CertificateAuthority():
            return f"{len(authority.certificates)} certificates"
        case ContentTrust():
            return f"content trust of {authority.server or 'the server of docker'}"
        case TrustedKey():
            return ", ".join(key.fingerprint for key in authority.public_keys)
        case KeyReference():
            return authority.text + (f" pinned to {authority.fingerprint}" if authority.fingerprint else "")
        case _:
            assert_never(authority)


def _describe_pin(pin: RootKeyId | PublicKey | CertificateAuthority | PinFile) -> str:
    match pin:
        case RootKeyId():
            return f"root key {pin.id}"
        case CertificateAuthority():
            return f"roots certified by {len(pin.certificates)} certificates"
        case PublicKey():
            return f"root key {pin.fingerprint}"
        case PinFile():
            return f"root in {pin.path}"
        case _:
            assert_never(pin)
