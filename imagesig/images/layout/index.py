"""The entries of a layout's `index.json`: images, signatures, and the marks by which cosign finds them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from imagesig.encoding.json import go_json
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import sha256, tag_of
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, OCI_MANIFEST
from imagesig.oci.reference import parse_reference
from imagesig.text import quote

LAYOUT_VERSION = "1.0.0"
MARKER = "oci-layout"
INDEX = "index.json"
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"
"""The full name, which Docker writes in addition to the tag."""
_KIND = "kind"
_KIND_IMAGE = "dev.cosignproject.cosign/image"
_KIND_INDEX = "dev.cosignproject.cosign/imageIndex"
_KIND_SIGNATURES = "dev.cosignproject.cosign/sigs"


def is_signature(entry: Mapping[str, object]) -> bool:
    """Whether a signer added the entry: it lists an image's signatures, or is a referrer without a name."""
    annotations = entry_annotations(entry)
    name = str(annotations.get(REF_NAME, ""))
    return name.startswith("sha256-") or (not name and IMAGE_NAME not in annotations)


IndexChange = Callable[[list[dict[str, object]]], list[dict[str, object]]]
"""From the current entries to the new ones."""


NEW_DOCUMENTS: Mapping[str, bytes] = {
    MARKER: go_json({"imageLayoutVersion": LAYOUT_VERSION}),
    INDEX: go_json({"schemaVersion": 2, "manifests": []}),
}
"""The files of an empty layout."""


class UnreadEntry(Struct, frozen=True):
    """An entry whose media type, digest or size other tools read, and imagesig does not.

    `names` has the annotations of the entry, and `digest` its digest as it is written. Nothing else of it is used.
    """

    names: Descriptor
    digest: object
    error: MalformedError


class Entries(Struct, frozen=True):
    """The entries of `index.json`: those that are descriptors, and the others, which only take names."""

    read: list[Descriptor]
    unread: list[UnreadEntry]


_WRITE_ANEW = "write this image anew with: skopeo copy oci:FROM:TAG oci:TO:TAG"
_READABLE: Mapping[str, str | int] = {"mediaType": OCI_MANIFEST, "digest": sha256(b""), "size": 0}
"""A value of each required member that can be read."""


def read_entries(entries: Sequence[Mapping[str, object]], what: str) -> Entries:
    """The entries of an index. One with a sha512 digest, as other tools write it, does not hide those beside it.

    Raises:
        MalformedError: an entry with which Go's readers refuse the whole index, because a member has a wrong type.
    """
    found = Entries([], [])
    for entry in entries:
        try:
            found.read.append(parse_descriptor(entry, what))
        except MalformedError as error:
            names = parse_descriptor(_readable(entry), what)
            shown = tag_of_entry(names)
            why = MalformedError(f"{error} (its tag is {quote(shown)})" if shown else str(error), hint=_WRITE_ANEW)
            found.unread.append(UnreadEntry(names, entry.get("digest"), why))
    return found


def _readable(entry: Mapping[str, object]) -> dict[str, object]:
    """The entry with other values in place of those that Go's readers take, and imagesig does not."""
    odd: dict[str, object] = {
        name: value for name, value in _READABLE.items() if _goes_into(entry.get(name), type(value))
    }
    texts = {name: "" if text is None else text for name, text in entry_annotations(entry).items()}
    return {**entry, **odd, **({"annotations": texts} if texts else {})}


def _goes_into(value: object, kind: type) -> bool:
    """Whether Go reads this value into a member of this type: it takes null for a missing one."""
    return value is None or (type(value) is kind and (not isinstance(value, int) or abs(value) < 2**63))


def entry_annotations(entry: Mapping[str, object]) -> dict[str, object]:
    annotations = entry.get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def tag_of_entry(entry: Descriptor) -> str:
    """The tag of an entry: `v1`, also if podman wrote `localhost/app:v1`."""
    name = entry.annotations.get(REF_NAME, "")
    if "/" not in name:
        return name
    try:
        return parse_reference(name).tag
    except InvalidArgument:
        return name


def is_named(entry: Descriptor, text: str) -> bool:
    """Whether the entry has this tag or, as in archives of `docker save`, this reference. If its two names have
    different tags, it has both: some readers use the one, some the other."""
    if text in (tag_of_entry(entry), entry.annotations.get(REF_NAME, "")):
        return True
    whole = whole_name(entry)
    if whole is None:
        return False
    try:
        return whole[1] == text or whole == _repository_and_tag(text)
    except InvalidArgument:
        return False


def whole_name(entry: Descriptor) -> tuple[str, str] | None:
    """Repository and tag under which Docker loads the entry; None if it has none."""
    name = entry.annotations.get(IMAGE_NAME, "")
    if not name:
        return None
    try:
        return _repository_and_tag(name)
    except InvalidArgument:
        return None


def _repository_and_tag(text: str) -> tuple[str, str]:
    reference = parse_reference(text)
    return str(reference.repository), reference.tag or "latest"


