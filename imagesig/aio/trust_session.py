"""The methods of `aio.Session` about Docker Content Trust."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.aio.runner import Runner
    from imagesig.api import options as given
    from imagesig.api.outcome import Outcome
    from imagesig.api.session import Session
    from imagesig.api.stored_signatures import ImageLike
    from imagesig.api.trust.changing import ChangedTrust
    from imagesig.api.trust.inspecting import InspectedTrust
    from imagesig.api.trust.migrating import MigratedTag
    from imagesig.content_trust.keyring import TrustKeys
    from imagesig.crypto.public_key import PublicKey
    from imagesig.keys import SigningKey
    from imagesig.naming import PathLike
    from imagesig.trust import ContentTrust


class TrustSession:
    """The functions about content trust, in the threads of a session."""

    _runner: Runner
    _session: Session

    def migrate_trust(
        self,
        repositories: Iterable[str] | AsyncIterable[str],
        key: str | PathLike | SigningKey,
        trust: ContentTrust,
        **options: Unpack[given.SessionMigrateTrustOptions],
    ) -> AsyncGenerator[Outcome[MigratedTag], None]:
        """`imagesig.migrate_trust`, with its options and errors; `repositories` may be an asynchronous iterable too."""

        def start(ready: Iterable[ImageLike]) -> Generator[Outcome[MigratedTag], None, None]:
            return self._session.migrate_trust(ready, key, trust, **options)  # type: ignore[arg-type]  # as given

        return self._runner.stream(repositories, start, None)

    async def inspect_trust(
        self, image: str, trust: ContentTrust | None = None, **options: Unpack[given.SessionInspectTrustOptions]
    ) -> InspectedTrust:
        """`imagesig.inspect_trust`, with its options and errors."""
        action = functools.partial(self._session.inspect_trust, image, trust, **options)
        return await self._runner.call(action, [image], seconds=options.get("timeout"), stops=True)

    async def sign_trust(
        self, image: str, keys: TrustKeys, **options: Unpack[given.SessionTrustChangeOptions]
    ) -> ChangedTrust:
        """`imagesig.sign_trust`, with its options and errors."""
        action = functools.partial(self._session.sign_trust, image, keys, **options)
        return await self._runner.call(action, [image], seconds=options.get("timeout"), stops=False)

    async def revoke_trust(
        self, image: str, keys: TrustKeys, **options: Unpack[given.SessionTrustChangeOptions]
    ) -> ChangedTrust:
        """`imagesig.revoke_trust`, with its options and errors."""
        action = functools.partial(self._session.revoke_trust, image, keys, **options)
        return await self._runner.call(action, [image], seconds=options.get("timeout"), stops=False)

    async def add_signer(
        self,
        repository: str,
        name: str,
        public_keys: Sequence[PublicKey],
        keys: TrustKeys,
        **options: Unpack[given.SessionTrustChangeOptions],
    ) -> ChangedTrust:
        """`imagesig.add_signer`, with its options and errors."""
        action = functools.partial(self._session.add_signer, repository, name, public_keys, keys, **options)
        return await self._runner.call(action, [repository], seconds=options.get("timeout"), stops=False)

    async def remove_signer(
        self, repository: str, name: str, keys: TrustKeys, **options: Unpack[given.SessionRemoveSignerOptions]
    ) -> ChangedTrust:
        """`imagesig.remove_signer`, with its options and errors."""
        action = functools.partial(self._session.remove_signer, repository, name, keys, **options)
        return await self._runner.call(action, [repository], seconds=options.get("timeout"), stops=False)

    async def init_trust(
        self, repository: str, keys: TrustKeys, **options: Unpack[given.SessionTrustChangeOptions]
    ) -> ChangedTrust:
        """`imagesig.init_trust`, with its options and errors."""
        action = functools.partial(self._session.init_trust, repository, keys, **options)
        return await self._runner.call(action, [repository], seconds=options.get("timeout"), stops=False)

    async def rotate_trust_key(
        self, repository: str, role: str, keys: TrustKeys, **options: Unpack[given.SessionRotateTrustKeyOptions]
    ) -> ChangedTrust:
        """`imagesig.rotate_trust_key`, with its options and errors."""
        action = functools.partial(self._session.rotate_trust_key, repository, role, keys, **options)
        return await self._runner.call(action, [repository], seconds=options.get("timeout"), stops=False)
