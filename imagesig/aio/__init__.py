"""The public functions for asyncio: the same work, in threads of their own pool, a limited number for each registry.

`timeout` counts from the call. Cancelling a task that verifies, inspects or explains closes its connections and ends
its work. A function that writes is not stopped in the middle: its thread finishes what has started (`sign_many` and
`attest_many`: the batch of images that are signed together), and starts nothing further.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, overload

from imagesig.aio.blobs import attest_blob, sign_blob, verify_blob
from imagesig.aio.runner import SHARED, seconds_for
from imagesig.aio.session import Session
from imagesig.aio.trust import (
    add_signer,
    init_trust,
    inspect_trust,
    migrate_trust,
    remove_signer,
    revoke_trust,
    rotate_trust_key,
    sign_trust,
)
from imagesig.api import copying, explaining, inspecting, removing, removing_many
from imagesig.api.attached import downloading
from imagesig.api.attached import tree as treeing
from imagesig.api.attest import attesting, attesting_many
from imagesig.api.sign import signing, signing_elsewhere, signing_many
from imagesig.api.stored_signatures import ImageLike
from imagesig.api.verify import verifying, verifying_attestation, verifying_many
from imagesig.deadlines import Stop

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.attached.downloading import Downloaded
    from imagesig.api.attached.tree import ImageTree
    from imagesig.api.copying import CopiedImage
    from imagesig.api.explaining import Explanation
    from imagesig.api.inspecting import InspectedImage
    from imagesig.api.options import (
        AttachOptions,
        AttestManyOptions,
        AttestOptions,
        CopyOptions,
        DownloadOptions,
        ExplainOptions,
        InspectOptions,
        PayloadOptions,
        RemoveManyOptions,
        RemoveOptions,
        SignManyOptions,
        SignOptions,
        TreeOptions,
        VerifyAttestationOptions,
        VerifyManyOptions,
        VerifyOptions,
    )
    from imagesig.api.outcome import Outcome
    from imagesig.api.removing import RemovedImage
    from imagesig.api.sign.signed_image import AttestedImage, SignedImage
    from imagesig.api.sign.signing import Progress
    from imagesig.api.sign.signing_elsewhere import Payload
    from imagesig.api.verify.verifying import VerificationResult
    from imagesig.keys import SigningKey
    from imagesig.naming import PathLike
    from imagesig.policy import AuthorityLike, Policy

__all__ = ["Session", "attach", "attest", "attest_blob", "attest_many", "copy", "download", "explain"]
__all__ += ["generate_payload", "inspect", "remove", "remove_many", "sign", "sign_blob", "sign_many", "tree"]
__all__ += ["verify", "verify_attestation", "verify_blob", "verify_many"]
__all__ += [
    "add_signer",
    "init_trust",
    "inspect_trust",
    "migrate_trust",
    "remove_signer",
    "revoke_trust",
    "rotate_trust_key",
    "sign_trust",
]

Repositories = Iterable[str] | AsyncIterable[str]
Images = Iterable[ImageLike] | AsyncIterable[ImageLike]
"""Images of a run: read step by step, in a worker thread unless they are asynchronous."""


async def verify(
    image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[VerifyOptions]
) -> VerificationResult:
    """`imagesig.verify`, with its options and errors."""
    action = functools.partial(verifying.verify, image, policy, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def verify_attestation(
    image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[VerifyAttestationOptions]
) -> VerificationResult:
    """`imagesig.verify_attestation`, with its options and errors."""
    action = functools.partial(verifying_attestation.verify_attestation, image, policy, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def inspect(image: ImageLike, **options: Unpack[InspectOptions]) -> InspectedImage:
    """`imagesig.inspect`, with its options and errors."""
    action = functools.partial(inspecting.inspect, image, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def tree(image: ImageLike, **options: Unpack[TreeOptions]) -> ImageTree:
    """`imagesig.tree`, with its options and errors."""
    action = functools.partial(treeing.tree, image, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def download(image: ImageLike, what: str, **options: Unpack[DownloadOptions]) -> tuple[Downloaded, ...]:
    """`imagesig.download`, with its options and errors."""
    action = functools.partial(downloading.download, image, what, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def explain(image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[ExplainOptions]) -> Explanation:
    """`imagesig.explain`, with its options and errors."""
    action = functools.partial(explaining.explain, image, policy, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def generate_payload(image: ImageLike, **options: Unpack[PayloadOptions]) -> Payload:
    """`imagesig.generate_payload`, with its options and errors."""
    action = functools.partial(signing_elsewhere.generate_payload, image, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=True)


async def attach(image: ImageLike, signature: bytes | str, **options: Unpack[AttachOptions]) -> SignedImage:
    """`imagesig.attach`, with its options and errors."""
    action = functools.partial(signing_elsewhere.attach, image, signature, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=False)


async def copy(source: ImageLike, destination: ImageLike, **options: Unpack[CopyOptions]) -> CopiedImage:
    """`imagesig.copy`, with its options and errors."""
    action = functools.partial(copying.copy, source, destination, **options)
    seconds = options.get("timeout")
    return await SHARED.call(action, [source, destination], seconds=seconds, stops=False)


async def remove(image: ImageLike, **options: Unpack[RemoveOptions]) -> RemovedImage:
    """`imagesig.remove`, with its options and errors."""
    action = functools.partial(removing.remove, image, **options)
    seconds = seconds_for(image, options.get("transport"), options.get("timeout"))
    return await SHARED.call(action, [image], seconds=seconds, stops=False)


@overload  # to a type checker, a str is a sequence of str too
async def sign(  # type: ignore[overload-overlap]
    image: ImageLike,
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> SignedImage: ...


@overload
async def sign(
    image: Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> tuple[SignedImage, ...]: ...


async def sign(
    image: ImageLike | Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> SignedImage | tuple[SignedImage, ...]:
    """`imagesig.sign`, with its options and errors."""
    action = functools.partial(signing.sign, image, key, progress=progress, **options)
    images: Iterable[ImageLike] = image if isinstance(image, list | tuple) else [image]  # type: ignore[list-item]
    return await SHARED.call(action, images, seconds=None, stops=False)


def verify_many(
    images: Images, policy: Policy | AuthorityLike, **options: Unpack[VerifyManyOptions]
) -> AsyncGenerator[Outcome[VerificationResult], None]:
    """`imagesig.verify_many`, with its options and errors; `images` may be an asynchronous iterable too."""

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[VerificationResult], None, None]:
        return verifying_many.verify_many(ready, policy, **options)

    return SHARED.stream(images, start, Stop())


def sign_many(
    images: Images, key: str | PathLike | SigningKey, **options: Unpack[SignManyOptions]
) -> AsyncGenerator[Outcome[SignedImage], None]:
    """`imagesig.sign_many`, with its options and errors; `images` may be an asynchronous iterable too."""

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[SignedImage], None, None]:
        return signing_many.sign_many(ready, key, **options)

    return SHARED.stream(images, start, None)


@overload  # to a type checker, a str is a sequence of str too
async def attest(  # type: ignore[overload-overlap]
    image: ImageLike,
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[AttestOptions],
) -> AttestedImage: ...


@overload
async def attest(
    image: Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[AttestOptions],
) -> tuple[AttestedImage, ...]: ...


async def attest(
    image: ImageLike | Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[AttestOptions],
) -> AttestedImage | tuple[AttestedImage, ...]:
    """`imagesig.attest`, with its options and errors."""
    action = functools.partial(attesting.attest, image, key, progress=progress, **options)
    images: Iterable[ImageLike] = image if isinstance(image, list | tuple) else [image]  # type: ignore[list-item]
    return await SHARED.call(action, images, seconds=None, stops=False)


def attest_many(
    images: Images, key: str | PathLike | SigningKey, **options: Unpack[AttestManyOptions]
) -> AsyncGenerator[Outcome[AttestedImage], None]:
    """`imagesig.attest_many`, with its options and errors; `images` may be an asynchronous iterable too."""

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[AttestedImage], None, None]:
        return attesting_many.attest_many(ready, key, **options)

    return SHARED.stream(images, start, None)


def remove_many(images: Images, **options: Unpack[RemoveManyOptions]) -> AsyncGenerator[Outcome[RemovedImage], None]:
    """`imagesig.remove_many`, with its options and errors; `images` may be an asynchronous iterable too."""

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[RemovedImage], None, None]:
        return removing_many.remove_many(ready, **options)

    return SHARED.stream(images, start, None)
