"""A signed or attested image in lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from imagesig.api.removing import RemovedSignature
from imagesig.api.sign.signed_image import AttestedImage, MadeSignature, SignedImage
from imagesig.cli.output.render import word
from imagesig.cli.output.terminal import say


def write_signed(result: SignedImage) -> None:
    say(f"{result.pinned}")
    say(f"  key       {result.public_key}  {result.key_id}")
    say(f"  identity  {result.identity or '(none)'}")
    _write_made(result.signatures, result.removed)


def write_attested(result: AttestedImage) -> None:
    say(f"{result.pinned}")
    say(f"  key       {result.public_key}  {result.key_id}")
    say(f"  type      {word(result.predicate_type)}")
    _write_made(result.attestations, result.removed)


def _write_made(made: Sequence[MadeSignature], gone: Sequence[RemovedSignature]) -> None:
    for signature in made:
        where = f"  {word(signature.platform)}" if signature.platform else ""
        say(f"  {signature.state:9} {signature.format:7} {signature.digest}{where}")
    for removed in gone:
        where = f"  {word(removed.platform)}" if removed.platform else ""
        say(f"  {removed.state:9} {removed.format:7} {removed.digest}{where}  {removed.origin}")
