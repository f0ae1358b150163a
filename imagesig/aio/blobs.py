"""The functions about files, for asyncio."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from imagesig.aio.runner import SHARED
from imagesig.api.blob import attesting_blob, signing_blob, verifying_blob

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.blob.attesting_blob import AttestedBlob
    from imagesig.api.blob.reading_blob import BlobLike
    from imagesig.api.blob.signing_blob import SignedBlob
    from imagesig.api.blob.verifying_blob import VerifiedBlob
    from imagesig.api.options import (
        AttestBlobOptions,
        SignBlobOptions,
        VerifyBlobOptions,
    )
    from imagesig.keys import SigningKey
    from imagesig.naming import PathLike
    from imagesig.policy import AuthorityLike, Policy


async def sign_blob(blob: BlobLike, key: str | PathLike | SigningKey, **options: Unpack[SignBlobOptions]) -> SignedBlob:
    """`imagesig.sign_blob`, with its options and errors."""
    action = functools.partial(signing_blob.sign_blob, blob, key, **options)
    return await SHARED.call(action, [], seconds=None, stops=False)


async def attest_blob(
    blob: BlobLike, key: str | PathLike | SigningKey, **options: Unpack[AttestBlobOptions]
) -> AttestedBlob:
    """`imagesig.attest_blob`, with its options and errors."""
    action = functools.partial(attesting_blob.attest_blob, blob, key, **options)
    return await SHARED.call(action, [], seconds=None, stops=False)


async def verify_blob(
    blob: BlobLike, policy: Policy | AuthorityLike, **options: Unpack[VerifyBlobOptions]
) -> VerifiedBlob:
    """`imagesig.verify_blob`, with its options and errors."""
    action = functools.partial(verifying_blob.verify_blob, blob, policy, **options)
    return await SHARED.call(action, [], seconds=None, stops=True)
