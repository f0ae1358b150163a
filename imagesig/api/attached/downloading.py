"""`download`: the attestations, SBOMs or signatures attached to an image, as they are stored. Unverified."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec
from msgspec import Struct

from imagesig import limits
from imagesig.api.attached.artifact import ArtifactKind
from imagesig.api.attached.tree import ImageTree, TreeNode, image_tree
from imagesig.api.stored_signatures import ImageLike
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline
from imagesig.effort import one_image
from imagesig.errors import (
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatures,
    NotFound,
    Rejection,
    TransportError,
    Unauthorized,
)
from imagesig.formats.cosign_family import SIGNATURE_ANNOTATION
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.in_toto.predicates import predicate_type as uri_of
from imagesig.oci.descriptor import Descriptor
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct
from imagesig.text import quote


class What(Enum):
    """What can be downloaded; the value is its name on the command line."""

    ATTESTATION = "attestation"
    SBOM = "sbom"
    SIGNATURE = "signature"


_KINDS = {
    What.ATTESTATION: (ArtifactKind.ATTESTATION, ArtifactKind.STATEMENT),
    What.SBOM: (ArtifactKind.SBOM, ArtifactKind.ATTESTATION, ArtifactKind.STATEMENT),
    What.SIGNATURE: (ArtifactKind.SIGNATURE,),
}
_SBOM_PREDICATES = ("https://spdx.dev/Document", "https://cyclonedx.org/")
_NOT_JSON = regex(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Controls that JSON never has unescaped."""
_MOVES_CURSOR = regex(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
"""Further controls, and the direction and ends of lines, in UTF-8."""


class Downloaded(RedactedStruct, frozen=True):
    """An artifact attached to an image, as it is stored. Nothing is verified.

    `content` is the stored bytes: a DSSE envelope, a Sigstore bundle, a statement or an SBOM. `signed` is False for
    BuildKit's statements, which have no signature. `signature` is base64, of a classic signature only.
    """

    hidden = ("content",)

    kind: ArtifactKind
    digest: str
    media_type: str
    predicate_type: str
    origin: str
    content: bytes
    signature: str = ""

    @property
    def signed(self) -> bool:
        """False for the statements of BuildKit, which have no signature."""
        return self.kind is not ArtifactKind.STATEMENT

    @property
    def line(self) -> bytes:
        """The content in one line, as `imagesig download` prints it.

        JSON, a classic signature as cosign prints it, and an envelope that is no JSON (COSE) in base64. Characters that
        move the cursor of a terminal are escaped: in JSON it is the same text.
        """
        if self.signature:
            payload = base64.b64encode(self.content).decode("ascii")
            return json.dumps({"Base64Signature": self.signature, "Payload": payload}).encode("ascii")
        if self.content.lstrip()[:1] != b"{" or _NOT_JSON.search(self.content) or not _is_utf8(self.content):
            return base64.b64encode(self.content)
        text = self.content.replace(b"\r", b"").replace(b"\n", b"")
        return _MOVES_CURSOR.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), text)


