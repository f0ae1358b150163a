"""`Signed`: the requirement that an image has signatures by trusted keys or certificate holders."""

from __future__ import annotations

from msgspec.structs import force_setattr

from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations, check_annotations
from imagesig.policy.exact import check_kind
from imagesig.policy.identity import KINDS, OF_IMAGE, Identity
from imagesig.policy.signers import Signers


class Signed(Signers, frozen=True, dict=True):
    """Signatures by enough distinct authorities, for this very image, under an acceptable name. See `Signers`.

    Raises:
        InvalidArgument: as `Signers` does.
    """

    annotations: Annotations = NO_ANNOTATIONS
    identity: Identity = OF_IMAGE

    def __post_init__(self) -> None:
        force_setattr(self, "annotations", check_annotations(self.annotations, "policy: annotation"))
        check_kind(self.identity, KINDS.values(), "policy: identity")
        super().__post_init__()

    def describe(self) -> str:
        """One line: `signed by 2 of release, qa, hsm; formats cosign`."""
        parts = [f"signed by {self.who()}"]
        if self.identity != OF_IMAGE:
            parts.append(f"identity {self.identity}")
        parts += [f"annotation {name}={value}" for name, value in self.annotations.items()]
        return "; ".join(parts + self.how())

    def caution(self, *, alone: bool) -> str:
        if self.identity.compares_tags:
            return ""
        return f"{self.identity.kind} compares no tags, so an older signed image can take the place of a newer one"
