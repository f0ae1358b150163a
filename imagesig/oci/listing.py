"""Lists that several writers share: an image's referrers, and the layers of its signature manifest.

Anyone who may push to a repository can add an entry, and some registries list entries unchecked. So each entry is
checked alone: an unreadable one is reported with its position, and the others are used. The top level, which one writer
wrote, is checked as a whole.

Spec: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema"; sigstore/cosign
specs/SIGNATURE_SPEC.md.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.encoding.json_list import ListIn, parse_list
from imagesig.errors import BudgetExceeded, LimitExceeded, MalformedError
from imagesig.oci.annotations import NO_ANNOTATIONS
from imagesig.oci.descriptor import Descriptor, parse_descriptor, parse_text
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, parse_list_document
from imagesig.oci.shapes import LISTING
from imagesig.text import quote


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
