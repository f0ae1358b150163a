"""`sign(..., replace=KEY)`: after a key rotation, the old key's signatures go once the new key has said the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from imagesig.api.removing import Found, RemovedSignature, detach, made_by
from imagesig.errors import ImagesigError, InvalidArgument, RemovalIncomplete
from imagesig.formats import Format
from imagesig.images.image import Image
from imagesig.images.target import Target
from imagesig.signature import Claim, SignerInfo, StoredSignature
from imagesig.trust import TrustAnchors


class Replacement:
    """The signatures to take away for one `sign`: those of these keys that say just what the new ones say."""

    def __init__(self, anchors: TrustAnchors, now: datetime) -> None:
        self._anchors = anchors
        self._now = now
        self._found: dict[int, tuple[Image, list[Found]]] = {}
        self._others: dict[int, int] = {}

    def check_signer(self, signer: SignerInfo) -> None:
        """Raises `InvalidArgument` if the new key is one of those to be replaced."""
        for trusted in self._anchors.keys:
            if signer.public_key in trusted.public_keys:
                raise InvalidArgument(
                    f"replace: {trusted.name} is the key that signs, so its signatures cannot be replaced by its own",
                    hint="--replace names the old key's public half, --key the new key",
                )

    def find(
        self, image: Image, target: Target, item_format: Format, claim: Claim, prior: Sequence[StoredSignature]
    ) -> None:
        """Remembers which of the stored signatures say the same as `claim` by one of the old keys."""
        _, found = self._found.setdefault(id(image), (image, []))
        for stored in prior:
            examined = made_by(stored, item_format, self._anchors, self._now)
            if examined is None:
                continue
            if _says_the_same(examined.claim, claim):
                found.append(Found(target, stored, item_format))
            else:
                self._others[id(image)] = self._others.get(id(image), 0) + 1

    def planned(self, image: Image, *, dry_run: bool) -> tuple[RemovedSignature, ...]:
        """What goes, or has gone, of one image."""
        _, found = self._found.get(id(image), (image, []))
        return tuple(item.as_removed("planned" if dry_run else "removed") for item in found)

    def warnings(self, image: Image) -> tuple[str, ...]:
        """What stays although one of the old keys made it."""
        count = self._others.get(id(image), 0)
        if not count:
            return ()
        return (
            f"{count} signature{'' if count == 1 else 's'} by a replaced key say something else (another name or other "
            "annotations) and stay; imagesig remove --key takes them away",
        )

    def run(self) -> None:
        """Takes the old signatures away, image by image.

        Raises:
            RemovalIncomplete: some are still there; the new ones are attached.
        """
        for image, found in self._found.values():
            if not found:
                continue
            try:
                detach(image, found)
            except RemovalIncomplete:
                raise
            except ImagesigError as error:
                raise RemovalIncomplete(
                    f"{image}: signed, but old signatures are still there: {error}",
                    removed=(),
                    left=[item.stored.origin for item in found],
                    hint=error.hint or "sign the same image again: what is there stays, what is left is removed",
                ) from error


def _says_the_same(old: Claim, new: Claim) -> bool:
    """Whether both name the same digest, with the same annotations, by the same name."""
    (subject,) = new.subjects
    same = any(
        item.digest == subject.digest and dict(item.annotations) == dict(subject.annotations) for item in old.subjects
    )
    # A bundle has no name.
    return same and (old.reference is None or old.reference == new.reference)
