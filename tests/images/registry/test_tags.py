from __future__ import annotations

import json

import pytest

from imagesig.errors import ImagesigError, LimitExceeded, MalformedError, UnexpectedResponse
from imagesig.images.registry.connect import registry_client
from imagesig.oci.reference import parse_reference
from imagesig.testing import Answer, InMemoryRegistry, Request


def listed(server: InMemoryRegistry) -> list[str]:
    with registry_client() as client:
        return list(client.repository(parse_reference(f"{server.host}/app")).tags())


def test_all_pages_are_read_and_lists_of_signatures_are_no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.images.registry.tags._TAGS", 2)
    with InMemoryRegistry() as server:
        for tag in ("1", "2", "3", "4", "5"):
            server.add_image(f"app:{tag}")
        server.put_manifest("app", b"{}", "x", f"sha256-{'0' * 64}.sig")
        assert listed(server) == ["1", "2", "3", "4", "5"]
        assert server.asked("GET", "tags/list") == 3


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        ([], {}, MalformedError),
        ({"tags": "1"}, {}, UnexpectedResponse),
        ({"tags": ["1"]}, {"link": '</v2/app/tags/list?n=1000>; rel="next"'}, LimitExceeded),
        ({"tags": ["1"]}, {"link": '<http://registry.example/v2/app/tags/list>; rel="next"'}, ImagesigError),
        ({"tags": ["1", "2", "3", "4"]}, {}, LimitExceeded),
    ],
    ids=["a list", "a text", "the same page", "another server", "too many"],
)
def test_what_is_no_list_of_tags_is_refused(
    monkeypatch: pytest.MonkeyPatch, body: object, headers: dict[str, str], error: type[ImagesigError]
) -> None:
    monkeypatch.setattr("imagesig.images.registry.tags.limits.TAGS_LISTED", 3)

    def answer(request: Request) -> Answer | None:
        return Answer(200, json.dumps(body).encode(), headers) if "tags/list" in request.path else None

    with InMemoryRegistry() as server:
        server.faults.append(answer)
        with pytest.raises(error):
            listed(server)


def test_tags_that_are_none_are_left_out() -> None:
    def answer(request: Request) -> Answer | None:
        return Answer(200, b'{"name":"app","tags":["ok","../x",7,null]}') if "tags/list" in request.path else None

    with InMemoryRegistry() as server:
        server.faults.append(answer)
        assert listed(server) == ["ok"]
