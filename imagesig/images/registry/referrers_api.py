"""Listing the referrers of an image through the referrers API.

Spec: OCI distribution-spec 1.1, "Listing Referrers".
"""

from __future__ import annotations

from urllib.parse import quote as percent_encoded

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError, UnexpectedResponse
from imagesig.http.client import Response
from imagesig.images.registry.session import RegistrySession
from imagesig.oci.listing import Listing, parse_listing
from imagesig.oci.manifest import OCI_INDEX

_NO_SUCH_ENDPOINT = frozenset({400, 404, 405, 406, 410, 415, 501})


def list_referrers(session: RegistrySession, digest: str, artifact_type: str = "") -> Listing | None:
    """The list of the referrers API, from all its pages; None if there is no such API.

    With an artifact type, the registry is asked for referrers of that type. `Listing.filtered` says whether it
    filtered; if not, reading stops early.

    Raises:
        UnexpectedResponse: the answer is not a list.
        TransportError: the registry does not answer, or requires other credentials.
    """
    what = f"{session.name}: referrers of {digest}"
    url = f"{session.base}/referrers/{digest}"
    if artifact_type:
        url += f"?artifactType={percent_encoded(artifact_type, safe='')}"
    found = Listing(filtered=bool(artifact_type))
    left, seen = limits.REFERRERS_LISTING_BYTES, {url}
    while url:
        try:
            limit = min(limits.REFERRERS_PAGE_BYTES, left)
            response = session.request("GET", url, limit=limit, accept=OCI_INDEX)
            if len(seen) == 1 and response.status in _NO_SUCH_ENDPOINT:
                return None
            session.expect(response, what, 200)
            left -= len(response.body)
            page = _page(response, what, limits.REFERRERS_LISTED - found.count)
        except LimitExceeded as error:
            return found.followed_by(Listing(limited=error.without_frames(), filtered=found.filtered))
        found = found.followed_by(page)
        if found.limited or (artifact_type and not found.filtered):
            return found
        url = session.next_url(response, what)
        if url in seen or len(seen) >= limits.REFERRERS_PAGES:
            endless = LimitExceeded(f"{what}: more than {limits.REFERRERS_PAGES} pages, or a repeated page")
            return found.followed_by(Listing(limited=endless, filtered=found.filtered))
        seen.add(url)
    return found


def _page(response: Response, what: str, most: int) -> Listing:
    """The entries of one page. Content-Type is ignored, because registries disagree on it: the body must be a list."""
    try:
        page = parse_listing(response.body, None, what, most=most)
    except LimitExceeded:
        raise
    except MalformedError as error:
        raise UnexpectedResponse(
            f"{what}: status 200 without a list of referrers: {error}",
            hint="check which server answers: it may be a login page, a proxy or another service",
        ) from error
    applied = response.headers.get("oci-filters-applied", "").lower().replace(",", " ").split()
    return Listing(page.entries, page.malformed, page.limited, "artifacttype" in applied)
