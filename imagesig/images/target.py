"""The manifests of an image that can be signed: the image itself and, if it is an index, its children."""

from __future__ import annotations

from msgspec import Struct

from imagesig import limits
from imagesig.concurrency import for_each
from imagesig.deadlines import remaining
from imagesig.encoding.json import parse_object
from imagesig.errors import DigestMismatch, ImageNotFound, InvalidArgument, LimitExceeded, MalformedError, NotFound
from imagesig.images.image import Image
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import UNKNOWN_SIZE, Listing, parse_contents, parse_listing
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, check_document
from imagesig.oci.platform import Platform, best, fits, is_as_listed, parse_platform, platform_of_config
from imagesig.oci.shapes import CONFIG, DOCUMENT
from imagesig.text import quote

_DEPTH = 3
"""Indexes within indexes."""
_SHOWN = 20
"""Largest number of platforms in a message."""


class Target(Struct, frozen=True):
    """One manifest to sign. `platform` is shown to people: `linux/arm64` for a child, empty for the image itself."""

    descriptor: Descriptor
    platform: str = ""


class Targets(Struct, frozen=True):
    """The image itself, then every distinct child. `missing` are children that are listed but do not exist, and
    `unread` says which entries cannot be read."""

    found: tuple[Target, ...]
    missing: tuple[Target, ...] = ()
    unread: tuple[str, ...] = ()


def targets_of(image: Image, *, recursive: bool, resolve: bool = False) -> Targets:
    """The image itself and, if it is an index and `recursive`, its children.

    With `resolve`, each child is read: size and type are those of its bytes, and children that do not exist are
    `missing`. Without it, size and type are claims of the index, and only the digest can be trusted.

    Of the image itself digest, type and size are signed: its layers are not read, and an entry of an index that cannot
    be read is `unread`.

    Raises:
        ImageNotFound: there is no such image.
        MalformedError: the tag or digest does not name an image.
        DigestMismatch: the bytes do not have the digest.
        LimitExceeded: more children than `limits.INDEX_CHILDREN`, or indexes nested too deeply.
    """
    try:
        root = image.home.resolve(image.target)
        content = image.home.read(root, limit=limits.MANIFEST_BYTES)
    except NotFound as error:
        raise ImageNotFound(
            f"{image}: there is no such image", hint="check the reference, or push the image first"
        ) from error
    if root.media_type not in INDEX_TYPES:
        check_document(content, root.media_type, str(image), is_list=True)
        return Targets((Target(root),))
    walk = _Walk(image, resolve)
    walk.found[root.digest] = Target(root)
    walk.add_children(root, content, _DEPTH if recursive else 0)
    return Targets(tuple(walk.found.values()), tuple(walk.missing.values()), tuple(walk.unread))


class _Walk:
    """The children of an index found so far."""

    def __init__(self, image: Image, resolve: bool) -> None:
        self._image, self._resolve = image, resolve
        self.found: dict[str, Target] = {}
        self.missing: dict[str, Target] = {}
        self.unread: list[str] = []

    def add_children(self, index: Descriptor, content: bytes, depth: int) -> None:
        """Adds the children of an index with this content. With depth 0, the index is only parsed."""
        image = self._image
        new: dict[str, Target] = {}
        listing = _children(image, index, content)
        self.unread += [str(error) for _, error in listing.malformed[:_SHOWN]]
        for child in listing.entries:
            if child.media_type in (*MANIFEST_TYPES, *INDEX_TYPES) and child.digest not in self.found | self.missing:
                new.setdefault(child.digest, Target(child, str(child.platform or "unknown platform")))
        if depth == 0:
            return
        if len(self.found) + len(self.missing) + len(new) > limits.INDEX_CHILDREN:
            raise LimitExceeded(f"{image}: more than {limits.INDEX_CHILDREN} manifests below one index")
        children = list(new.values())
        for listed, target in zip(children, for_each(children, self._resolved), strict=True):
            if target is None:
                self.missing[listed.descriptor.digest] = listed
                continue
            if isinstance(target, str):
                self.unread.append(target)
                continue
            self.found[target.descriptor.digest] = target
            if target.descriptor.media_type in INDEX_TYPES:
                if depth == 1:
                    raise LimitExceeded(f"{image}: indexes nested more than {_DEPTH} deep")
                nested = image.home.read(target.descriptor, limit=limits.MANIFEST_BYTES)
                self.add_children(target.descriptor, nested, depth - 1)

    def _resolved(self, listed: Target) -> Target | str | None:
        """The child by its own bytes; None if it does not exist, or why it cannot be read."""
        if not self._resolve:
            return listed
        remaining(f"{self._image}: reading its children")
        try:
            # Some formats sign size and type, so they must come from the bytes, not from the index.
            return Target(self._image.home.resolve(listed.descriptor.digest), listed.platform)
        except NotFound:
            return None
        except DigestMismatch:
            raise
        except MalformedError as error:
            return str(error)


