"""The index under the tag `sha256-<hex>`, which lists referrers if the registry has no referrers API. Pure.

Spec: OCI distribution-spec 1.1, "Referrers Tag Schema".
"""

from __future__ import annotations

from msgspec.structs import replace

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import LimitExceeded, MalformedError, SignaturesUnsupported
from imagesig.images.merge import Tagged
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.listing import Listing, parse_contents, parse_listing
from imagesig.oci.manifest import INDEX_TYPES, OCI_INDEX, parse_index, parse_manifest
from imagesig.oci.shapes import LISTING


def listed_referrers(now: Tagged | None, subject: str, what: str) -> Listing:
    """The referrers of the digest `subject` that its tag lists; empty if the tag does not name an index of them.

    Some registries read the tag as the digest, so that it names the image itself.

    Raises:
        MalformedError: the index cannot be read.
    """
    if now is None or now.media_type not in INDEX_TYPES or is_subject(now, subject):
        return Listing()
    return parse_listing(now.content, now.media_type, what)


def is_subject(now: Tagged | None, subject: str) -> bool:
    """Whether the tag names the image itself: the registry reads the tag as the digest."""
    return now is not None and sha256(now.content) == subject


def no_list_of(subject: str) -> SignaturesUnsupported:
    """The error for a registry that can store no list of referrers."""
    return SignaturesUnsupported(
        f"referrers tag: this registry has no referrers API, and serves the image itself under the tag that lists "
        f"the referrers of {subject}",
        hint="sign with --format cosign, which this registry can store",
    )


def referrer_entry(content: bytes, media_type: str) -> Descriptor:
    """The descriptor for the referrer with these bytes in a listing."""
    descriptor = Descriptor.of(content, media_type)
    contents = parse_contents(content, media_type, "referrer")
    artifact_type = contents.artifact_type or (contents.config.media_type if contents.config else "")
    return replace(descriptor, annotations=contents.annotations, artifact_type=artifact_type)


def with_entry(now: Tagged | None, entry: Descriptor, subject: str) -> Tagged | None:
    """The fallback index of the digest `subject` with one more entry. Other members stay unchanged.

    Raises:
        SignaturesUnsupported: the registry reads the tag as the digest, so it cannot store the index.
        MalformedError: the tag does not name an index, and is not changed.
    """
    if is_subject(now, subject):
        raise no_list_of(subject)
    document, manifests = _opened(now)
    places = [
        place
        for place, other in enumerate(manifests)
        if isinstance(other, dict) and other.get("digest") == entry.digest
    ]
    if any(_lists(manifests[place], entry) for place in places):
        return None
    if places:  # it is listed in a way that readers refuse, or with another type or size
        for place in places:
            manifests[place] = entry.to_json()
        document["manifests"] = manifests
        return Tagged(go_json(document), now.media_type if now else OCI_INDEX)
    if len(manifests) >= limits.REFERRERS:
        raise LimitExceeded(f"referrers tag: {len(manifests)} entries, at most {limits.REFERRERS} are read")
    document["manifests"] = sorted([*manifests, entry.to_json()], key=_order)
    return Tagged(go_json(document), now.media_type if now else OCI_INDEX)


def _lists(other: object, entry: Descriptor) -> bool:
    """Whether readers take this for the entry. One that they cannot read does not keep a good one from being added."""
    try:
        read = parse_descriptor(other, "referrers tag")
    except MalformedError:
        return False
    return (read.media_type, read.size, read.artifact_type) == (entry.media_type, entry.size, entry.artifact_type)


def without_entry(now: Tagged | None, digest: str) -> Tagged | None:
    """The fallback index without the entries of this digest. Other entries stay unchanged."""
    if now is None:
        return None
    document, manifests = _opened(now)
    kept = [other for other in manifests if not isinstance(other, dict) or other.get("digest") != digest]
    if len(kept) == len(manifests):
        return None
    return Tagged(go_json(document | {"manifests": kept}), now.media_type)


def _order(entry: object) -> str:
    return str(entry.get("digest")) if isinstance(entry, dict) else ""


def _opened(now: Tagged | None) -> tuple[dict[str, object], list[object]]:
    if now is None:
        return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, []
    if now.media_type not in INDEX_TYPES:
        raise MalformedError(
            f"referrers tag: is a {now.media_type}; an index must not replace it",
            hint="sign with --format cosign, or use --signature-repository",
        )
    parse_listing(now.content, now.media_type, "referrers tag")
    document = parse_object(now.content, "referrers tag", LISTING)
    manifests = document["manifests"] or []
    assert isinstance(manifests, list)
    return document, manifests


def refers_to(content: bytes, referrer: Descriptor, subject: str) -> bool:
    """Whether a referrer's own bytes refer to the subject. Lists can be written by anyone who may push.

    Raises:
        MalformedError: it is not a manifest.
    """
    parse = parse_index if referrer.media_type in INDEX_TYPES else parse_manifest
    actual = parse(content, referrer.media_type, referrer.digest).subject
    return actual is not None and actual.digest == subject
