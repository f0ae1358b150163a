"""Sign, verify and inspect images: `signing`, `verifying` and `inspecting` each read top to bottom.

Everything composes here and is done below: `images` resolve, `formats` draft and authenticate, `keys` sign, `stores`
find and attach, `policy` judges. Only here does the wall clock reach a signature or a verdict.
"""

from imagesig.api.gathering import ImageLike
from imagesig.api.inspecting import InspectedImage, InspectedSignature, inspect
from imagesig.api.signing import MadeSignature, SignedImage, sign
from imagesig.api.verifying import VerificationResult, verify

__all__ = [
    "ImageLike",
    "InspectedImage",
    "InspectedSignature",
    "MadeSignature",
    "SignedImage",
    "VerificationResult",
    "inspect",
    "sign",
    "verify",
]