def _is_utf8(content: bytes) -> bool:
    """Whether it is text: other bytes may be the controls of a terminal that takes one byte for a character."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


@checks_arguments
def download(
    image: ImageLike,
    what: str,
    *,
    predicate_type: str = "",
    allow_incomplete: bool = False,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> tuple[Downloaded, ...]:
    """The attestations, SBOMs or signatures of one image, not of the images that an index lists. Nothing is verified.

    `what` is `attestation`, `sbom` or `signature`. A `predicate_type`, a URI or short name such as `spdxjson`, selects
    the attestations that claim this type. An SBOM may also be the predicate of an attestation; then its `content` is
    the predicate. With `allow_incomplete`, what cannot be read, or is too large, is left out. `transport` and `timeout`
    are as of `verify`.

    Raises:
        NoSignatures: the image has none of these.
        MalformedError: none of these can be read, and an artifact that may be one is broken or too large.
        ImageNotFound, TransportError, DeadlineExceeded: something could not be read.
        LimitExceeded: one artifact is too large, all together are, or too many are listed.
    """
    try:
        wanted = What(what)
    except ValueError:
        choices = ", ".join(item.value for item in What)
        raise InvalidArgument(f"download: {quote(what)}, one of {choices} is needed") from None
    if predicate_type and wanted is What.SIGNATURE:
        raise InvalidArgument("download: signatures have no predicate type")
    opened = ImageOpener(transport, timeout).open(image)
    found = []
    with one_image():
        for item in each_download(opened, wanted, predicate_type):
            if isinstance(item, Downloaded):
                found.append(item)
            elif not allow_incomplete:
                raise item.error
    return tuple(found)


def each_download(image: Image, what: What, predicate_type: str) -> Iterator[Downloaded | Rejection]:
    """The artifacts, one after the other, and then the reasons why some may be missing.

    Anyone who may push can add artifacts: one that cannot be read does not hide the others.

    Raises:
        InvalidArgument: no predicate type has this name.
        NoSignatures: the image has none of these, and everything could be read.
        MalformedError: none of these can be read, and an artifact that may be one is broken.
    """
    uri = uri_of(predicate_type) if predicate_type else ""
    ends = time.monotonic() + image.timeout
    found_tree = image_tree(image, allow_incomplete=True, whole=False)
    failed = [Rejection(found_tree.image, found_tree.failure)] if found_tree.failure else []
    count = left = 0
    blobs = _in_reading_order(node for node in _attached(found_tree.root) if node.kind in _KINDS[what])
    if len(blobs) > limits.REFERRERS:
        error = LimitExceeded(f"{image}: {len(blobs)} blobs of this kind, at most {limits.REFERRERS} are read")
        failed.append(Rejection(found_tree.image, error))
    for node, blob, content in _contents(image, blobs[: limits.REFERRERS], ends):
        if isinstance(content, Rejection):
            failed.append(content)
        elif (found := _made(node, blob, content, what, uri)) is None:
            left += 1
        else:
            count += 1
            yield found
    yield from failed
    if not count and not failed:
        raise _nothing(image, found_tree, what, left)


def _contents(
    image: Image, blobs: Iterable[tuple[TreeNode, Descriptor]], ends: float
) -> Iterator[tuple[TreeNode, Descriptor, bytes | Rejection]]:
    """The bytes of each blob, or why it cannot be read; none after a registry that does not answer."""
    unanswered = 0
    total = limits.ATTESTATION_BYTES_PER_IMAGE
    for node, blob in blobs:
        try:
            if blob.size > total:
                raise LimitExceeded(f"{image}: more than {limits.ATTESTATION_BYTES_PER_IMAGE} bytes are attached to it")
            with deadline(ends - time.monotonic()):
                content = _read(image, node, blob)
        except (MalformedError, TransportError) as error:
            yield node, blob, Rejection(f"{node.origin} {blob.digest}", error)
            unanswered += isinstance(error, TransportError) and not isinstance(error, NotFound)
            if unanswered >= limits.UNREAD_BLOBS or isinstance(error, Unauthorized):
                return
        else:
            total -= len(content)
            yield node, blob, content


def _nothing(image: Image, found_tree: ImageTree, what: What, left: int) -> MalformedError | NoSignatures:
    may_be = (*_KINDS[what], ArtifactKind.ARTIFACT)
    if unread := next(
        (node.problem for node in _attached(found_tree.root) if node.problem and node.kind in may_be), ""
    ):
        return MalformedError(
            f"{image}: {found_tree.digest} has no {what.value} that can be read: {unread}",
            hint="imagesig tree shows everything that cannot be read",
        )
    others = f"; {left} of another type" if left else ""
    return NoSignatures(f"{image}: {found_tree.digest} has no {what.value}{others}", subject=found_tree.digest)


def _in_reading_order(nodes: Iterable[TreeNode]) -> list[tuple[TreeNode, Descriptor]]:
    """The blobs in their order. If they exceed the limits for one image, large ones come last."""
    found = [(node, blob) for node in nodes for blob in node.blobs]
    total = sum(max(blob.size, 0) for _, blob in found)
    if total <= limits.ATTESTATION_BYTES_PER_IMAGE and len(found) <= limits.REFERRERS:
        return found
    return sorted(found, key=lambda item: item[1].size)


def _attached(root: TreeNode) -> Iterator[TreeNode]:
    """The artifacts attached to the image itself, and BuildKit's statements in its index."""
    for child in root.children:
        if child.kind is ArtifactKind.STATEMENT:
            yield from child.children
        yield child


def _read(image: Image, node: TreeNode, blob: Descriptor) -> bytes:
    if blob.size > limits.ATTESTATION_ENVELOPE_BYTES:
        raise LimitExceeded(f"{blob.digest}: {blob.size} bytes, at most {limits.ATTESTATION_ENVELOPE_BYTES} are read")
    home = image.home if node.in_index else image.signatures
    return home.read(blob, limit=limits.ATTESTATION_ENVELOPE_BYTES)


def _made(node: TreeNode, blob: Descriptor, content: bytes, what: What, wanted: str) -> Downloaded | None:
    """What was found; None if it is of another type than the wanted one."""
    statement = _statement(node, content)
    predicate_type = (statement.predicateType if statement else "") or node.predicate_type
    if wanted and predicate_type != wanted:
        return None
    if what is What.SBOM and node.kind is not ArtifactKind.SBOM:
        if statement is None or not predicate_type.startswith(_SBOM_PREDICATES):
            return None
        content = bytes(statement.predicate)
    signature = blob.annotations.get(SIGNATURE_ANNOTATION, "")
    return Downloaded(node.kind, blob.digest, blob.media_type, predicate_type, node.origin, content, signature)


class _Statement(Struct, frozen=True):
    predicateType: str = ""  # noqa: N815 - in-toto's name
    predicate: msgspec.Raw = msgspec.Raw(b"null")


class _Envelope(Struct, frozen=True):
    payload: str = ""


class _Bundle(Struct, frozen=True):
    dsseEnvelope: _Envelope | None = None  # noqa: N815 - Sigstore's name
    payload: str = ""


def _statement(node: TreeNode, content: bytes) -> _Statement | None:
    """The statement inside, read without checks; None if there is none."""
    if node.kind is ArtifactKind.SBOM:
        return None
    try:
        if node.kind is ArtifactKind.STATEMENT:
            return msgspec.json.decode(content, type=_Statement)
        bundle = msgspec.json.decode(content, type=_Bundle)
        payload = bundle.dsseEnvelope.payload if bundle.dsseEnvelope else bundle.payload
        return msgspec.json.decode(base64.b64decode(payload, validate=True), type=_Statement)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
