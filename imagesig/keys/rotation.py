"""Messages that name the key which signs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from imagesig import limits
from imagesig.crypto.algorithms import ToSign
from imagesig.errors import KeyProviderError
from imagesig.keys.provider import SigningKey
from imagesig.signature import SignerInfo

_Draft = TypeVar("_Draft")


def sign_draft(
    key: SigningKey,
    draft: Callable[[SignerInfo], _Draft],
    requests: Callable[[_Draft], Sequence[ToSign]],
) -> tuple[_Draft, SignerInfo, list[bytes]]:
    """The draft for a version of the key, and the signatures of its requests by that version.

    A key in a service may rotate after the draft was made; then it is made again for the new version.

    Raises:
        KeyProviderError: the key did not sign, or rotated each of `limits.KEY_ROTATIONS` times.
    """
    for _ in range(limits.KEY_ROTATIONS):
        named = key.info
        drafted = draft(named)
        signer, signatures = key.signed(requests(drafted))
        if signer.public_key == named.public_key:
            return drafted, signer, signatures
    raise KeyProviderError(
        f"{signer.key_id}: the key rotated {limits.KEY_ROTATIONS} times while it signed",
        hint="sign again when the key no longer rotates",
    )