def is_image(entry: Descriptor) -> bool:
    kind = entry.annotations.get(_KIND, "")
    named_signature = entry.annotations.get(REF_NAME, "").startswith("sha256-")
    return (
        entry.media_type in (*MANIFEST_TYPES, *INDEX_TYPES)
        and kind in ("", _KIND_IMAGE, _KIND_INDEX)
        and not named_signature
    )


def saved_by_cosign(entries: list[Descriptor], tag: str) -> Descriptor | None:
    """The `.sig` manifest in a layout of `cosign save`. It has no name there, and belongs to the only image."""
    images = [entry for entry in entries if entry.annotations.get(_KIND) in (_KIND_IMAGE, _KIND_INDEX)]
    signatures = [entry for entry in entries if entry.annotations.get(_KIND) == _KIND_SIGNATURES]
    if len(images) == 1 and len(signatures) == 1 and not signatures[0].annotations.get(REF_NAME):
        return signatures[0] if tag == images[0].digest.replace(":", "-") + ".sig" else None
    return None


def marked_for_cosign(
    entries: list[dict[str, object]], written: dict[str, object] | None, subject: str = ""
) -> list[dict[str, object]]:
    """The entries with the `kind` marks by which `cosign verify --local-image` finds one image and its signatures.

    cosign reads one image of a layout: the first image that was signed keeps the marks.
    """
    tag = str(entry_annotations(written).get(REF_NAME, "")) if written else ""
    if tag.startswith("sha256-") and tag.endswith(".sig"):
        subject = tag.removesuffix(".sig").replace("-", ":", 1)
    marked = [entry for entry in entries if entry_annotations(entry).get(_KIND) in (_KIND_IMAGE, _KIND_INDEX)]
    if not subject or (marked and marked[0].get("digest") != subject):
        return entries
    if not marked:
        marked = [entry for entry in entries if entry.get("digest") == subject][:1]
        kind = _KIND_INDEX if marked and marked[0].get("mediaType") in INDEX_TYPES else _KIND_IMAGE
        entries = [_marked(entry, kind) if entry.get("digest") == subject else entry for entry in entries]
    signs = marked and tag.endswith(".sig")
    return [_marked(entry, _KIND_SIGNATURES) if signs and entry is written else entry for entry in entries]


def _marked(entry: dict[str, object], kind: str) -> dict[str, object]:
    return entry | {"annotations": entry_annotations(entry) | {_KIND: kind}}


def with_tagged(entries: list[dict[str, object]], entry: dict[str, object], tag: str) -> list[dict[str, object]]:
    """The entries with this one under the tag, in place of the one that had it."""
    entry = entry | {"annotations": {REF_NAME: tag}}
    others = [other for other in corrected(entries, entry) if not _is_found_by(other, tag)]
    if tag.endswith(".sig") and any(tag == tag_of(str(other.get("digest")), ".sig") for other in _saved(others)):
        # The signatures that `cosign save` stored without a name are merged into the new entry.
        others = [other for other in others if not _is_unnamed_signature(other)]
    entries = marked_for_cosign([*others, entry], entry)
    signatures = tag_of(str(entry["digest"]), ".sig")
    signed = [other for other in others if entry_annotations(other).get(REF_NAME) == signatures]
    if signed or (not tag.startswith("sha256-") and any(REF_NAME not in entry_annotations(other) for other in others)):
        # The image is copied with its signatures, which are stored first.
        entries = marked_for_cosign(entries, signed[0] if signed else None, str(entry["digest"]))
    return entries


def _is_found_by(entry: dict[str, object], tag: str) -> bool:
    """Whether `is_named` finds the entry by this tag. Two such entries would make the tag ambiguous."""
    if entry_annotations(entry).get(REF_NAME) == tag:
        return True
    try:
        found = read_entries([entry], INDEX)
    except MalformedError:
        return False
    return is_named([*found.read, *(item.names for item in found.unread)][0], tag)


def corrected(entries: list[dict[str, object]], entry: dict[str, object]) -> list[dict[str, object]]:
    """The entries, where those of this digest get the size and type of the manifest that was just stored."""
    true = {name: entry[name] for name in ("mediaType", "size")}
    return [other | true if other.get("digest") == entry["digest"] else other for other in entries]


def _saved(entries: list[dict[str, object]]) -> list[dict[str, object]]:
    return [entry for entry in entries if entry_annotations(entry).get(_KIND) in (_KIND_IMAGE, _KIND_INDEX)]


def _is_unnamed_signature(entry: dict[str, object]) -> bool:
    annotations = entry_annotations(entry)
    return annotations.get(_KIND) == _KIND_SIGNATURES and REF_NAME not in annotations


def with_referrer(entries: list[dict[str, object]], entry: dict[str, object], subject: str) -> list[dict[str, object]]:
    """The entries with this referrer of the digest `subject`, listed once."""
    entries = corrected(entries, entry)
    if not any(other.get("digest") == entry["digest"] for other in entries):
        entries = [*entries, entry]
    return marked_for_cosign(entries, None, subject)


def without(entries: list[dict[str, object]], digest: str) -> list[dict[str, object]]:
    """The entries without those of this digest."""
    return [other for other in entries if other.get("digest") != digest]
