"""What a registry answers about referrers is a list, no such endpoint, or an error (adversary 7e, field B3 to B5)."""

from __future__ import annotations

import json

import pytest

from imagesig import sign, verify
from imagesig.errors import AttachIncomplete, ImagesigError, NoSignatures, TransportError, UnexpectedResponse
from imagesig.images.build import build_index
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.testing.hostile.registries.stage import INDEX, NAME, foreign
from tests.attacks.hostile_listings import a_registry, answers, image_at, listing, lists, pushed, signed, store, stored
from tests.makers import signing_key

pytestmark = pytest.mark.usefixtures("quick_retries")

NO_LIST = {
    "a login page": (b"<!DOCTYPE html><title>Log in</title>", "text/html"),
    "an empty object": (b"{}", "application/json"),
    "an empty object that calls itself an index": (b"{}", INDEX),
    "an array": (b"[]", "application/json"),
    "an array that calls itself an index": (b"[]", INDEX),
    "null": (b"null", INDEX),
    "nothing": (b"", INDEX),
    "text": (b'"manifests"', INDEX),
    "an error document": (b'{"errors":[{"code":"UNAUTHORIZED"}]}', "application/json"),
    "a token": (b'{"token":"x"}', "application/json"),
    "manifests as text": (b'{"manifests":"none"}', INDEX),
    "manifests as an object": (b'{"manifests":{}}', INDEX),
    "an image manifest": (json.dumps(foreign("sha256:" + "ab" * 32)).encode(), INDEX),
    "another type inside": (b'{"schemaVersion":2,"mediaType":"application/json","manifests":[]}', INDEX),
    "a number as type": (b'{"schemaVersion":2,"mediaType":7,"manifests":[]}', INDEX),
    "twins": (b'{"schemaVersion":2,"manifests":[],"Manifests":[]}', INDEX),
    "twins by folding": ('{"schemaVersion":2,"manifests":[],"manife\u017fts":[]}'.encode(), INDEX),
    "a duplicate": (b'{"schemaVersion":2,"manifests":[],"manifests":[]}', INDEX),
    "half": (b'{"schemaVersion":2,"manifests":[', INDEX),
    "two": (b'{"manifests":[]}{"manifests":[]}', INDEX),
}


@pytest.mark.parametrize(("body", "kind"), NO_LIST.values(), ids=NO_LIST)
def test_an_answer_that_is_no_list_is_an_error_and_never_unsigned(body: bytes, kind: str) -> None:
    with a_registry() as server:
        pushed(server)
        server.faults.append(answers(body, content_type=kind))
        with pytest.raises(UnexpectedResponse):
            verify(image_at(server), signing_key())
        before = dict(server._manifests)
        with pytest.raises(ImagesigError):
            sign(image_at(server), signing_key(), formats=["bundle"])
        assert server._manifests == before


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "", "application/vnd.docker.distribution.manifest.list.v2+json"]
)
def test_a_list_of_any_content_type_is_the_registrys_answer(kind: str) -> None:
    with a_registry() as server:
        digest = signed(server)
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listing(server, digest)}).encode()
        server.faults.append(answers(body, content_type=kind))
        assert verify(image_at(server), signing_key()).verified


@pytest.mark.parametrize(
    "body", [b'{"schemaVersion":0,"manifests":[]}', b'{"manifests":null}', b'{"manifests":[],"schemaVersion":"x"}']
)
def test_a_list_without_entries_is_unsigned_with_any_schema_version(body: bytes) -> None:
    with a_registry() as server:
        pushed(server)
        server.faults.append(answers(body, content_type="application/json"))
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 415, 501])
def test_where_there_is_no_such_endpoint_the_fallback_tag_decides(status: int) -> None:
    with a_registry(api=False) as server:
        digest = signed(server)
        server.faults.append(answers(b"", status))
        assert verify(image_at(server), signing_key()).verified
        for reference in (digest.replace(":", "-"),):
            del server._manifests[NAME, reference]
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())

        def fails(request: Request) -> Answer | None:
            return Answer(500) if request.path.endswith(digest.replace(":", "-")) else None

        server.faults.append(fails)
        with pytest.raises(TransportError) as failed:
            verify(image_at(server), signing_key())
        assert not isinstance(failed.value, NoSignatures)


@pytest.mark.parametrize("status", [201, 204, 206, 300, 401, 402, 403, 409, 418, 429, 500, 502, 503])
def test_any_other_status_is_an_error(status: int) -> None:
    with a_registry() as server:
        pushed(server)
        server.faults.append(answers(b"", status))
        with pytest.raises(TransportError):
            verify(image_at(server), signing_key())


# --- the fallback tag -----------------------------------------------------------------------------------------------


def _tag_is_digest(server: InMemoryRegistry) -> None:
    """As GitLab does: the tag `sha256-HEX` gives what the digest gives."""

    def same(request: Request) -> Answer | None:
        _, _, reference = request.path.rpartition("/")
        if request.method not in ("GET", "HEAD") or not reference.startswith("sha256-") or len(reference) != 71:
            return None
        content = server._manifests.get((NAME, reference.replace("-", ":")))
        return None if content is None else Answer(200, content[0], {"content-type": content[1]})

    server.faults.append(same)


