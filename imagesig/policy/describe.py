"""What a requirement asks for, in words."""

from __future__ import annotations

from typing import assert_never

from imagesig.policy.authority import Authority, KeyReference
from imagesig.policy.enforcement import STRICT
from imagesig.policy.identity import IdentityKind
from imagesig.policy.requirement import AcceptAnything, Reject, Requirement, Signed, Unsupported
from imagesig.trust import CertificateAuthority, TrustedKey
from imagesig.trust.anchors import ALWAYS


def describe(requirement: Requirement) -> str:
    """One line: `2 of release, qa, hsm; formats cosign`."""
    match requirement:
        case AcceptAnything():
            return "anything, without proof"
        case Unsupported():
            return requirement.reason
        case Reject():
            return "nothing: reject"
        case Signed():
            return _describe_signed(requirement)
        case _:
            assert_never(requirement)


def _describe_signed(requirement: Signed) -> str:
    names = ", ".join(item.name or _where(item) for item in requirement.authorities)
    if len(requirement.authorities) == 1:
        parts = [f"signed by {names}"]
    elif requirement.threshold is None:
        parts = [f"signed by all of {names}"]
    else:
        count = "any" if requirement.threshold == 1 else requirement.threshold
        parts = [f"signed by {count} of {names}"]
    if requirement.identity.kind is not IdentityKind.OF_IMAGE:
        parts.append(f"identity {requirement.identity}")
    parts += [f"annotation {name}={value}" for name, value in requirement.annotations.items()]
    if requirement.formats:
        parts.append(f"formats {', '.join(requirement.formats)}")
    if requirement.timestamps:
        parts.append("timestamps")
    if requirement.enforcement != STRICT:
        enforcement = requirement.enforcement
        parts.append(
            f"authenticity {enforcement.authenticity.value}, "
            f"authentic timestamp {enforcement.authentic_timestamp.value}, "
            f"expiry {enforcement.expiry.value}, revocation {enforcement.revocation.value}"
        )
    return "; ".join(parts)


def describe_authority(authority: Authority) -> str:
    """Where its keys or certificates are, and when they count."""
    match authority:
        case CertificateAuthority():
            holders = ", ".join(str(holder) for holder in authority.holders) or "everybody it certified"
            return f"{_where(authority)} as {authority.role.value}; {holders}"
        case TrustedKey() | KeyReference():
            return _where(authority) + ("" if authority.window == ALWAYS else f"; {authority.window}")
        case _:
            assert_never(authority)


def _where(authority: Authority) -> str:
    match authority:
        case CertificateAuthority():
            return f"{len(authority.certificates)} certificates"
        case TrustedKey():
            return ", ".join(key.fingerprint for key in authority.public_keys)
        case KeyReference():
            return authority.text + (f" pinned to {authority.fingerprint}" if authority.fingerprint else "")
        case _:
            assert_never(authority)
