"""Statuses that registries in the field answer with: what was stored is stored, and what a GET gives is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagesig import Identity, Policy, copy, inspect, limits, remove, sign, sign_many, verify
from imagesig.cli.output.failure import fail
from imagesig.errors import (
    AttachIncomplete,
    ImageNotFound,
    ImagesigError,
    NoSignatures,
    RemovalIncomplete,
    SignaturesUnsupported,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.images.registry.connect import registry
from imagesig.keys.provider import SigningKey
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.commands import run_here
from tests.makers import signing_key

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

BOTH = ["cosign", "bundle"]


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def with_status(server: InMemoryRegistry, status: int, method: str, *parts: str) -> None:
    """The registry does what such a request asks for, and answers with another status."""

    def changed(request: Request) -> Answer | None:
        if request.method != method or not any(part in request.path for part in parts):
            return None
        own = server.own_answer(request)
        return own if own.status >= 400 else Answer(status, own.body, own.headers)

    server.faults.append(changed)


def refuses(server: InMemoryRegistry, status: int, method: str, part: str, body: bytes = b"") -> None:
    """Such a request changes nothing, and gets this status."""
    server.faults.append(
        lambda request: Answer(status, body) if request.method == method and part in request.path else None
    )


# --- what is stored ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("api", [True, False])
def test_a_manifest_is_stored_with_each_of_three_statuses(status: int, api: bool) -> None:
    with InMemoryRegistry(referrers_api=api) as server:
        image = server.add_image()
        with_status(server, status, "PUT", "/manifests/")
        assert {made.state for made in sign(image, signing_key(), formats=BOTH).signatures} == {"attached"}
        assert {made.state for made in sign(image, signing_key(), formats=BOTH).signatures} == {"present"}
        copied = copy(image, f"{server.host}/other:1")
        assert verify(copied.destination, signing_key()).verified


@pytest.mark.parametrize("status", [204, 206, 301, 302, 400, 403, 404, 409, 500])
def test_with_any_other_status_a_manifest_is_not_stored(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    refuses(server, status, "PUT", "/manifests/")
    with pytest.raises(ImagesigError):
        sign(image, signing_key())
    with pytest.raises(NoSignatures):
        verify(image, signing_key())


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_blob_is_stored_with_each_status_of_success(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    session = Answer(202, headers={"location": "/v2/app/blobs/uploads/session"})
    server.faults.append(lambda request: session if request.method == "POST" else None)
    with_status(server, status, "PUT", "/blobs/uploads/")
    sign(image, signing_key())
    assert len(verify(image, signing_key()).signatures) == 2


@pytest.mark.parametrize("status", [400, 404, 405, 411, 415, 501])
def test_a_registry_that_refuses_uploads_in_one_request_gets_two(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    server.faults.append(
        lambda request: Answer(status) if request.method == "POST" and "digest" in request.query else None
    )
    sign(image, signing_key())
    assert len(verify(image, signing_key()).signatures) == 2


@pytest.mark.parametrize("status", [200, 202, 204, 400, 403, 404, 405, 500, 503])
def test_a_mount_that_fails_is_an_upload(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    sign(image, signing_key())
    server.faults.append(lambda request: Answer(status) if "mount" in request.query else None)
    copied = copy(image, f"{server.host}/other:1")
    assert copied.blobs.sent > 0
    assert verify(copied.destination, signing_key()).verified


@pytest.mark.parametrize("said", ["", "sha512:" + "ab" * 64, "none"])
def test_a_digest_header_that_is_no_sha256_digest_says_nothing(server: InMemoryRegistry, said: str) -> None:
    image = server.add_image()

    def changed(request: Request) -> Answer:
        own = server.own_answer(request)
        return Answer(own.status, own.body, {**own.headers, "docker-content-digest": said})

    server.faults.append(changed)
    sign(image, signing_key())
    assert len(verify(image, signing_key()).signatures) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_signature_that_a_registry_does_not_delete_is_not_called_removed(
    server: InMemoryRegistry, status: int
) -> None:
    image = server.add_image()
    sign(image, signing_key(), formats=["bundle"])
    refuses(server, status, "DELETE", "/manifests/")
    with pytest.raises(RemovalIncomplete) as incomplete:
        remove(image, key=signing_key())
    assert len(incomplete.value.left) == 1
    assert verify(image, signing_key()).verified


# --- HEAD -------------------------------------------------------------------------------------------------------------

NO_HEAD = [400, 401, 403, 404, 405, 406, 410, 429, 500, 501, 502, 503, 302]


@pytest.mark.parametrize("status", NO_HEAD)
def test_an_unsigned_image_is_unsigned_where_head_does_not_answer(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    pinned = inspect(image).pinned
    refuses(server, status, "HEAD", "/v2/")
    for name in (image, pinned):
        with pytest.raises(NoSignatures):
            verify(name, signing_key())


@pytest.mark.parametrize("status", NO_HEAD)
def test_a_missing_image_is_missing_where_head_does_not_answer(server: InMemoryRegistry, status: int) -> None:
    server.add_image()
    refuses(server, status, "HEAD", "/v2/")
    with pytest.raises(ImageNotFound):
        verify(f"{server.host}/app@sha256:{'0' * 64}", signing_key())


@pytest.mark.parametrize("status", NO_HEAD)
def test_images_are_copied_where_head_does_not_answer(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image(platforms=["linux/amd64", "linux/arm64"])
    sign(image, signing_key())
    refuses(server, status, "HEAD", "/v2/")
    first = copy(image, f"{server.host}/other:1", all_platforms=True)
    assert verify(first.destination, signing_key()).verified
    again = copy(image, f"{server.host}/other:1", all_platforms=True)
    if status != 404:
        assert again.blobs.sent == 0


def test_what_neither_head_nor_get_answer_is_an_error_and_never_missing(server: InMemoryRegistry) -> None:
    pinned = inspect(server.add_image()).pinned
    digest = pinned.partition("@")[2]
    for status in (403, 500):
        server.faults.clear()
        refuses(server, status, "HEAD", f"/manifests/{digest}")
        refuses(server, status, "GET", f"/manifests/{digest}")
        with pytest.raises(ImagesigError) as failed:
            verify(pinned, signing_key())
        assert not isinstance(failed.value, (NoSignatures, ImageNotFound))


def test_doctor_needs_no_head(server: InMemoryRegistry) -> None:
    image = server.add_image()
    refuses(server, 500, "HEAD", "/v2/")
    assert run_here("doctor", image).exit_code == 0


# --- the referrers API ------------------------------------------------------------------------------------------------


def test_oci_subject_is_believed_only_where_there_is_a_referrers_api() -> None:
    """A proxy in front of an old registry, or an old one that passes the header on."""
    with InMemoryRegistry(referrers_api=False) as server:
        image = server.add_image()

        def tells(request: Request) -> Answer | None:
            if request.method != "PUT" or b'"subject"' not in request.body:
                return None
            own = server.own_answer(request)
            subject = json.loads(request.body)["subject"]["digest"]
            return Answer(own.status, own.body, {**own.headers, "oci-subject": subject})

        server.faults.append(tells)
        sign(image, signing_key(), formats=["bundle"])
        assert verify(image, signing_key()).verified
        assert {made.state for made in sign(image, signing_key(), formats=["bundle"]).signatures} == {"present"}


# --- a registry that stores one format only ---------------------------------------------------------------------------


def tag_is_digest(server: InMemoryRegistry) -> None:
    """The tag `sha256-HEX` names what the digest names."""

    def same(request: Request) -> Answer | None:
        before, _, reference = request.path.rpartition("/")
        if reference.startswith("sha256-") and "." not in reference:
            return server.own_answer(replace(request, path=f"{before}/{reference.replace('-', ':')}"))
        return None

    server.faults.append(same)


@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")])
def test_what_a_registry_without_lists_of_referrers_can_store_is_stored(platforms: tuple[str, ...]) -> None:
    with InMemoryRegistry(referrers_api=False) as server:
        image = server.add_image(platforms=platforms)
        tag_is_digest(server)
        server.requests.clear()
        with pytest.raises(AttachIncomplete) as incomplete:
            sign(image, signing_key())
        assert all("bundle signature" in name for name in incomplete.value.missing)
        assert all("no referrers API" in reason for reason in incomplete.value.reasons)
        assert len(incomplete.value.reasons) == len(incomplete.value.missing) == len(incomplete.value.attached)
        assert "--format cosign" in incomplete.value.hint
        assert server.asked("PUT", "/manifests/") == server.asked("PUT", ".sig") == len(incomplete.value.attached)
        assert verify(image, signing_key()).verified
        assert {made.state for made in sign(image, signing_key(), formats=["cosign"]).signatures} == {"present"}
        with pytest.raises(SignaturesUnsupported):
            sign(image, signing_key())
        assert run_here("copy", "--all-platforms", image, f"{server.host}/other:1").exit_code == 0


def test_a_dry_run_says_what_cannot_be_stored() -> None:
    with InMemoryRegistry(referrers_api=False) as server:
        image = server.add_image()
        tag_is_digest(server)
        assert any("no referrers API" in warning for warning in sign(image, signing_key(), dry_run=True).warnings)


def test_where_no_chosen_format_can_be_stored_the_key_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry(referrers_api=False) as server:
        image = server.add_image()
        tag_is_digest(server)
        key = signing_key()
        monkeypatch.setattr(type(key), "_signed", None)
        server.requests.clear()
        with pytest.raises(SignaturesUnsupported) as refused:
            sign(image, key, formats=["bundle"])
        assert "--format cosign" in refused.value.hint
        assert server.asked("PUT") == server.asked("POST") == 0


def test_a_copy_says_what_cannot_be_stored_and_stores_the_rest() -> None:
    with InMemoryRegistry() as source, InMemoryRegistry(referrers_api=False) as server:
        image = source.add_image()
        sign(image, signing_key())
        tag_is_digest(server)
        for _ in range(2):
            copied = copy(image, f"{server.host}/app:1")
            assert any("no referrers API" in warning for warning in copied.warnings)
            assert [item.state for item in copied.manifests if item.kind == "referrer"] == ["left out"]
            assert verify(f"{server.host}/app:1", Policy.any_of(signing_key(), identity=Identity.any())).verified


# --- tags that cannot be changed --------------------------------------------------------------------------------------

KEPT = [
    (400, "TAG_INVALID"),
    (403, "DENIED"),
    (405, "UNSUPPORTED"),
    (409, "MANIFEST_UNKNOWN"),
    (412, "PRECONDITION"),
    (422, ""),
    (500, "UNKNOWN"),
]


def keeps_tags(server: InMemoryRegistry, status: int, code: str) -> None:
    body = json.dumps({"errors": [{"code": code, "message": "the tag is immutable"}]}).encode()

    def kept(request: Request) -> Answer | None:
        name, _, tag = request.path.removeprefix("/v2/").partition("/manifests/")
        if request.method != "PUT" or tag.startswith("sha256:") or (name, tag) not in server._manifests:
            return None
        return Answer(status, body)

    server.faults.append(kept)


@pytest.mark.parametrize(("status", "code"), KEPT)
def test_the_second_signer_attaches_what_an_immutable_registry_takes(status: int, code: str) -> None:
    with InMemoryRegistry() as server:
        image = server.add_image()
        keeps_tags(server, status, code)
        assert {made.state for made in sign(image, signing_key(1)).signatures} == {"attached"}
        with pytest.raises(AttachIncomplete) as incomplete:
            sign(image, signing_key(2))
        (missing,), (reason,) = incomplete.value.missing, incomplete.value.reasons
        assert "cosign signature" in missing
        assert str(status) in reason
        assert "the tag is immutable" in reason
        assert ("--format bundle" in incomplete.value.hint) is (status < 500)
        for number in (1, 2):
            assert verify(image, signing_key(number)).verified
        (made,) = sign(image, signing_key(3), formats=["bundle"]).signatures
        assert made.state == "attached"
        (outcome,) = sign_many([image], signing_key(4))
        assert isinstance(outcome.error, AttachIncomplete)
        assert verify(image, signing_key(4)).verified


def test_the_command_lists_what_could_not_be_attached_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with InMemoryRegistry() as server:
        image = server.add_image()
        keeps_tags(server, 400, "TAG_INVALID")
        sign(image, signing_key(1))
        with pytest.raises(AttachIncomplete) as incomplete:
            sign(image, signing_key(2))
    assert fail(incomplete.value) == 1
    said = capsys.readouterr().err
    (line,) = (line for line in said.splitlines() if line.startswith("  missing:"))
    assert "cosign signature" in line
    assert "the tag is immutable" in line


@pytest.mark.parametrize("form", ["cosign", "bundle"])
def test_without_a_referrers_api_the_second_signer_of_one_format_is_sent_elsewhere(form: str) -> None:
    with InMemoryRegistry(referrers_api=False) as server:
        image = server.add_image()
        keeps_tags(server, 400, "TAG_INVALID")
        sign(image, signing_key(1), formats=[form])
        with pytest.raises(UnexpectedResponse, match="immutable") as refused:
            sign(image, signing_key(2), formats=[form])
        assert ("--format bundle" if form == "cosign" else "--signature-repository") in refused.value.hint


def test_the_command_signs_with_the_hinted_format(key_folder: Path, key: SigningKey) -> None:
    with InMemoryRegistry() as server:
        image = server.add_image()
        keeps_tags(server, 412, "PRECONDITION")
        sign(image, signing_key(1))
        arguments = ("sign", "--key", key_folder / "k.key", image)
        refused = run_here(*arguments)
        assert refused.exit_code == 1
        assert "1 of 2 signatures were attached" in refused.stderr
        assert run_here(*arguments, "--format", "bundle").exit_code == 0
        assert verify(image, key).verified


def test_a_refused_place_is_asked_once_and_the_other_one_is_used(server: InMemoryRegistry) -> None:
    image = server.add_image(platforms=["linux/amd64", "linux/arm64"])
    refuses(server, 503, "PUT", ".sig")
    with pytest.raises(AttachIncomplete) as incomplete:
        sign(image, signing_key())
    assert len(incomplete.value.attached) == len(incomplete.value.missing) == 3
    assert incomplete.value.retryable
    assert server.asked("PUT", ".sig") == limits.UPLOAD_ATTEMPTS


# --- the registry's own words -----------------------------------------------------------------------------------------

LIMIT = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'
WORDS = {
    "errors": (LIMIT, "application/json", "pull rate limit"),
    "a message": (b'{"message":"slow down, please"}', "application/json", "slow down, please"),
    "an error": (b'{"error":"slow down, please"}', "application/json", "slow down, please"),
    "details": (b'{"details":"slow down, please"}', "application/json", "slow down, please"),
    "text": (b"Rate exceeded\n", "text/plain", "Rate exceeded"),
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("body", "kind", "said"), WORDS.values(), ids=WORDS)
def test_the_last_words_of_a_registry_are_kept(
    server: InMemoryRegistry, status: int, body: bytes, kind: str, said: str
) -> None:
    image = server.add_image()
    left = [Answer(status)] * 2
    final = Answer(status, body, {"content-type": kind})
    server.faults.append(lambda _: left.pop() if left else final)
    with pytest.raises(Unreachable, match=said):
        verify(image, signing_key())


def test_the_words_are_kept_where_the_registry_asks_to_wait_too_long(server: InMemoryRegistry) -> None:
    image = server.add_image()
    server.faults.append(lambda _: Answer(429, LIMIT, {"retry-after": "60"}))
    with pytest.raises(Unreachable, match="pull rate limit"):
        verify(image, signing_key(), timeout=30)


def test_the_words_are_kept_where_a_large_blob_is_refused(server: InMemoryRegistry) -> None:
    image = registry(server.add_image())
    large = image.home.put_blob(b"x" * (2 * 1024 * 1024), "application/octet-stream")
    server.faults.append(lambda request: Answer(429, LIMIT) if request.method in ("PUT", "POST") else None)
    with pytest.raises(Unreachable, match="pull rate limit"):
        registry(f"{server.host}/other:1").home.put_blob_stream(large, [b"x" * large.size])


def test_a_page_of_html_is_no_word(server: InMemoryRegistry) -> None:
    image = server.add_image()
    server.faults.append(lambda _: Answer(503, b"<html>down</html>", {"content-type": "text/html"}))
    with pytest.raises(Unreachable) as busy:
        verify(image, signing_key())
    assert "html" not in str(busy.value)
