"""`tree`: an image's platforms, signatures, attestations, SBOMs and BuildKit's statements. Unverified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.api.attached.artifact import TAGS, ArtifactKind, is_known, kind_of, predicate_type_of
from imagesig.api.stored_signatures import ImageLike, pinned_name
from imagesig.arguments import checks_arguments
from imagesig.deadlines import at_most_attempts, deadline
from imagesig.effort import Cost, one_image
from imagesig.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    ImageNotFound,
    ImagesigError,
    LimitExceeded,
    NotFound,
    TransportError,
    Unauthorized,
)
from imagesig.images.buildkit import manifests_in, statements_in
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.images.source import ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.listing import Listing, parse_layers
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, Manifest, parse_index, parse_manifest
from imagesig.stores.store import pay

_DEPTH = 3
"""Referrers of referrers, and indexes within indexes."""
_SHOWN = 20
"""Largest number of unreadable entries of one list."""
_CREATED = "org.opencontainers.image.created"


class TreeNode(Struct, frozen=True):
    """An image, an index, or an artifact attached to one. Nothing is verified.

    `size` is in bytes, -1 if unknown. `origin` says where it was found, `problem` why it cannot be read. `blobs` are
    its content: beside the signatures or, if it is `in_index`, in the repository of the image.
    """

    kind: ArtifactKind
    digest: str
    media_type: str = ""
    size: int = -1
    platform: str = ""
    artifact_type: str = ""
    predicate_type: str = ""
    created: str = ""
    origin: str = ""
    problem: str = ""
    children: tuple[TreeNode, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    in_index: bool = False

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {
            "kind": self.kind.value,
            "digest": self.digest,
            "media_type": self.media_type,
            "size": None if self.size < 0 else self.size,
            "platform": self.platform,
            "artifact_type": self.artifact_type,
            "predicate_type": self.predicate_type,
            "created": self.created,
            "origin": self.origin,
            "problem": self.problem,
            "children": [child.document() for child in self.children],
        }


class ImageTree(Struct, frozen=True):
    """The tree of an image. With a `failure` it is incomplete: something could not be read, or a limit was reached."""

    image: str
    digest: str
    pinned: str
    root: TreeNode
    failure: TransportError | LimitExceeded | None = None

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return {
            "image": self.image,
            "digest": self.digest,
            "pinned": self.pinned,
            "trusted": False,
            "tree": self.root.document(),
            "complete": self.failure is None,
            **(self.failure.document() if self.failure else {}),
        }


@checks_arguments
def tree(
    image: ImageLike,
    *,
    allow_incomplete: bool = False,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> ImageTree:
    """The artifacts attached to an image and to the images that it lists. Nothing is verified; do not trust them.

    With `allow_incomplete`, if something cannot be read, or the image has more than the limits allow, the result has
    the rest and the first `failure`. `transport` and `timeout` are as of `verify`.

    Raises:
        ImageNotFound, TransportError, DeadlineExceeded: the image or an artifact could not be read.
        LimitExceeded: the image has more artifacts than the limits allow.
    """
    return image_tree(ImageOpener(transport, timeout).open(image), allow_incomplete=allow_incomplete)


def image_tree(image: Image, *, allow_incomplete: bool, whole: bool = True) -> ImageTree:
    """The tree of an open image. If it is not `whole`, it lacks the artifacts of its platforms and of artifacts."""
    with deadline(image.timeout), one_image():
        try:
            root = image.home.resolve(image.target)
        except NotFound as error:
            raise ImageNotFound(f"{image}: there is no such image", hint="check the reference") from error
        reader = _TreeReader(image, allow_incomplete, whole)
        node = reader.manifest(root, _DEPTH)
    if reader.limited and not allow_incomplete:
        raise reader.limited
    failure = reader.failure or reader.limited
    return ImageTree(str(image), root.digest, pinned_name(image, root.digest), node, failure)


class _TreeReader:
    """Reads the artifacts attached to an image; each manifest once."""

    def __init__(self, image: Image, allow_incomplete: bool, whole: bool) -> None:
        self._image, self._allow_incomplete, self._whole = image, allow_incomplete, whole
        self._seen: set[str] = set()
        self._failures = self._listed_manifests = 0
        self.failure: TransportError | None = None
        self.limited: LimitExceeded | None = None
        """Why something that may be there is not in the tree at all."""

    def manifest(self, found: Descriptor, depth: int, platform: str = "") -> TreeNode:
        """An image or index, with the artifacts attached to it."""
        kind = ArtifactKind.INDEX if found.media_type in INDEX_TYPES else ArtifactKind.IMAGE
        node = TreeNode(kind, found.digest, found.media_type, found.size, platform)
        if found.digest in self._seen:
            return node
        self._seen.add(found.digest)
        # First: anyone who may push can exhaust the limits of one image with other artifacts.
        listed = self._or_problem(node, partial(self._listed, found, depth)) if kind is ArtifactKind.INDEX else []
        return replace(node, children=(*self._tagged(found.digest), *self._referrers(found.digest, depth), *listed))

    def _listed(self, index: Descriptor, depth: int) -> Iterator[TreeNode]:
        what = f"{self._image}: index {index.digest}"
        parsed = parse_index(self._image.home.read(index, limit=limits.MANIFEST_BYTES), index.media_type, what)
        self._listed_manifests += len(parsed.manifests)
        if self._listed_manifests > limits.INDEX_CHILDREN:
            self.limited = LimitExceeded(f"{what}: more than {limits.INDEX_CHILDREN} manifests")
            raise self.limited
        statements = {item.descriptor: item.subject for item in manifests_in(parsed) if item.is_no_image}
        for entry in parsed.manifests:
            if entry in statements:
                yield self._buildkit(entry, statements[entry])
            elif entry.media_type in (*MANIFEST_TYPES, *INDEX_TYPES) and depth and self._whole:
                yield self.manifest(entry, depth - 1, str(entry.platform or ""))

    def _buildkit(self, entry: Descriptor, subject: str) -> TreeNode:
        """BuildKit's manifest of statements about one image of the index."""
        origin = f"BuildKit, about {subject}"
        node = TreeNode(ArtifactKind.STATEMENT, entry.digest, entry.media_type, entry.size, origin=origin)

        def read() -> Iterator[TreeNode]:
            for item in statements_in(self._read(self._image.home, entry)):
                blob, claimed = item.blob, item.predicate_type
                node = TreeNode(ArtifactKind.STATEMENT, blob.digest, blob.media_type, blob.size, predicate_type=claimed)
                yield replace(node, origin=origin, blobs=(blob,), in_index=True)

        return replace(node, children=tuple(self._or_problem(TreeNode(ArtifactKind.STATEMENT, ""), read)))

    def _tagged(self, digest: str) -> Iterator[TreeNode]:
        """What cosign stores under tags: each layer is one artifact."""
        for suffix, kind in TAGS.items():
            tag = tag_of(digest, suffix)
            yield from self._or_problem(TreeNode(kind, "", origin=tag), partial(self._layers, tag, kind))

    def _layers(self, tag: str, kind: ArtifactKind) -> Iterator[TreeNode]:
        found = self._image.signatures.find(tag)
        if found is None:
            return
        pay(Cost.MANIFEST_BYTES, found, limits.MANIFEST_BYTES, tag)
        content = self._image.signatures.read(found, limit=limits.MANIFEST_BYTES)
        layers = parse_layers(content, found.media_type, tag)
        for layer in layers.entries[: limits.SIGNATURE_LAYERS]:
            predicate = predicate_type_of(layer.annotations)
            node = TreeNode(kind, layer.digest, layer.media_type, layer.size, predicate_type=predicate, origin=tag)
            yield replace(node, blobs=(layer,))
        yield from self._left_out(layers, limits.SIGNATURE_LAYERS, TreeNode(kind, "", origin=tag))

    def _referrers(self, digest: str, depth: int) -> list[TreeNode]:
        if not depth:
            return []
        node = TreeNode(ArtifactKind.ARTIFACT, "", origin="referrers")
        return self._or_problem(node, partial(self._listed_referrers, digest, depth, node))

    def _listed_referrers(self, digest: str, depth: int, node: TreeNode) -> Iterator[TreeNode]:
        listing = self._image.signatures.referrers(digest)
        for entry in _likely(listing.entries):
            if entry.digest not in self._seen:
                self._seen.add(entry.digest)
                kind, claimed = ArtifactKind.ARTIFACT, entry.artifact_type
                named = TreeNode(kind, entry.digest, entry.media_type, artifact_type=claimed, origin="referrer")
                yield from self._or_problem(named, partial(self._referrer, entry, depth, named))
        yield from self._left_out(listing, limits.REFERRERS, node)

    def _referrer(self, entry: Descriptor, depth: int, node: TreeNode) -> Iterator[TreeNode]:
        if entry.media_type in INDEX_TYPES:
            yield replace(node, kind=ArtifactKind.INDEX)
            return
        manifest = self._read(self._image.signatures, entry)
        predicate = predicate_type_of(manifest.annotations)
        yield replace(
            node,
            kind=kind_of(manifest, predicate),
            size=sum(layer.size for layer in manifest.layers),
            artifact_type=manifest.artifact_type or manifest.config.media_type,
            predicate_type=predicate,
            created=manifest.annotations.get(_CREATED, ""),
            children=tuple(self._referrers(entry.digest, depth - 1) if self._whole else ()),
            blobs=manifest.layers,
        )

    def _read(self, home: ImageSource, entry: Descriptor) -> Manifest:
        pay(Cost.MANIFEST_BYTES, entry, limits.SIGNATURE_MANIFEST_BYTES, entry.digest)
        content = home.read(entry, limit=limits.SIGNATURE_MANIFEST_BYTES)
        return parse_manifest(content, entry.media_type, entry.digest, needs_config=False)

    def _or_problem(self, node: TreeNode, read: Callable[[], Iterable[TreeNode]]) -> list[TreeNode]:
        """The nodes; if one cannot be read, those before it, and this node with the problem."""
        found: list[TreeNode] = []
        try:
            with at_most_attempts(1) if self._failures else nullcontext():
                found.extend(read())
        except TransportError as error:
            found.append(replace(node, problem=self._failed(error)))
        except DeadlineExceeded:
            raise  # all that follows would be missing too
        except ImagesigError as error:
            if isinstance(error, BudgetExceeded):
                self.limited = self.limited or error
            found.append(replace(node, problem=str(error)))
        return found

    def _failed(self, error: TransportError) -> str:
        """The text of an error to show. Raises the error if the tree must be complete or no request can help."""
        self.failure = self.failure or error
        self._failures += 1
        if not self._allow_incomplete:
            raise error
        if isinstance(error, Unauthorized) or self._failures >= limits.UNREAD_BLOBS:
            raise error
        return str(error)

    def _left_out(self, listing: Listing, most: int, node: TreeNode) -> Iterator[TreeNode]:
        """A node for each entry that cannot be read, and one if there are more than are shown."""
        for place, error in listing.malformed[:_SHOWN]:
            yield replace(node, problem=f"entry {place}: {error}")
        limited = listing.limited
        if limited is None and len(listing.entries) > most:
            limited = LimitExceeded(f"{node.origin}: {listing.count} entries, {most} are read")
        if limited is not None:
            self.limited = self.limited or limited
            yield replace(node, problem=str(limited))


def _likely(entries: Sequence[Descriptor]) -> list[Descriptor]:
    """The entries to read, in their order: of too many, those that say they are of a known kind, and small ones.

    Whoever may push can add any number of others.
    """
    if len(entries) <= limits.REFERRERS:
        return list(entries)

    def order(place: int) -> tuple[int, int, int]:
        entry = entries[place]
        rank = 0 if is_known(entry.artifact_type) else 1 if not entry.artifact_type else 2
        return rank, entry.size, place

    return [entries[place] for place in sorted(sorted(range(len(entries)), key=order)[: limits.REFERRERS])]
