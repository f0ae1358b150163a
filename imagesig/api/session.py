"""`Session`: the public functions with one way to reach images, and connections, logins and keys that stay open."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Self, cast, overload

from imagesig.api.attached.downloading import Downloaded, download
from imagesig.api.attached.tree import ImageTree, tree
from imagesig.api.attest.attesting import attest
from imagesig.api.attest.attesting_many import attest_many
from imagesig.api.copying import CopiedImage, copy
from imagesig.api.explaining import Explanation, explain
from imagesig.api.inspecting import InspectedImage, inspect
from imagesig.api.outcome import Outcome
from imagesig.api.policy_keys import KEY_SECONDS, LazyWitnesses, PolicyKeys
from imagesig.api.removing import RemovedImage, remove
from imagesig.api.removing_many import remove_many
from imagesig.api.sign.signed_image import AttestedImage, SignedImage
from imagesig.api.sign.signing import Progress, sign
from imagesig.api.sign.signing_elsewhere import Payload, attach, generate_payload
from imagesig.api.sign.signing_many import sign_many
from imagesig.api.stored_signatures import ImageLike
from imagesig.api.trust.trust_session import TrustSession
from imagesig.api.verify.verifying import OpenPublicKeys, VerificationResult, verify
from imagesig.api.verify.verifying_attestation import verify_attestation
from imagesig.api.verify.verifying_many import verify_many
from imagesig.arguments import checks_arguments
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_public_keys
from imagesig.naming import PathLike
from imagesig.policy import AuthorityLike, Policy

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api import options as given
    from imagesig.content_trust.servers import TrustServers
    from imagesig.witnesses import Witnesses


class Session(TrustSession):
    """What a service holds: open connections, logins, opened policy keys, answers about revocation. Thread-safe.

    Use it as a context manager, or close it. Its methods are the public functions of the same names.

    Args:
        transport: how images given by name are reached: settings, or a client with open connections.
        open_keys: opens files and key URIs of policies.
        trust_servers: reads the trust servers of policies with content trust, and of the functions about it; by default
            with the user's files.
        witnesses: how timestamp services and revocation servers are reached; `online()` by default.
        key_seconds: seconds after which a policy's key is opened again, so that a rotation is noticed. A wrong PIN
        or passphrase is not tried again.
    """

    @checks_arguments
    def __init__(
        self,
        transport: TransportLike | None = None,
        *,
        open_keys: OpenPublicKeys = open_public_keys,
        witnesses: Witnesses | None = None,
        trust_servers: TrustServers | None = None,
        key_seconds: float = KEY_SECONDS,
    ) -> None:
        self.transport = ImageOpener(transport)
        self._keys = PolicyKeys(open_keys, key_seconds)
        self._trust_servers = trust_servers
        self._witnesses = witnesses if witnesses is not None else cast("Witnesses", LazyWitnesses())

    def verify(
        self, image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[given.SessionVerifyOptions]
    ) -> VerificationResult:
        """`imagesig.verify`, with its options and errors."""
        return verify(
            image,
            policy,
            transport=self.transport,
            open_keys=self._keys.open,
            witnesses=self._witnesses,
            trust_servers=self._trust_servers,
            **options,
        )

    def verify_many(
        self,
        images: Iterable[ImageLike],
        policy: Policy | AuthorityLike,
        **options: Unpack[given.SessionVerifyManyOptions],
    ) -> Generator[Outcome[VerificationResult], None, None]:
        """`imagesig.verify_many`, with its options and errors, in threads of this process."""
        return verify_many(
            images,
            policy,
            transport=self.transport,
            open_keys=self._keys.open,
            witnesses=self._witnesses,
            trust_servers=self._trust_servers,
            **options,
        )

    def verify_attestation(
        self, image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[given.SessionVerifyAttestationOptions]
    ) -> VerificationResult:
        """`imagesig.verify_attestation`, with its options and errors."""
        return verify_attestation(
            image,
            policy,
            transport=self.transport,
            open_keys=self._keys.open,
            witnesses=self._witnesses,
            **options,
        )

    @overload  # to a type checker, a str is a sequence of str too
    def sign(  # type: ignore[overload-overlap]
        self,
        image: ImageLike,
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionSignOptions],
    ) -> SignedImage: ...

    @overload
    def sign(
        self,
        image: Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionSignOptions],
    ) -> tuple[SignedImage, ...]: ...

    def sign(
        self,
        image: ImageLike | Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionSignOptions],
    ) -> SignedImage | tuple[SignedImage, ...]:
        """`imagesig.sign`, with its options and errors. Pass an open key: a key given by name is opened each time."""
        return sign(image, key, progress=progress, transport=self.transport, witnesses=self._witnesses, **options)

    def sign_many(
        self,
        images: Iterable[ImageLike],
        key: str | PathLike | SigningKey,
        **options: Unpack[given.SessionSignManyOptions],
    ) -> Generator[Outcome[SignedImage], None, None]:
        """`imagesig.sign_many`, with its options and errors."""
        return sign_many(images, key, transport=self.transport, witnesses=self._witnesses, **options)

    @overload  # to a type checker, a str is a sequence of str too
    def attest(  # type: ignore[overload-overlap]
        self,
        image: ImageLike,
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionAttestOptions],
    ) -> AttestedImage: ...

    @overload
    def attest(
        self,
        image: Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionAttestOptions],
    ) -> tuple[AttestedImage, ...]: ...

    def attest(
        self,
        image: ImageLike | Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionAttestOptions],
    ) -> AttestedImage | tuple[AttestedImage, ...]:
        """`imagesig.attest`, with its options and errors. Pass an open key: a key given by name is opened each time."""
        return attest(image, key, progress=progress, transport=self.transport, **options)

    def attest_many(
        self,
        images: Iterable[ImageLike],
        key: str | PathLike | SigningKey,
        **options: Unpack[given.SessionAttestManyOptions],
    ) -> Generator[Outcome[AttestedImage], None, None]:
        """`imagesig.attest_many`, with its options and errors."""
        return attest_many(images, key, transport=self.transport, **options)

    def generate_payload(self, image: ImageLike, **options: Unpack[given.SessionPayloadOptions]) -> Payload:
        """`imagesig.generate_payload`, with its options and errors."""
        return generate_payload(image, transport=self.transport, **options)

    def attach(
        self, image: ImageLike, signature: bytes | str, **options: Unpack[given.SessionAttachOptions]
    ) -> SignedImage:
        """`imagesig.attach`, with its options and errors."""
        return attach(image, signature, transport=self.transport, **options)

    def inspect(self, image: ImageLike, **options: Unpack[given.SessionInspectOptions]) -> InspectedImage:
        """`imagesig.inspect`, with its options and errors."""
        return inspect(image, transport=self.transport, **options)

    def explain(
        self, image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[given.SessionExplainOptions]
    ) -> Explanation:
        """`imagesig.explain`, with its options and errors."""
        return explain(
            image,
            policy,
            transport=self.transport,
            open_keys=self._keys.open,
            witnesses=self._witnesses,
            trust_servers=self._trust_servers,
            **options,
        )

    def remove(self, image: ImageLike, **options: Unpack[given.SessionRemoveOptions]) -> RemovedImage:
        """`imagesig.remove`, with its options and errors."""
        return remove(image, transport=self.transport, **options)

    def remove_many(
        self, images: Iterable[ImageLike], **options: Unpack[given.SessionRemoveManyOptions]
    ) -> Generator[Outcome[RemovedImage], None, None]:
        """`imagesig.remove_many`, with its options and errors."""
        return remove_many(images, transport=self.transport, **options)

    def tree(self, image: ImageLike, **options: Unpack[given.SessionTreeOptions]) -> ImageTree:
        """`imagesig.tree`, with its options and errors."""
        return tree(image, transport=self.transport, **options)

    def download(
        self, image: ImageLike, what: str, **options: Unpack[given.SessionDownloadOptions]
    ) -> tuple[Downloaded, ...]:
        """`imagesig.download`, with its options and errors."""
        return download(image, what, transport=self.transport, **options)

    def copy(
        self, source: ImageLike, destination: ImageLike, **options: Unpack[given.SessionCopyOptions]
    ) -> CopiedImage:
        """`imagesig.copy`, with its options and errors."""
        return copy(source, destination, transport=self.transport, **options)

    def close(self) -> None:
        """Closes idle connections. The session can still be used."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
