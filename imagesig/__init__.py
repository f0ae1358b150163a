"""Sign and verify container images with keys that never leave their home.

The public names load on first use: importing this package loads no key SDK, no HTTP client and no click.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it; importing that alone would cost more than all of this module

if TYPE_CHECKING:
    from imagesig.api import (
        CopiedImage,
        InspectedImage,
        Outcome,
        RemovedImage,
        SignedImage,
        VerificationResult,
        copy,
        inspect,
        remove,
        sign,
        sign_many,
        verify,
        verify_many,
    )
    from imagesig.crypto.algorithms import Algorithm, KeyType
    from imagesig.crypto.public_key import PublicKey
    from imagesig.errors import ImagesigError
    from imagesig.images.archive.archive import archive
    from imagesig.images.archive.docker import docker_archive
    from imagesig.images.directory.directory import directory
    from imagesig.images.image import Image
    from imagesig.images.layout.layout import layout
    from imagesig.images.open import Transport
    from imagesig.images.registry.connect import registry
    from imagesig.keys import KeyProvider, SigningKey, open_key, open_public_keys
    from imagesig.keys.file.provider import key_from_pem
    from imagesig.policy import Identity, Policy
    from imagesig.version import __version__

_HOMES = {
    "Algorithm": "imagesig.crypto.algorithms",
    "CopiedImage": "imagesig.api",
    "Identity": "imagesig.policy",
    "Image": "imagesig.images.image",
    "ImagesigError": "imagesig.errors",
    "InspectedImage": "imagesig.api",
    "KeyProvider": "imagesig.keys",
    "KeyType": "imagesig.crypto.algorithms",
    "Outcome": "imagesig.api",
    "Policy": "imagesig.policy",
    "PublicKey": "imagesig.crypto.public_key",
    "RemovedImage": "imagesig.api",
    "SignedImage": "imagesig.api",
    "SigningKey": "imagesig.keys",
    "Transport": "imagesig.images.open",
    "VerificationResult": "imagesig.api",
    "__version__": "imagesig.version",
    "archive": "imagesig.images.archive.archive",
    "copy": "imagesig.api",
    "directory": "imagesig.images.directory.directory",
    "docker_archive": "imagesig.images.archive.docker",
    "inspect": "imagesig.api",
    "key_from_pem": "imagesig.keys.file.provider",
    "layout": "imagesig.images.layout.layout",
    "open_key": "imagesig.keys",
    "open_public_keys": "imagesig.keys",
    "registry": "imagesig.images.registry.connect",
    "remove": "imagesig.api",
    "sign": "imagesig.api",
    "sign_many": "imagesig.api",
    "verify": "imagesig.api",
    "verify_many": "imagesig.api",
}

__all__ = [
    "Algorithm",
    "CopiedImage",
    "Identity",
    "Image",
    "ImagesigError",
    "InspectedImage",
    "KeyProvider",
    "KeyType",
    "Outcome",
    "Policy",
    "PublicKey",
    "RemovedImage",
    "SignedImage",
    "SigningKey",
    "Transport",
    "VerificationResult",
    "__version__",
    "archive",
    "copy",
    "directory",
    "docker_archive",
    "inspect",
    "key_from_pem",
    "layout",
    "open_key",
    "open_public_keys",
    "registry",
    "remove",
    "sign",
    "sign_many",
    "verify",
    "verify_many",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