def _children(image: Image, index: Descriptor, content: bytes) -> Listing:
    """The children of an index. One that cannot be read hides no other.

    Raises:
        LimitExceeded: more than `limits.INDEX_CHILDREN`.
    """
    what = f"{image}: index {index.digest}"
    listing = parse_listing(content, index.media_type, what, most=limits.INDEX_CHILDREN)
    if listing.limited is not None:
        raise listing.limited
    return listing


class Choice(Struct, frozen=True):
    """The manifest of an image for one platform, described by its own bytes. `listed` is the platform in the index;
    None for an image of one platform, whose config was compared already.
    """

    descriptor: Descriptor
    wanted: Platform
    listed: Platform | None = None


def child_for_platform(image: Image, root: Descriptor, text: str) -> Choice:
    """The manifest of the image for a platform, in the form of `parse_platform`.

    The platform in an index is not checked here: `check_platform` compares the config, unless the index is signed.

    Raises:
        InvalidArgument: not a platform, or one that several children have.
        ImageNotFound: no child has it, or the child does not exist.
        DigestMismatch: the bytes do not have the digest.
        MalformedError: an entry that cannot be read is for this platform, so other readers may choose that one.
    """
    wanted = parse_platform(text)
    content = image.home.read(root, limit=limits.MANIFEST_BYTES)
    if root.media_type not in INDEX_TYPES:
        actual = _platform_of(image, root, content)
        if actual is None or not fits(actual, wanted):
            raise ImageNotFound(
                f"{image}: is for {actual or 'a platform that its config does not name'}, not for {wanted}",
                hint="name this platform, or leave it out",
            )
        return Choice(root, wanted)
    children = _children(image, root, content)
    listed = [(child, child.platform) for child in children.entries if child.platform]
    chosen = [listed[number] for number in best([platform for _, platform in listed], wanted)]
    if not chosen:
        _check_unread(content, children, wanted, "")
        there = ", ".join(quote(str(platform)) for _, platform in listed[:_SHOWN]) or "none"
        raise ImageNotFound(f"{image}: has no platform {wanted} (it has: {there})")
    if len({child.digest for child, _ in chosen}) > 1:
        seen = ", ".join(quote(str(platform)) for _, platform in chosen[:_SHOWN])
        raise InvalidArgument(
            f"platform {quote(text)}: {len(chosen)} manifests fit ({seen}); give the variant or version too"
        )
    child, platform = chosen[0]
    _check_unread(content, children, wanted, child.digest)
    try:
        descriptor = image.home.resolve(child.digest)
    except NotFound as error:
        raise ImageNotFound(f"{image}: lists {platform} as {child.digest}, which does not exist") from error
    return Choice(descriptor, wanted, platform)


def _check_unread(content: bytes, children: Listing, wanted: Platform, chosen: str) -> None:
    """Returns unless an entry that cannot be read is for the wanted platform, and for another digest than the chosen.

    `chosen` is empty if no entry that can be read is for that platform.

    Raises:
        MalformedError: there is one, which other readers may read and choose.
    """
    if not children.malformed:
        return
    entries = parse_object(content, "index", DOCUMENT)["manifests"]
    assert isinstance(entries, list)
    for place, error in children.malformed:
        entry = entries[place]
        if not isinstance(entry, dict) or (chosen and entry.get("digest") == chosen):
            continue
        members = entry.get("platform")
        platform = platform_of_config(members) if isinstance(members, dict) else None
        if platform is not None and fits(platform, wanted):
            raise MalformedError(
                f"{error}; it is for {wanted}, and other readers may choose it",
                hint="name the image for the platform by its digest"
                if chosen
                else "write the index again, with an entry that can be read",
            ) from error


def check_platform(image: Image, choice: Choice) -> None:
    """Returns if the image's config has the platform that the index lists.

    Raises:
        ImageNotFound: it has another platform, or cannot be read.
        DigestMismatch: the bytes do not have the digest.
    """
    if choice.listed is None:
        return
    digest = choice.descriptor.digest
    content = image.home.read(choice.descriptor, limit=limits.MANIFEST_BYTES)
    actual = _platform_of(image, choice.descriptor, content)
    if actual is None:
        raise ImageNotFound(f"{image}: lists {digest} as {choice.listed}, but its config is not that of an image")
    if not is_as_listed(actual, choice.listed, choice.wanted):
        raise ImageNotFound(
            f"{image}: lists {digest} as {choice.listed}, but it is for {actual}",
            hint="use the digest of the image, or the whole index",
        )


def _platform_of(image: Image, manifest: Descriptor, content: bytes) -> Platform | None:
    """The platform in an image's config; None if it names none."""
    what = f"{image}: config"
    try:
        config = parse_contents(content, manifest.media_type, str(image)).config
        if config is None or config.size == UNKNOWN_SIZE:
            return None
        return platform_of_config(parse_object(image.home.read(config, limit=limits.CONFIG_BYTES), what, CONFIG))
    except DigestMismatch:
        raise
    except (MalformedError, NotFound):
        return None
