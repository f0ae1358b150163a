"""Looks up tags in verified trust data: the digest of a tag, and its signers."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.content_trust.metadata import FileHash
from imagesig.content_trust.role import RELEASES, TARGETS
from imagesig.content_trust.update import SignedTargets, TrustData

ADMINISTRATOR = "Repo Admin"
"""Docker's name for the signer of a tag that no delegated signer has signed."""


class Release(Struct, frozen=True):
    """A released tag: the manifest that it names, and the role that says so, `targets/releases` or `targets`."""

    tag: str
    manifest: FileHash
    by: SignedTargets

    @property
    def digest(self) -> str:
        return self.manifest.digest


def tags_of(signed: SignedTargets) -> Iterator[tuple[str, FileHash]]:
    """The tags of a role, without those outside its paths."""
    role = signed.role
    for tag, manifest in signed.targets.tags.items():
        if role.name == TARGETS or role.may_name(tag):
            yield tag, manifest


def tag_in(signed: SignedTargets | None, tag: str) -> FileHash | None:
    """The manifest of a tag in a role; None if the role does not name the tag."""
    if signed is None or not (signed.role.name == TARGETS or signed.role.may_name(tag)):
        return None
    return signed.targets.tags.get(tag)


@checks_arguments
def released(view: TrustData, tag: str) -> Release | None:
    """The release of a tag: that of `targets/releases`, else that of `targets`. Other roles release nothing."""
    for signed in _releasing(view):
        if manifest := tag_in(signed, tag):
            return Release(tag, manifest, signed)
    return None


@checks_arguments
def releases(view: TrustData) -> dict[str, Release]:
    """Every released tag."""
    found: dict[str, Release] = {}
    for signed in _releasing(view):
        for tag, manifest in tags_of(signed):
            found.setdefault(tag, Release(tag, manifest, signed))
    return found


@checks_arguments
def signers_of(view: TrustData, tag: str, manifest: FileHash) -> tuple[str, ...]:
    """The names of the signers whose roles name the same manifest by this tag, in the order of their delegation."""
    return tuple(
        name.removeprefix(f"{TARGETS}/")
        for name, signed in view.delegated.items()
        if name != RELEASES and (found := tag_in(signed, tag)) is not None and found.sha256 == manifest.sha256
    )


def _releasing(view: TrustData) -> Iterator[SignedTargets]:
    if RELEASES in view.delegated:
        yield view.delegated[RELEASES]
    yield view.targets
