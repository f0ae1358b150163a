"""What a registry allows, by its answers to requests that change nothing."""

from __future__ import annotations

from typing import cast

import pytest

from imagesig.errors import ImagesigError, Unauthorized, Unreachable
from imagesig.http.client import Response
from imagesig.images.registry.permissions import Permission, _may_delete, _may_push
from imagesig.images.registry.repository import RegistryRepository


class Answering:
    """A repository that answers every request alike, or raises."""

    def __init__(self, answer: int | ImagesigError) -> None:
        self._answer = answer

    def ask(self, _method: str, path: str, **_more: object) -> Response:
        if isinstance(self._answer, ImagesigError):
            raise self._answer
        return Response(self._answer, {}, b"", path)


@pytest.mark.parametrize(
    ("answer", "push", "delete"),
    [
        (202, Permission.ALLOWED, Permission.ALLOWED),
        (404, Permission.UNKNOWN, Permission.ALLOWED),
        (401, Permission.DENIED, Permission.DENIED),
        (403, Permission.DENIED, Permission.DENIED),
        (400, Permission.UNSUPPORTED, Permission.UNSUPPORTED),
        (405, Permission.UNSUPPORTED, Permission.UNSUPPORTED),
        (501, Permission.UNSUPPORTED, Permission.UNSUPPORTED),
        (500, Permission.UNKNOWN, Permission.UNKNOWN),
        (Unauthorized("no"), Permission.DENIED, Permission.DENIED),
        (Unreachable("no"), Permission.UNKNOWN, Permission.UNKNOWN),
    ],
    ids=str,
)
def test_the_status_of_an_answer_is_a_permission(
    answer: int | ImagesigError, push: Permission, delete: Permission
) -> None:
    repository = cast("RegistryRepository", Answering(answer))
    assert (_may_push(repository), _may_delete(repository)) == (push, delete)
