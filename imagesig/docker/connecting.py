"""`from_env`: docker-py's client, with images that verify their signatures. docker-py is imported on the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagesig.docker.engine_errors import engine_call

if TYPE_CHECKING:
    from imagesig.docker.client import VerifyingClient


def from_env(**options: Any) -> VerifyingClient:
    """docker-py's client for the engine of the environment. Its images have `verify_signature(policy=None)`.

    `options` are those of docker-py's `from_env`. No class of docker-py is changed.

    Raises:
        MissingExtra: docker-py is not installed.
        Unreachable: no engine answers at `DOCKER_HOST`.
    """
    with engine_call("the engine"):
        from imagesig.docker.client import VerifyingClient

        client: VerifyingClient = VerifyingClient.from_env(**options)
        return client
