"""The methods of `Session` about Docker Content Trust."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

# speed: most sessions change and migrate nothing (benchmarks/test_start.py), so each method imports its function

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api import options as given
    from imagesig.api.outcome import Outcome
    from imagesig.api.trust.changing import ChangedTrust
    from imagesig.api.trust.inspecting import InspectedTrust
    from imagesig.api.trust.migrating import MigratedTag
    from imagesig.content_trust.keyring import TrustKeys
    from imagesig.content_trust.servers import TrustServers
    from imagesig.crypto.public_key import PublicKey
    from imagesig.images.open import ImageOpener
    from imagesig.keys.provider import SigningKey
    from imagesig.naming import PathLike
    from imagesig.trust import ContentTrust
    from imagesig.witnesses import Witnesses


class TrustSession:
    """The functions about content trust, with the connections and the trust servers of a session."""

    transport: ImageOpener
    _trust_servers: TrustServers | None
    _witnesses: Witnesses

    def migrate_trust(
        self,
        repositories: Iterable[str],
        key: str | PathLike | SigningKey,
        trust: ContentTrust,
        **options: Unpack[given.SessionMigrateTrustOptions],
    ) -> Generator[Outcome[MigratedTag], None, None]:
        """`imagesig.migrate_trust`, with its options and errors."""
        from imagesig.api.trust.migrating import migrate_trust

        return migrate_trust(
            repositories,
            key,
            trust,
            transport=self.transport,
            witnesses=self._witnesses,
            trust_servers=self._trust_servers,
            **options,
        )

    def inspect_trust(
        self, image: str, trust: ContentTrust | None = None, **options: Unpack[given.SessionInspectTrustOptions]
    ) -> InspectedTrust:
        """`imagesig.inspect_trust`, with its options and errors."""
        from imagesig.api.trust.inspecting import inspect_trust

        return inspect_trust(image, trust, trust_servers=self._trust_servers, **options)

    def sign_trust(
        self, image: str, keys: TrustKeys, **options: Unpack[given.SessionTrustChangeOptions]
    ) -> ChangedTrust:
        """`imagesig.sign_trust`, with its options and errors."""
        from imagesig.api.trust.signing import sign_trust

        return sign_trust(image, keys, transport=self.transport, trust_servers=self._trust_servers, **options)

    def revoke_trust(
        self, image: str, keys: TrustKeys, **options: Unpack[given.SessionTrustChangeOptions]
    ) -> ChangedTrust:
        """`imagesig.revoke_trust`, with its options and errors."""
        from imagesig.api.trust.revoking import revoke_trust

        return revoke_trust(image, keys, trust_servers=self._trust_servers, **options)

    def add_signer(
        self,
        repository: str,
        name: str,
        public_keys: Sequence[PublicKey],
        keys: TrustKeys,
        **options: Unpack[given.SessionTrustChangeOptions],
    ) -> ChangedTrust:
        """`imagesig.add_signer`, with its options and errors."""
        from imagesig.api.trust.signers import add_signer

        return add_signer(repository, name, public_keys, keys, trust_servers=self._trust_servers, **options)

    def remove_signer(
        self, repository: str, name: str, keys: TrustKeys, **options: Unpack[given.SessionRemoveSignerOptions]
    ) -> ChangedTrust:
        """`imagesig.remove_signer`, with its options and errors."""
        from imagesig.api.trust.signers import remove_signer

        return remove_signer(repository, name, keys, trust_servers=self._trust_servers, **options)

    def init_trust(
        self, repository: str, keys: TrustKeys, **options: Unpack[given.SessionTrustChangeOptions]
    ) -> ChangedTrust:
        """`imagesig.init_trust`, with its options and errors."""
        from imagesig.api.trust.repositories import init_trust

        return init_trust(repository, keys, trust_servers=self._trust_servers, **options)

    def rotate_trust_key(
        self, repository: str, role: str, keys: TrustKeys, **options: Unpack[given.SessionRotateTrustKeyOptions]
    ) -> ChangedTrust:
        """`imagesig.rotate_trust_key`, with its options and errors."""
        from imagesig.api.trust.repositories import rotate_trust_key

        return rotate_trust_key(repository, role, keys, trust_servers=self._trust_servers, **options)
