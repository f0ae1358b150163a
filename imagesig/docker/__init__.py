"""Images of a container engine: docker-py's images with `verify_signature`, and pulls of verified images only.

Needs the extra `docker`. `verify` needs no more than the object that docker-py gave.
"""

from imagesig.lazy import lazy

PUBLIC = {
    "imagesig.docker.connecting": "from_env",
    "imagesig.docker.pulling": "pull_verified",
    "imagesig.docker.verifying": "ImageVerdict verify",
}

__getattr__, __dir__, __all__ = lazy(__name__, PUBLIC)
