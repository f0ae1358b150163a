"""Sign, verify, inspect and copy images, and take signatures away: a module for each, read top to bottom.

Everything composes here and is done below: `images` resolve, `formats` draft and authenticate, `keys` sign, `stores`
find and attach, `policy` judges. Only here does the wall clock reach a signature or a verdict.

The public names load on first use, so that who only verifies does not pay for signing.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from imagesig.api.copy_writer import CopiedManifest
    from imagesig.api.copying import Admit, CopiedImage, copy
    from imagesig.api.diagnosing import Diagnosis, diagnose
    from imagesig.api.explaining import Explanation, explain
    from imagesig.api.inspecting import InspectedImage, InspectedSignature, inspect
    from imagesig.api.removing import RemovedImage, RemovedSignature, remove
    from imagesig.api.signing import MadeSignature, SignedImage, sign
    from imagesig.api.signing_many import sign_many
    from imagesig.api.stored_signatures import ImageLike
    from imagesig.api.verifying import VerificationResult, verify
    from imagesig.api.verifying_many import Outcome, verify_many

_HOMES = {
    "Admit": "copying",
    "CopiedImage": "copying",
    "CopiedManifest": "carrying",
    "Diagnosis": "diagnosing",
    "Explanation": "explaining",
    "ImageLike": "gathering",
    "InspectedImage": "inspecting",
    "InspectedSignature": "inspecting",
    "MadeSignature": "signing",
    "Outcome": "verifying_many",
    "RemovedImage": "removing",
    "RemovedSignature": "removing",
    "SignedImage": "signing",
    "VerificationResult": "verifying",
    "copy": "copying",
    "diagnose": "diagnosing",
    "explain": "explaining",
    "inspect": "inspecting",
    "remove": "removing",
    "sign": "signing",
    "sign_many": "signing_many",
    "verify": "verifying",
    "verify_many": "verifying_many",
}

__all__ = [
    "Admit",
    "CopiedImage",
    "CopiedManifest",
    "Diagnosis",
    "Explanation",
    "ImageLike",
    "InspectedImage",
    "InspectedSignature",
    "MadeSignature",
    "Outcome",
    "RemovedImage",
    "RemovedSignature",
    "SignedImage",
    "VerificationResult",
    "copy",
    "diagnose",
    "explain",
    "inspect",
    "remove",
    "sign",
    "sign_many",
    "verify",
    "verify_many",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"imagesig.api.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
