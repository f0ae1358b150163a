"""One run over several images: what is shared among them, and a tag that moves meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from imagesig import Transport, sign, verify_many
from imagesig.errors import NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import ANONYMOUS
from imagesig.keys.file.provider import MemoryProvider
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.makers import private_key

NOBODY = Transport(credentials=lambda _host: ANONYMOUS)
KEY = MemoryProvider({"key": private_key().to_pem(None)}).open("key")


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def moving(server: InMemoryRegistry, moves: Callable[[Request, int], bool]) -> tuple[str, str]:
    """A signed image by its tag, and its digest. The tag moves to an unsigned one before the request that `moves`.

    `moves` gets each request, and how many of the tag came before.
    """
    name = f"{server.host}/team/app:1.0"
    image = registry(name, credentials=lambda _host: ANONYMOUS)
    digest = build_image(image.home, {"a": b"signed"}, PLATFORMS[0], "1.0").digest
    sign(image, KEY)
    signed = server._manifests["team/app", "1.0"]
    build_image(image.home, {"a": b"unsigned"}, PLATFORMS[0], "1.0")
    unsigned = server._manifests["team/app", "1.0"]
    server._manifests["team/app", "1.0"] = signed
    asked = 0

    def move(request: Request) -> Answer | None:
        nonlocal asked
        if moves(request, asked):
            server._manifests["team/app", "1.0"] = unsigned
        asked += request.path.endswith("/manifests/1.0")
        return None

    server.faults.append(move)
    return name, digest


def test_a_tag_that_moves_during_a_verification_is_verified_as_it_was_first(server: InMemoryRegistry) -> None:
    name, digest = moving(server, lambda request, asked: asked > 0)
    (outcome,) = verify_many([name], KEY.info.public_key, transport=NOBODY)
    assert outcome.result is not None
    assert outcome.result.digest == digest


def test_a_tag_that_moved_between_two_images_of_a_run_has_a_verdict_of_its_own(server: InMemoryRegistry) -> None:
    name, digest = moving(server, lambda request, asked: asked > 0 and request.path.endswith("/manifests/1.0"))
    first, second = verify_many([name, name], KEY.info.public_key, transport=NOBODY, workers=1, in_order=True)
    assert first.result is not None
    assert first.result.digest == digest
    assert isinstance(second.error, NoSignatures)
