"""The functions that change and migrate trust data (Docker Content Trust), for asyncio."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING

from imagesig.aio.runner import SHARED
from imagesig.api.stored_signatures import ImageLike
from imagesig.api.trust import inspecting, repositories, revoking, signers, signing

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.options import (
        InspectTrustOptions,
        MigrateTrustOptions,
        RemoveSignerOptions,
        RotateTrustKeyOptions,
        SignTrustOptions,
        TrustChangeOptions,
    )
    from imagesig.api.outcome import Outcome
    from imagesig.api.trust.changing import ChangedTrust
    from imagesig.api.trust.inspecting import InspectedTrust
    from imagesig.api.trust.migrating import MigratedTag
    from imagesig.content_trust import TrustKeys
    from imagesig.crypto.public_key import PublicKey
    from imagesig.keys import SigningKey
    from imagesig.naming import PathLike
    from imagesig.trust import ContentTrust

Repositories = Iterable[str] | AsyncIterable[str]


def migrate_trust(
    repositories: Repositories,
    key: str | PathLike | SigningKey,
    trust: ContentTrust,
    **options: Unpack[MigrateTrustOptions],
) -> AsyncGenerator[Outcome[MigratedTag], None]:
    """`imagesig.migrate_trust`, with its options and errors; `repositories` may be an asynchronous iterable too."""
    from imagesig.api.trust import migrating  # speed: most programs migrate nothing (benchmarks/test_start.py)

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[MigratedTag], None, None]:
        return migrating.migrate_trust(ready, key, trust, **options)  # type: ignore[arg-type]  # as they were given

    return SHARED.stream(repositories, start, None)


async def inspect_trust(
    image: str, trust: ContentTrust | None = None, **options: Unpack[InspectTrustOptions]
) -> InspectedTrust:
    """`imagesig.inspect_trust`, with its options and errors."""
    action = functools.partial(inspecting.inspect_trust, image, trust, **options)
    return await SHARED.call(action, [image], seconds=options.get("timeout"), stops=True)


async def sign_trust(image: str, keys: TrustKeys, **options: Unpack[SignTrustOptions]) -> ChangedTrust:
    """`imagesig.sign_trust`, with its options and errors."""
    action = functools.partial(signing.sign_trust, image, keys, **options)
    return await SHARED.call(action, [image], seconds=options.get("timeout"), stops=False)


async def revoke_trust(image: str, keys: TrustKeys, **options: Unpack[TrustChangeOptions]) -> ChangedTrust:
    """`imagesig.revoke_trust`, with its options and errors."""
    action = functools.partial(revoking.revoke_trust, image, keys, **options)
    return await SHARED.call(action, [image], seconds=options.get("timeout"), stops=False)


async def add_signer(
    repository: str, name: str, public_keys: Sequence[PublicKey], keys: TrustKeys, **options: Unpack[TrustChangeOptions]
) -> ChangedTrust:
    """`imagesig.add_signer`, with its options and errors."""
    action = functools.partial(signers.add_signer, repository, name, public_keys, keys, **options)
    return await SHARED.call(action, [repository], seconds=options.get("timeout"), stops=False)


async def remove_signer(
    repository: str, name: str, keys: TrustKeys, **options: Unpack[RemoveSignerOptions]
) -> ChangedTrust:
    """`imagesig.remove_signer`, with its options and errors."""
    action = functools.partial(signers.remove_signer, repository, name, keys, **options)
    return await SHARED.call(action, [repository], seconds=options.get("timeout"), stops=False)


async def init_trust(repository: str, keys: TrustKeys, **options: Unpack[TrustChangeOptions]) -> ChangedTrust:
    """`imagesig.init_trust`, with its options and errors."""
    action = functools.partial(repositories.init_trust, repository, keys, **options)
    return await SHARED.call(action, [repository], seconds=options.get("timeout"), stops=False)


async def rotate_trust_key(
    repository: str, role: str, keys: TrustKeys, **options: Unpack[RotateTrustKeyOptions]
) -> ChangedTrust:
    """`imagesig.rotate_trust_key`, with its options and errors."""
    action = functools.partial(repositories.rotate_trust_key, repository, role, keys, **options)
    return await SHARED.call(action, [repository], seconds=options.get("timeout"), stops=False)
