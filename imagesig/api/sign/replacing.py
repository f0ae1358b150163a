"""`sign(..., replace=KEY)`: after a key rotation, the old key's signatures are removed once the new key has signed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.removing import Found, RemovedSignature, check_all_read, detach, made_by
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, RemovalIncomplete
from imagesig.images.image import Image
from imagesig.signature import Claim, SignerInfo
from imagesig.trust import TrustAnchors


class ReplacedSignatures(Struct, frozen=True):
    """The signatures of one image by replaced keys.

    `obsolete` have the same claim as a new signature and are removed; `kept` counts the others. `limited` says that
    not all signatures of the image were read.
    """

    image: Image
    obsolete: tuple[Found, ...] = ()
    kept: int = 0
    noun: str = "signature"
    limited: LimitExceeded | None = None

    def removed(self, *, dry_run: bool) -> tuple[RemovedSignature, ...]:
        """The obsolete signatures, as a result lists them."""
        return tuple(item.as_removed("planned" if dry_run else "removed") for item in self.obsolete)

    @property
    def warnings(self) -> tuple[str, ...]:
        unread = (
            "" if self.limited is None else f"old {self.noun}s may be among those that are not read: {self.limited}"
        )
        return tuple(filter(None, (unread, self._stays)))

    @property
    def _stays(self) -> str:
        if not self.kept:
            return ""
        if self.noun == "attestation":
            return (
                f"{self.kept} attestation{'' if self.kept == 1 else 's'} of this type by the same key name other "
                "images too and stay"
            )
        return (
            f"{self.kept} signature{'' if self.kept == 1 else 's'} by a replaced key say something else (another name "
            "or other annotations) and stay; imagesig remove --key removes them"
        )

    def with_further(self, other: ReplacedSignatures) -> ReplacedSignatures:
        """These, and those of another manifest of the image."""
        return replace(
            self,
            obsolete=(*self.obsolete, *other.obsolete),
            kept=self.kept + other.kept,
            limited=self.limited or other.limited,
        )

    def remove(self) -> None:
        """Removes the obsolete signatures.

        Raises:
            RemovalIncomplete: some are still there; the new ones are attached.
        """
        try:
            if self.obsolete:
                detach(self.image, self.obsolete)
            check_all_read(self.image, self.limited, [item.stored.origin for item in self.obsolete])
        except RemovalIncomplete:
            raise
        except ImagesigError as error:
            raise RemovalIncomplete(
                f"{self.image}: the new {self.noun}s are attached, but old ones are still there: {error}",
                removed=(),
                left=[item.stored.origin for item in self.obsolete],
                cause=error,
                hint=error.hint or "sign the same image again: what is there stays, what is left is removed",
            ) from error


def replaced_signatures(
    image: Image, stored: Iterable[tuple[Found, Claim]], keys: TrustAnchors, now: datetime
) -> ReplacedSignatures:
    """Which of the stored signatures one of these keys made; each comes with the claim of the new signature."""
    obsolete, kept = [], 0
    for found, claim in stored:
        examined = made_by(found.stored, found.format, keys, now)
        if examined is None:
            continue
        if _is_same_claim(examined.claim, claim):
            obsolete.append(found)
        else:
            kept += 1
    return ReplacedSignatures(image, tuple(obsolete), kept)


def check_signer(keys: TrustAnchors, signer: SignerInfo) -> None:
    """Raises `InvalidArgument` if the new key is one of the keys to be replaced."""
    for trusted in keys.keys:
        if signer.public_key in trusted.public_keys:
            raise InvalidArgument(
                f"replace: {trusted.name} is the key that signs, so its signatures cannot be replaced by its own",
                hint="--replace names the old key's public half, --key the new key",
            )


def _is_same_claim(old: Claim, new: Claim) -> bool:
    """Whether both name the same digest, with the same annotations and the same name."""
    (subject,) = new.subjects
    same = any(
        item.digest == subject.digest and dict(item.annotations) == dict(subject.annotations) for item in old.subjects
    )
    # A bundle has no name.
    return same and (old.reference is None or old.reference == new.reference)