def test_a_fallback_tag_that_is_the_image_itself_is_no_list() -> None:
    with a_registry(api=False) as server:
        pushed(server)
        _tag_is_digest(server)
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())


@pytest.mark.parametrize("is_index", [True, False])
def test_sign_does_not_overwrite_a_fallback_tag_that_is_the_image_itself(is_index: bool) -> None:
    with a_registry(api=False) as server:
        if is_index:
            build_index(image_at(server).home, {"a": b"b"}, "1.0")
        else:
            pushed(server)
        _tag_is_digest(server)
        before = {at: content for at, content in server._manifests.items() if "sha256-" in at[1]}
        with pytest.raises(ImagesigError) as refused:
            sign(image_at(server), signing_key(), formats=["bundle"], recursive=False)
        assert {at: content for at, content in server._manifests.items() if "sha256-" in at[1]} == before
        assert "cosign" in refused.value.hint


def test_of_an_index_the_fallback_tag_that_is_the_image_itself_is_no_list() -> None:
    with a_registry(api=False) as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        _tag_is_digest(server)
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())


def test_a_fallback_tag_that_is_no_index_is_no_list_and_stays() -> None:
    with a_registry(api=False) as server:
        digest = pushed(server)
        tag = digest.replace(":", "-")
        store(server, foreign("sha256:" + "ab" * 32), "application/vnd.oci.image.manifest.v1+json", tag)
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())
        before = server._manifests[NAME, tag]
        with pytest.raises(ImagesigError) as refused:
            sign(image_at(server), signing_key(), formats=["bundle"])
        assert "--format cosign" in refused.value.hint
        with pytest.raises(AttachIncomplete):
            sign(image_at(server), signing_key())
        assert verify(image_at(server), signing_key()).verified
        assert server._manifests[NAME, tag] == before


# --- Link -----------------------------------------------------------------------------------------------------------

NEXT = {
    "quoted": '<{}>; rel="next"',
    "bare": "<{}>; rel=next",
    "upper case": "<{}>; REL=next",
    "another case of the relation": '<{}>; rel="NEXT"',
    "several relations": '<{}>; rel="last next"',
    "blanks": '<{}> ; rel = "next"',
    "behind a comma in a parameter": '<{}>; title="a, <b>; c"; rel="next"',
    "behind another link": '</v2/x>; rel="prev", <{}>; rel="next"',
    "behind an empty one": ', ,<{}>; rel="next"',
    "escaped": '<{}>; title="a\\", b"; rel="next"',
    "a parameter without a value": '<{}>; crossorigin; rel="next"',
}


def _in_pages(server: InMemoryRegistry, digest: str, link: str) -> None:
    entries = listing(server, digest)
    first, second = lists([]), lists(entries)

    def answer(request: Request) -> Answer | None:
        if "/referrers/" not in request.path:
            return None
        if request.query.get("page"):
            return second(request)
        found = first(request)
        assert found is not None
        return Answer(200, found.body, {**found.headers, "link": link})

    server.faults.append(answer)


@pytest.mark.parametrize("link", NEXT.values(), ids=NEXT)
def test_every_form_of_a_link_to_the_next_page_is_followed(link: str) -> None:
    with a_registry() as server:
        digest = signed(server)
        _in_pages(server, digest, link.format(f"/v2/{NAME}/referrers/{digest}?page=2"))
        assert verify(image_at(server), signing_key()).verified


@pytest.mark.parametrize(
    "link", ['<{}>; rel="nextish"', '<{}>; rel="x-next"', '<{}>; title="rel=next"', '<{}>; rev="next"']
)
def test_what_only_looks_like_the_next_page_is_not_followed(link: str) -> None:
    with a_registry() as server:
        digest = signed(server)
        _in_pages(server, digest, link.format(f"/v2/{NAME}/referrers/{digest}?page=2"))
        with pytest.raises(NoSignatures):
            verify(image_at(server), signing_key())


@pytest.mark.parametrize(
    "link", ["<", "next", '<{}; rel="next"', '<{}> rel="next"', '<{}>; rel="next', '<{}>; rel="next"; <', "<{}>; =next"]
)
def test_a_malformed_link_is_an_error(link: str) -> None:
    with a_registry() as server:
        digest = signed(server)
        _in_pages(server, digest, link.format(f"/v2/{NAME}/referrers/{digest}?page=2"))
        with pytest.raises(UnexpectedResponse):
            verify(image_at(server), signing_key())


def test_the_fallback_index_is_read_as_the_api_lists() -> None:
    with a_registry(api=False) as server:
        digest = signed(server)
        tag = digest.replace(":", "-")
        store(server, {"schemaVersion": 2, "manifests": stored(server, tag)["manifests"]}, INDEX, tag)
        assert verify(image_at(server), signing_key()).verified
