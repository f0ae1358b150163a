"""`pull_verified`: lets an engine pull the verified image by its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagesig.api.verify.verifying import VerificationResult, verify
from imagesig.arguments import checks_arguments
from imagesig.docker.engine_errors import client_call
from imagesig.errors import InvalidArgument, TransportError
from imagesig.external import given
from imagesig.oci.reference import Reference, parse_reference
from imagesig.policy import Policy
from imagesig.text import quote

if TYPE_CHECKING:
    from datetime import datetime

    from imagesig.content_trust.servers import TrustServers
    from imagesig.images.open import TransportLike
    from imagesig.policy import AuthorityLike
    from imagesig.witnesses import Witnesses


@checks_arguments
def pull_verified(
    client: Any,
    reference: str,
    policy: Policy | AuthorityLike | None = None,
    *,
    platform: str = "",
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    trust_servers: TrustServers | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> Any:
    """Resolves and verifies an image, lets the engine pull it by the verified digest, and tags it; docker-py's image.

    `client` is docker-py's, or that of `from_env`. A tag that moves after the verification changes nothing. Without a
    policy, `Policy.load_default()` applies. A digest without a tag gets none. Nothing is pulled unless it is verified;
    other options as for `imagesig.verify`.

    Raises:
        as `imagesig.verify` does; besides:
        Unreachable: the engine does not answer.
        TransportError: the engine cannot pull the image, or the client failed.
        InvalidArgument: something else than a client.
    """
    wanted = parse_reference(reference)
    _check_client(client)
    policy = Policy.load_default() if policy is None else policy
    result = verify(
        reference,
        policy,
        platform=platform,
        now=now,
        witnesses=witnesses,
        trust_servers=trust_servers,
        transport=transport,
        timeout=timeout,
    )
    with client_call(f"pulling {result.pinned}"):
        return _pull(client, wanted, result)


def _check_client(client: Any) -> None:
    with given("pull_verified: client", InvalidArgument):
        is_client = callable(getattr(getattr(client, "api", None), "pull", None)) and hasattr(client, "images")
    if not is_client:
        raise InvalidArgument(f"pull_verified: client is of type {type(client).__name__}, docker-py's is needed")


def _pull(client: Any, wanted: Reference, result: VerificationResult) -> Any:
    refusals = [
        message["error"]
        for message in client.api.pull(wanted.repository, tag=result.digest, stream=True, decode=True)
        if isinstance(message, dict) and "error" in message
    ]
    if refusals:
        raise TransportError(f"pulling {result.pinned}: the engine answers {quote(refusals[0])}")
    image = client.images.get(result.pinned)
    tag = wanted.tag or ("" if wanted.digest else "latest")
    if not tag:
        return image
    image.tag(wanted.repository, tag)
    return client.images.get(f"{wanted.repository}:{tag}")
