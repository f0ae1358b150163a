"""`aio.Session`: a session for asyncio, with a pool of threads of its own."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Self, overload

from imagesig.aio.runner import PER_HOST, WORKERS, Runner, seconds_for
from imagesig.aio.trust_session import TrustSession
from imagesig.api import session
from imagesig.api.policy_keys import KEY_SECONDS
from imagesig.api.stored_signatures import ImageLike
from imagesig.arguments import checks_arguments
from imagesig.deadlines import Stop
from imagesig.keys.uri import open_public_keys

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api import options as given
    from imagesig.api.attached.downloading import Downloaded
    from imagesig.api.attached.tree import ImageTree
    from imagesig.api.copying import CopiedImage
    from imagesig.api.explaining import Explanation
    from imagesig.api.inspecting import InspectedImage
    from imagesig.api.outcome import Outcome
    from imagesig.api.removing import RemovedImage
    from imagesig.api.sign.signed_image import AttestedImage, SignedImage
    from imagesig.api.sign.signing import Progress
    from imagesig.api.sign.signing_elsewhere import Payload
    from imagesig.api.verify.verifying import OpenPublicKeys, VerificationResult
    from imagesig.content_trust.servers import TrustServers
    from imagesig.images.open import TransportLike
    from imagesig.keys import SigningKey
    from imagesig.naming import PathLike
    from imagesig.policy import AuthorityLike, Policy
    from imagesig.witnesses import Witnesses

Images = Iterable[ImageLike] | AsyncIterable[ImageLike]


class Session(TrustSession):
    """`imagesig.Session` for asyncio: its methods are the functions of `imagesig.aio`.

    Use it with `async with`, or close it. `workers` are threads that work at the same time, and `per_host` how many of
    them may work for one registry: one that does not answer leaves the others to the other registries. Other arguments
    are as of `imagesig.Session`.
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
        workers: int = WORKERS,
        per_host: int = PER_HOST,
    ) -> None:
        self._runner = Runner(workers, per_host)
        self._session = session.Session(
            transport, open_keys=open_keys, witnesses=witnesses, trust_servers=trust_servers, key_seconds=key_seconds
        )

    async def verify(
        self, image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[given.SessionVerifyOptions]
    ) -> VerificationResult:
        """`imagesig.verify`, with its options and errors."""
        action = functools.partial(self._session.verify, image, policy, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def verify_attestation(
        self, image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[given.SessionVerifyAttestationOptions]
    ) -> VerificationResult:
        """`imagesig.verify_attestation`, with its options and errors."""
        action = functools.partial(self._session.verify_attestation, image, policy, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def inspect(self, image: ImageLike, **options: Unpack[given.SessionInspectOptions]) -> InspectedImage:
        """`imagesig.inspect`, with its options and errors."""
        action = functools.partial(self._session.inspect, image, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def tree(self, image: ImageLike, **options: Unpack[given.SessionTreeOptions]) -> ImageTree:
        """`imagesig.tree`, with its options and errors."""
        action = functools.partial(self._session.tree, image, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def download(
        self, image: ImageLike, what: str, **options: Unpack[given.SessionDownloadOptions]
    ) -> tuple[Downloaded, ...]:
        """`imagesig.download`, with its options and errors."""
        action = functools.partial(self._session.download, image, what, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def explain(
        self, image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[given.SessionExplainOptions]
    ) -> Explanation:
        """`imagesig.explain`, with its options and errors."""
        action = functools.partial(self._session.explain, image, policy, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def generate_payload(self, image: ImageLike, **options: Unpack[given.SessionPayloadOptions]) -> Payload:
        """`imagesig.generate_payload`, with its options and errors."""
        action = functools.partial(self._session.generate_payload, image, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=True)

    async def attach(
        self, image: ImageLike, signature: bytes | str, **options: Unpack[given.SessionAttachOptions]
    ) -> SignedImage:
        """`imagesig.attach`, with its options and errors."""
        action = functools.partial(self._session.attach, image, signature, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=False)

    async def copy(
        self, source: ImageLike, destination: ImageLike, **options: Unpack[given.SessionCopyOptions]
    ) -> CopiedImage:
        """`imagesig.copy`, with its options and errors."""
        action = functools.partial(self._session.copy, source, destination, **options)
        seconds = options.get("timeout")
        return await self._runner.call(action, [source, destination], seconds=seconds, stops=False)

    async def remove(self, image: ImageLike, **options: Unpack[given.SessionRemoveOptions]) -> RemovedImage:
        """`imagesig.remove`, with its options and errors."""
        action = functools.partial(self._session.remove, image, **options)
        seconds = seconds_for(image, self._session.transport, options.get("timeout"))
        return await self._runner.call(action, [image], seconds=seconds, stops=False)

    @overload  # to a type checker, a str is a sequence of str too
    async def sign(  # type: ignore[overload-overlap]
        self,
        image: ImageLike,
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionSignOptions],
    ) -> SignedImage: ...

    @overload
    async def sign(
        self,
        image: Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionSignOptions],
    ) -> tuple[SignedImage, ...]: ...

    async def sign(
        self,
        image: ImageLike | Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionSignOptions],
    ) -> SignedImage | tuple[SignedImage, ...]:
        """`imagesig.sign`, with its options and errors."""
        action = functools.partial(self._session.sign, image, key, progress=progress, **options)
        images: Iterable[ImageLike] = image if isinstance(image, list | tuple) else [image]  # type: ignore[list-item]
        return await self._runner.call(action, images, seconds=None, stops=False)

    def verify_many(
        self, images: Images, policy: Policy | AuthorityLike, **options: Unpack[given.SessionVerifyManyOptions]
    ) -> AsyncGenerator[Outcome[VerificationResult], None]:
        """`imagesig.verify_many`, with its options and errors; `images` may be an asynchronous iterable too."""

        def start(ready: Iterable[ImageLike]) -> Generator[Outcome[VerificationResult], None, None]:
            return self._session.verify_many(ready, policy, **options)

        return self._runner.stream(images, start, Stop())

    def sign_many(
        self, images: Images, key: str | PathLike | SigningKey, **options: Unpack[given.SessionSignManyOptions]
    ) -> AsyncGenerator[Outcome[SignedImage], None]:
        """`imagesig.sign_many`, with its options and errors; `images` may be an asynchronous iterable too."""

        def start(ready: Iterable[ImageLike]) -> Generator[Outcome[SignedImage], None, None]:
            return self._session.sign_many(ready, key, **options)

        return self._runner.stream(images, start, None)

    @overload  # to a type checker, a str is a sequence of str too
    async def attest(  # type: ignore[overload-overlap]
        self,
        image: ImageLike,
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionAttestOptions],
    ) -> AttestedImage: ...

    @overload
    async def attest(
        self,
        image: Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionAttestOptions],
    ) -> tuple[AttestedImage, ...]: ...

    async def attest(
        self,
        image: ImageLike | Sequence[ImageLike],
        key: str | PathLike | SigningKey,
        *,
        progress: Progress | None = None,
        **options: Unpack[given.SessionAttestOptions],
    ) -> AttestedImage | tuple[AttestedImage, ...]:
        """`imagesig.attest`, with its options and errors."""
        action = functools.partial(self._session.attest, image, key, progress=progress, **options)
        images: Iterable[ImageLike] = image if isinstance(image, list | tuple) else [image]  # type: ignore[list-item]
        return await self._runner.call(action, images, seconds=None, stops=False)

    def attest_many(
        self, images: Images, key: str | PathLike | SigningKey, **options: Unpack[given.SessionAttestManyOptions]
    ) -> AsyncGenerator[Outcome[AttestedImage], None]:
        """`imagesig.attest_many`, with its options and errors; `images` may be an asynchronous iterable too."""

        def start(ready: Iterable[ImageLike]) -> Generator[Outcome[AttestedImage], None, None]:
            return self._session.attest_many(ready, key, **options)

        return self._runner.stream(images, start, None)

    def remove_many(
        self, images: Images, **options: Unpack[given.SessionRemoveManyOptions]
    ) -> AsyncGenerator[Outcome[RemovedImage], None]:
        """`imagesig.remove_many`, with its options and errors; `images` may be an asynchronous iterable too."""

        def start(ready: Iterable[ImageLike]) -> Generator[Outcome[RemovedImage], None, None]:
            return self._session.remove_many(ready, **options)

        return self._runner.stream(images, start, None)

    def close(self) -> None:
        """Closes idle connections and ends idle threads. The session can still be used."""
        self._session.close()
        self._runner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
