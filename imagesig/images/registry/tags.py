"""Listing the tags of a repository.

Spec: OCI distribution-spec 1.1, "Listing Tags".
"""

from __future__ import annotations

from collections.abc import Iterator

from imagesig import limits
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import LimitExceeded, UnexpectedResponse
from imagesig.images.registry.session import RegistrySession
from imagesig.oci.digest import is_tag_of_digest
from imagesig.oci.reference import is_tag

_PAGE = Shape.of("name tags")
_TAGS = 1000
"""Tags that are asked for at once; registries may give fewer or more."""


def list_tags(session: RegistrySession) -> Iterator[str]:
    """The tags of images, page by page, without those that name lists of signatures and referrers.

    Raises:
        TransportError: the registry does not list them: it does not answer, or requires other credentials.
        MalformedError, LimitExceeded: the answer is not a list, or has too many tags or pages.
    """
    what = f"{session.name}: tags"
    url, seen, count = f"{session.base}/tags/list?n={_TAGS}", set[str](), 0
    while url:
        if url in seen or len(seen) >= limits.TAG_PAGES:
            raise LimitExceeded(f"{what}: more than {limits.TAG_PAGES} pages, or a repeated page")
        seen.add(url)
        response = session.request("GET", url, limit=limits.TAG_PAGE_BYTES)
        session.expect(response, what, 200)
        # A registry without tags may answer null.
        tags = parse_object(response.body, what, _PAGE, nodes=limits.TAGS_LISTED).get("tags") or []
        if not isinstance(tags, list):
            raise UnexpectedResponse(f"{what}: status 200 without a list of tags")
        count += len(tags)
        if count > limits.TAGS_LISTED:
            raise LimitExceeded(f"{what}: more than {limits.TAGS_LISTED} tags")
        yield from (tag for tag in tags if isinstance(tag, str) and is_tag(tag) and not is_tag_of_digest(tag))
        url = session.next_url(response, what)
