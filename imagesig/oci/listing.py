"""Lists that several writers share: an image's referrers, and the layers of its signature manifest.

Anyone who may push to a repository can add an entry, and some registries list entries unchecked. So each entry is
checked alone: an unreadable one is reported with its position, and the others are used. The top level, which one writer
wrote, is checked as a whole.

Copying moves bytes by their digests and trusts nothing else. So `parse_contents` reads what an image names in the same
way, and of an entry it needs the digest only: Go's tools ignore a size or media type that they do not need.

Spec: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema"; sigstore/cosign
specs/SIGNATURE_SPEC.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.encoding.json_list import ListIn, parse_list
from imagesig.encoding.shape import members_of
from imagesig.errors import BudgetExceeded, LimitExceeded, MalformedError
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.descriptor import (
    Descriptor,
    parse_annotations,
    parse_descriptor,
    parse_listed_platform,
    parse_media_type,
    parse_text,
)
from imagesig.oci.digest import is_address
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, parse_list_document
from imagesig.oci.shapes import DESCRIPTOR, LISTING
from imagesig.text import quote

_T = TypeVar("_T")

UNKNOWN_SIZE = -1
"""The size of an entry that names none, or an impossible one."""


class Listing(Struct, frozen=True):
    """The readable entries in order, and the positions (from 0) of the others with their errors.

    `limited` says that there are more entries than are read. `filtered` says that the registry left out entries of
    other artifact types, as requested.
    """

    entries: tuple[Descriptor, ...] = ()
    malformed: tuple[tuple[int, MalformedError], ...] = ()
    limited: LimitExceeded | None = None
    filtered: bool = False

    @property
    def count(self) -> int:
        """The number of entries, readable or not."""
        return len(self.entries) + len(self.malformed)

    def followed_by(self, page: Listing) -> Listing:
        """Both lists as one; `filtered` if both are."""
        malformed = tuple((self.count + place, error) for place, error in page.malformed)
        return Listing(
            self.entries + page.entries,
            self.malformed + malformed,
            self.limited or page.limited,
            self.filtered and page.filtered,
        )


def parse_listing(data: bytes, media_type: str | None, what: str, *, most: int = limits.REFERRERS_LISTED) -> Listing:
    """The referrers that an index lists, at most `most`. `media_type` is None if the index came without one.

    Raises:
        MalformedError: not an index: `manifests` is neither a list nor null, or `mediaType` names another type.
        LimitExceeded: more JSON values than the limit.
    """
    if media_type is None:
        found = parse_list(data, "manifests", what, LISTING, most=most)
        inside = parse_text(found.members.get("mediaType"), what, "mediaType")
        if inside and inside not in INDEX_TYPES:
            raise MalformedError(f"{what}: its mediaType is {quote(inside)}, an index is needed")
    else:
        if media_type not in INDEX_TYPES:
            raise MalformedError(f"{what}: is a {quote(media_type)}, an index is needed")
        found = parse_list_document(data, media_type, what, most=most)
    return _listed(found, "manifests", what, annotated=False)


def parse_layers(data: bytes, media_type: str, what: str) -> Listing:
    """The layers of a signature manifest, at most `limits.REFERRERS_LISTED`.

    Raises:
        MalformedError: not an image manifest.
        LimitExceeded: more JSON values than the limit.
    """
    if media_type not in MANIFEST_TYPES:
        raise MalformedError(f"{what}: is a {quote(media_type)}, an image manifest is needed")
    found = parse_list_document(data, media_type, what, most=limits.REFERRERS_LISTED)
    return _listed(found, "layers", what, annotated=True)


def _listed(found: ListIn, name: str, what: str, *, annotated: bool) -> Listing:
    """The entries. Annotations in a list of referrers are dropped: they are not trusted, and take memory."""
    if not found.is_list and (name not in found.members or found.members[name] is not None):
        raise MalformedError(f"{what}: {name} is {quote(found.members.get(name))}, a list is needed")
    entries: list[Descriptor] = []
    malformed: list[tuple[int, MalformedError]] = []
    for number in range(found.readable):
        where = f"{what}: {name} {number}"
        try:
            value = found.item(number, where)
        except BudgetExceeded as error:
            return Listing(tuple(entries), tuple(malformed), error.without_frames())
        except LimitExceeded as error:
            malformed.append((number, error.without_frames()))
            continue
        try:
            entry = parse_descriptor(value, where)
            entries.append(entry if annotated else replace(entry, annotations=NO_ANNOTATIONS))
        except MalformedError as error:
            malformed.append((number, error.without_frames()))
    limited = None
    if found.count > found.readable:
        limited = LimitExceeded(f"{what}: {found.count} {name}, at most {found.readable} are read")
    return Listing(tuple(entries), tuple(malformed), limited)


class Contents(Struct, frozen=True):
    """The config and layers of a manifest, or the children of an index, and why each other entry cannot be read.

    A digest is one of `is_address`; a media type that cannot be read is empty, and a size `UNKNOWN_SIZE`. An entry has
    no annotations. `subject` is None also if it cannot be read (`has_subject`).
    """

    config: Descriptor | None
    entries: tuple[Descriptor, ...]
    unread: tuple[str, ...] = ()
    subject: Descriptor | None = None
    has_subject: bool = False
    artifact_type: str = ""
    annotations: Annotations = NO_ANNOTATIONS


def parse_contents(data: bytes, media_type: str, what: str) -> Contents:
    """What the manifest or index in `data` names. No list, or null, is an empty one, as Go reads it.

    Raises:
        MalformedError: neither a manifest nor an index of this type, for every reader.
        LimitExceeded: more entries or JSON values than the limit.
    """
    is_index = media_type in INDEX_TYPES
    name, most = ("manifests", limits.INDEX_CHILDREN) if is_index else ("layers", limits.COPIED_LAYERS)
    found = parse_list_document(data, media_type, what, most=most)
    if not found.is_list and found.members.get(name) is not None:
        raise MalformedError(f"{what}: {name} is {quote(found.members.get(name))}, a list is needed")
    if found.count > found.readable:
        raise LimitExceeded(f"{what}: {found.count} {name}, at most {most} are read")
    entries: list[Descriptor] = []
    unread: list[str] = []
    for number in range(found.count):
        where = f"{what}: {name} {number}"
        try:
            entries.append(_addressed(found.item(number, where), where))
        except BudgetExceeded:
            raise
        except MalformedError as error:
            unread.append(str(error))
    config = None
    try:
        if not is_index and found.members.get("config") is not None:
            config = _addressed(found.members["config"], f"{what}: config")
    except MalformedError as error:
        unread.append(str(error))
    subject, artifact_type = found.members.get("subject"), found.members.get("artifactType")
    return Contents(
        config,
        tuple(entries),
        tuple(unread),
        _or_none(parse_descriptor, subject, what),
        subject is not None,
        str(artifact_type or ""),
        _or_none(parse_annotations, found.members.get("annotations"), what) or NO_ANNOTATIONS,
    )


def _addressed(value: object, what: str) -> Descriptor:
    members = members_of(value, DESCRIPTOR, what)
    digest = members.get("digest")
    size = members.get("size")
    if not isinstance(digest, str) or not is_address(digest):
        raise MalformedError(
            f"{what}: digest {quote(digest)}, sha256, sha384 or sha512 with lower-case hex digits is needed"
        )
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        size = UNKNOWN_SIZE
    return Descriptor(
        _or_none(parse_media_type, members.get("mediaType"), what) or "",
        digest,
        size,
        platform=_or_none(parse_listed_platform, members.get("platform"), what),
    )


def _or_none(parse: Callable[[object, str], _T | None], value: object, what: str) -> _T | None:
    """The parsed value; None if it is missing or cannot be read."""
    try:
        return None if value is None else parse(value, what)
    except MalformedError:
        return None
