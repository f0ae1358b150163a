"""Finds out what a registry supports and what this login may do there, with requests that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagesig.errors import ImagesigError, Unauthorized, Unreachable
from imagesig.http.dates import date_of
from imagesig.images.abilities import Abilities, Permission
from imagesig.url import served_url

if TYPE_CHECKING:
    from imagesig.http.client import Response
    from imagesig.images.registry.repository import RegistryRepository

_NOWHERE = "sha256:" + "0" * 64
"""A digest that no content has."""


def probe(repository: RegistryRepository, digest: str) -> Abilities:
    """The abilities for this repository. `digest` is of an image in it, or empty.

    Raises:
        TransportError: the registry does not answer.
    """
    try:
        answer = repository.ask("HEAD", f"manifests/{digest or _NOWHERE}", actions="pull")
    except Unreachable:  # some registries answer HEAD with 500
        answer = repository.ask("GET", f"manifests/{_NOWHERE}", actions="pull")
    return Abilities(
        repository.contact().login,
        date_of(answer.headers.get("date", "")),
        repository.lists_referrers(digest) if digest else None,
        _may_push(repository),
        _may_delete(repository),
    )


def _may_push(repository: RegistryRepository) -> Permission:
    """Whether an upload can be started. It is cancelled."""
    try:
        answer = repository.ask("POST", "blobs/uploads/", actions="pull,push")
        if answer.status == 202 and answer.headers.get("location"):
            place = served_url(answer.url, answer.headers["location"], "Location")
            repository.ask("DELETE", str(place), actions="pull,push")
    except Unauthorized:
        return Permission.DENIED
    except ImagesigError:
        return Permission.UNKNOWN
    return _permission(answer, 202)


def _may_delete(repository: RegistryRepository) -> Permission:
    """Whether content can be deleted, as far as the answer for content that does not exist tells."""
    try:
        answer = repository.ask("DELETE", f"manifests/{_NOWHERE}", actions="delete")
    except Unauthorized:
        return Permission.DENIED
    except ImagesigError:
        return Permission.UNKNOWN
    return _permission(answer, 202, 404)


def _permission(answer: Response, *allowed: int) -> Permission:
    if answer.status in allowed:
        return Permission.ALLOWED
    if answer.status in (401, 403):
        return Permission.DENIED
    return Permission.UNSUPPORTED if answer.status in (400, 405, 501) else Permission.UNKNOWN
