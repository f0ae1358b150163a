"""A signed image in lines for people."""

from __future__ import annotations

from imagesig.api.sign.signed_image import SignedImage
from imagesig.cli.output.render import word
from imagesig.cli.output.terminal import say


def write_signed(result: SignedImage) -> None:
    say(f"{result.pinned}")
    say(f"  key       {result.public_key}  {result.key_id}")
    say(f"  identity  {result.identity or '(none)'}")
    for signature in result.signatures:
        where = f"  {word(signature.platform)}" if signature.platform else ""
        say(f"  {signature.state:9} {signature.format:7} {signature.digest}{where}")
    for removed in result.removed:
        where = f"  {word(removed.platform)}" if removed.platform else ""
        say(f"  {removed.state:9} {removed.format:7} {removed.digest}{where}  {removed.origin}")
