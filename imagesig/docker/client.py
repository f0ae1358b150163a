"""Subclasses of docker-py's client, collection and image: a collection names the class of its images.

This module needs docker-py when it loads, because it subclasses it: `from_env` imports it on the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker.client import DockerClient
from docker.models.images import Image, ImageCollection

from imagesig.docker.verifying import ImageVerdict, image_verdict

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.docker.verifying import EngineVerifyOptions
    from imagesig.policy import AuthorityLike, Policy


class VerifyingImage(Image):  # type: ignore[misc]  # docker-py has no types
    """docker-py's image. `asked_name` is the name that the client was asked for, empty for an image from a list."""

    asked_name = ""

    def verify_signature(
        self, policy: Policy | AuthorityLike | None = None, **options: Unpack[EngineVerifyOptions]
    ) -> ImageVerdict:
        """Whether a registry has signatures of this image that satisfy the policy: true only with proof.

        Without a policy, `Policy.load_default()` applies. `imagesig.docker.verify` explains the options.

        Raises:
            InvalidArgument, KeyProviderError: there is no policy, it is invalid, or its keys cannot be used.
            TransportError, DeadlineExceeded: a registry did not answer completely; this never means "unsigned".
            MalformedError: a registry sent bytes with another digest, or more than the limits allow.
        """
        options.setdefault("name", self.asked_name)
        return image_verdict(self, policy, **options)


class VerifyingImages(ImageCollection):  # type: ignore[misc]
    """docker-py's `client.images`, of images that verify themselves."""

    model = VerifyingImage

    def get(self, name: str) -> VerifyingImage:
        """The image by this name. Raises as docker-py does."""
        image: VerifyingImage = super().get(name)
        image.asked_name = name
        return image


class VerifyingClient(DockerClient):  # type: ignore[misc]
    """docker-py's client with `VerifyingImages`."""

    @property
    def images(self) -> VerifyingImages:
        """The images of the engine."""
        return VerifyingImages(client=self)
