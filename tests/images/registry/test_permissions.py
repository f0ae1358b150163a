"""What a registry allows, by its answers to requests that change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagesig.errors import ImagesigError, Unreachable
from imagesig.images.abilities import Permission, Probe
from imagesig.images.registry.connect import registry
from imagesig.oci.digest import sha256, tag_of
from imagesig.testing import Answer, InMemoryRegistry

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(referrers_api=False) as running:
        yield running


def probe(server: InMemoryRegistry) -> Probe:
    found = registry(server.add_image("team/app:1.0"), credentials=("user", "s3cret")).home.probe()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "push", "delete"),
    [
        (202, Permission.ALLOWED, Permission.ALLOWED),
        (404, Permission.UNKNOWN, Permission.ALLOWED),
        (401, Permission.DENIED, Permission.DENIED),
        (403, Permission.DENIED, Permission.DENIED),
        (400, Permission.UNSUPPORTED, Permission.UNSUPPORTED),
        (405, Permission.UNSUPPORTED, Permission.UNSUPPORTED),
        (501, Permission.UNSUPPORTED, Permission.UNSUPPORTED),
        (409, Permission.UNKNOWN, Permission.UNKNOWN),
    ],
)
def test_the_status_of_an_answer_is_a_permission(
    server: InMemoryRegistry, status: int, push: Permission, delete: Permission
) -> None:
    basic = {"www-authenticate": "Basic"} if status == 401 else {}
    server.faults.append(lambda item: Answer(status, headers=basic) if item.method in ("POST", "DELETE") else None)
    seen = probe(server)
    assert (seen.push().permission, seen.delete().permission) == (push, delete)
    assert all(found.answer for found in (seen.push(), seen.delete()) if found.permission is not Permission.ALLOWED)


def test_a_registry_that_fails_is_an_error(server: InMemoryRegistry) -> None:
    server.faults.append(lambda item: Answer(500) if item.method in ("POST", "DELETE") else None)
    seen = probe(server)
    for ask in (seen.push, seen.delete):
        with pytest.raises(Unreachable, match="status 500"):
            ask()


def test_a_place_of_uploads_that_is_refused_is_an_error(server: InMemoryRegistry) -> None:
    place = {"location": "http://user:pass@127.0.0.1/upload"}
    server.faults.append(lambda item: Answer(202, headers=place) if item.method == "POST" else None)
    with pytest.raises(ImagesigError, match="Location"):
        probe(server).push()


def test_the_fallback_tag_is_looked_at(server: InMemoryRegistry) -> None:
    seen = probe(server)
    manifest, media_type = server.manifest("team/app", "1.0")
    digest = sha256(manifest)
    assert (seen.referrers(digest).status, seen.referrers(digest).is_stored) == (404, False)
    server.put_manifest("team/app", manifest, media_type, tag_of(digest))
    assert "the image itself" in seen.referrers(digest).problem
    server.put_manifest("team/app", manifest + b" ", media_type, tag_of(digest))
    assert "an index is needed" in seen.referrers(digest).problem
