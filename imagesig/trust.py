"""What one rule trusts. Nothing that comes with an artefact ever gets in here."""

from __future__ import annotations

from dataclasses import dataclass

from imagesig.crypto.public_key import PublicKey


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One signer as the policy knows it: a name, and every public key that stands for it (rotation leaves several)."""

    name: str
    public_keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """The keys that a signature may come from. Certificate roots, by role, will stand beside them."""

    keys: tuple[TrustedKey, ...]
