"""Finds out what a registry supports and what this login may do there, with requests that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.errors import ImagesigError, Unauthorized
from imagesig.http.dates import date_of
from imagesig.images.abilities import Allowance, Greeting, Permission, ReferrersSupport
from imagesig.images.registry.challenges import parse_challenges
from imagesig.images.registry.session import DELETE, PULL, PUSH, Contact, RegistrySession
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import INDEX_TYPES, OCI_INDEX
from imagesig.text import quote
from imagesig.url import redact, served_url

if TYPE_CHECKING:
    from imagesig.http.client import Response
    from imagesig.images.registry.repository import RegistryRepository

_NOWHERE = "sha256:" + "0" * 64
"""A digest that no content has."""
_SHOWN = 4
"""The most challenges that are shown."""


class RegistryProbe:
    """A `Probe` of one repository."""

    def __init__(self, repository: RegistryRepository, session: RegistrySession) -> None:
        self._repository, self._session = repository, session

    @property
    def contact(self) -> Contact:
        return self._session.contact()

    def greet(self) -> Greeting:
        answer = self.contact.greet()
        challenges = parse_challenges(answer.headers.get("www-authenticate", ""))[:_SHOWN]
        logins = (f"{item.scheme} {redact(item.parameters.get('realm', ''))}".strip() for item in challenges)
        return Greeting(answer.status, date_of(answer.headers.get("date", "")), tuple(map(quote, logins)))

    def referrers(self, digest: str) -> ReferrersSupport:
        if self._repository.lists_referrers(digest):
            return ReferrersSupport(True)
        tag = tag_of(digest)
        status = self._ask("GET", f"referrers/{digest}", PULL, accept=OCI_INDEX).status
        stored = self._repository.find(tag)
        if stored is None:
            return ReferrersSupport(False, status, tag)
        problem = ""
        if stored.digest == digest:
            problem = "the registry serves the image itself under this tag"
        elif stored.media_type not in INDEX_TYPES:
            problem = f"it is a {quote(stored.media_type)}, an index is needed"
        return ReferrersSupport(False, status, tag, True, problem)

    def push(self) -> Allowance:
        try:
            answer = self._ask("POST", "blobs/uploads/", PUSH)
            if answer.status == 202 and answer.headers.get("location"):
                place = served_url(answer.url, answer.headers["location"], "Location")
                self._ask("DELETE", str(place), PUSH)
        except Unauthorized as error:
            return Allowance(Permission.DENIED, str(error))
        return self._allowance(answer, "upload", 202)

    def delete(self) -> Allowance:
        try:
            answer = self._ask("DELETE", f"manifests/{_NOWHERE}", DELETE)
        except Unauthorized as error:
            return Allowance(Permission.DENIED, str(error))
        return self._allowance(answer, "deletion", 202, 404)

    def _ask(self, method: str, path: str, actions: str, accept: str = "") -> Response:
        return self._session.request(method, path, limit=limits.MANIFEST_BYTES, actions=actions, accept=accept)

    def _allowance(self, answer: Response, what: str, *allowed: int) -> Allowance:
        if answer.status in allowed:
            return Allowance(Permission.ALLOWED)
        denied = {400: Permission.UNSUPPORTED, 405: Permission.UNSUPPORTED, 501: Permission.UNSUPPORTED}
        denied |= {401: Permission.DENIED, 403: Permission.DENIED}
        try:
            self._session.expect(answer, f"{self._session.name}: {what}", allowed[0])
        except ImagesigError as error:
            return Allowance(denied.get(answer.status, Permission.UNKNOWN), str(error))
        raise AssertionError("expect raises for another status")
