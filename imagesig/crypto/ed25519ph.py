"""Ed25519ph (RFC 8032 section 5.1), which `cryptography` does not have. It is only verified."""

from __future__ import annotations

from imagesig.errors import SignatureInvalid


def verify_ed25519ph(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Returns if the key of 32 bytes made the signature over the message. Raises `SignatureInvalid` if not."""
    # libsodium's multi-part signing is exactly RFC 8032 section 5.1 with phflag 1 and
    # an empty context.
    from nacl import bindings, exceptions

    if len(signature) != bindings.crypto_sign_BYTES:
        raise SignatureInvalid(f"signature: {len(signature)} bytes, Ed25519ph has {bindings.crypto_sign_BYTES}")
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    try:
        bindings.crypto_sign_ed25519ph_final_verify(state, signature, public_key)
    except exceptions.BadSignatureError:
        raise SignatureInvalid("signature: the Ed25519 key does not verify it as ed25519ph-sha512") from None
