"""A registry that refuses, lies, floods, redirects, throttles or is gone; and how much we ask of one that behaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import inspect, limits, sign, verify
from imagesig.api.sign import attaching
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    AttachIncomplete,
    DeadlineExceeded,
    DigestMismatch,
    ImageNotFound,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    Stale,
    TransportError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.registry.challenges import check_realm, parse_challenges
from imagesig.images.registry.connect import registry, registry_client
from imagesig.images.registry.credentials import CredentialFiles
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_INDEX, OCI_MANIFEST
from imagesig.policy import Policy
from imagesig.testing import Answer, InMemoryRegistry, Request

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("other.key", KeyType.ECDSA_P256)


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def image_at(server: InMemoryRegistry, path: str = "team/app", timeout: float = 60, **transport: object) -> Image:
    reference = f"{server.host}/{path}:1.0"
    return registry(reference, timeout=timeout, credentials=lambda _host: CredentialFiles([])(""), **transport)  # type: ignore[arg-type]


def pushed(server: InMemoryRegistry, key: SigningKey | None = None, **options: object) -> Image:
    image = image_at(server)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    if key:
        sign(image, key, **options)  # type: ignore[arg-type]
    return image_at(server)


# --- how much is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("formats", "most"), [(["cosign"], 2), (["bundle"], 3), (["cosign", "bundle"], 6)])
def test_verifying_by_digest_asks_little(
    server: InMemoryRegistry, key: SigningKey, formats: list[str], most: int
) -> None:
    digest = sign(pushed(server), key).digest
    image = registry(f"{server.host}/team/app@{digest}")
    server.requests.clear()
    verify(image, Policy.any_of(key, formats=formats))
    assert server.asked() <= most


def test_one_more_request_tells_no_image_from_no_signature(server: InMemoryRegistry, key: SigningKey) -> None:
    digest = pushed(server).home.resolve("1.0").digest
    server.requests.clear()
    with pytest.raises(NoSignatures):
        verify(registry(f"{server.host}/team/app@{digest}"), key)
    assert server.asked() == 3
    with pytest.raises(ImageNotFound):
        verify(registry(f"{server.host}/team/app@sha256:{'0' * 64}"), key)


def test_a_hundred_images_are_signed_with_one_call_of_the_key(server: InMemoryRegistry, key: SigningKey) -> None:
    images = []
    for number in range(100):
        image = image_at(server, f"many/app{number}")
        build_image(image.home, {"a": b"%d" % number}, PLATFORMS[0], "1.0")
        images.append(image)
    assert len(sign(images, key)) == 100
    assert all(verify(image, key).signatures for image in images)


# --- unreachable is never unsigned ------------------------------------------------------------------------------------


def failing(status: int, containing: str) -> object:
    return lambda request: Answer(status) if containing in request.path else None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("path", [".sig", "/referrers/", "/blobs/"])
def test_a_registry_that_fails_is_unreachable(
    server: InMemoryRegistry, key: SigningKey, status: int, path: str
) -> None:
    image = pushed(server, key, formats=["cosign"] if path != "/referrers/" else ["bundle"])
    server.faults.append(failing(status, path))  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        verify(image, key)


def test_a_failing_referrers_api_does_not_hide_a_good_classic_signature(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    image = pushed(server, key)
    server.faults.append(failing(503, "/referrers/"))  # type: ignore[arg-type]
    assert [item.format for item in verify(image, key).signatures] == ["cosign"]


def test_a_registry_that_is_gone_is_unreachable(key: SigningKey) -> None:
    with pytest.raises(Unreachable):
        verify("127.0.0.1:9/team/app:1.0", key)


def test_a_few_failures_are_retried(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, key)
    left = [Answer(503), Answer(429, headers={"retry-after": "0"}), Answer(0, close=True)]
    server.faults.append(lambda _request: left.pop() if left else None)
    assert verify(image, key).signatures


def test_a_server_that_says_wait_longer_than_the_deadline_ends_at_once(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    pushed(server, key)
    server.faults.append(lambda _request: Answer(429, headers={"retry-after": "3600"}))
    with pytest.raises(Unreachable, match="the server asks to wait") as raised:
        verify(image_at(server, timeout=20), key)
    assert raised.value.retry_after > 20
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(Answer(503), "status 503: the next"), (Answer(0, close=True), "without an answer: the next")],
    ids=["503", "closed"],
)
def test_without_time_for_another_attempt_the_error_says_what_was_seen(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, answer: Answer, seen: str
) -> None:
    pushed(server, key)
    monkeypatch.setattr("imagesig.deadlines._BACKOFF_SECONDS", 1000.0)
    server.faults.append(lambda _request: answer)
    with pytest.raises(DeadlineExceeded, match=seen) as raised:
        verify(image_at(server, timeout=20), key)
    assert raised.value.retryable


def test_a_tag_is_not_written_again_before_the_time_that_the_server_asks_for(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    pushed(server)
    server.faults.append(
        lambda request: Answer(429, headers={"retry-after": "30"}) if request.path.endswith(".sig") else None
    )
    with pytest.raises(Unreachable) as raised:
        sign(image_at(server, timeout=20), key, formats=["cosign"])
    assert raised.value.retry_after == 30
    server.faults[:] = [
        lambda request: (
            Answer(429, headers={"retry-after": "30"})
            if request.method == "PUT" and request.path.endswith(".sig")
            else None
        )
    ]
    with pytest.raises(Unreachable) as raised:
        sign(image_at(server, timeout=20), key, formats=["cosign"])
    assert raised.value.retry_after == 30


def test_a_server_that_does_not_answer_meets_the_deadline(server: InMemoryRegistry, key: SigningKey) -> None:
    pushed(server, key)
    hold = threading.Event()
    server.faults.append(lambda _request: (hold.wait(20) and None) or Answer(500))
    try:
        with pytest.raises(DeadlineExceeded):
            verify(image_at(server, timeout=0.3), key)
    finally:
        hold.set()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_on_the_signature_tag_is_an_error_and_not_unsigned(
    server: InMemoryRegistry, key: SigningKey, status: int
) -> None:
    image = pushed(server)
    server.faults.append(failing(status, ".sig"))  # type: ignore[arg-type]
    with pytest.raises(TransportError):
        verify(image, key)


# --- lies -------------------------------------------------------------------------------------------------------------


def test_cve_2020_1702_a_huge_manifest_is_refused_by_its_announced_length(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    image = pushed(server, key)
    answer = Answer(200, b"{}", {"content-type": OCI_INDEX}, content_length=2**40)
    server.faults.append(lambda request: answer if request.path.endswith("/1.0") else None)
    with pytest.raises(LimitExceeded):
        verify(image, key)


def test_cve_2024_29902_a_blob_longer_than_its_descriptor_is_refused(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, key, formats=["cosign"])
    flood = Answer(200, b"x" * (limits.ERROR_BODY_BYTES + 10))
    server.faults.append(lambda request: flood if "/blobs/" in request.path else None)
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, key)
    assert isinstance(refused.value.rejections[0].error, LimitExceeded)


def test_dos_01_a_descriptor_of_a_tebibyte_is_refused_before_it_is_asked_for(server: InMemoryRegistry) -> None:
    with pytest.raises(LimitExceeded):
        image_at(server).home.read(Descriptor("x/y", "sha256:" + "0" * 64, 2**40), limit=100)
    assert server.asked() == 0


def test_container_libs_ef5fc1ad_other_bytes_for_a_payload_digest_are_refused(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    image = pushed(server, key, formats=["cosign"])
    server.faults.append(
        lambda request: Answer(200, b"other bytes") if request.method == "GET" and "/blobs/" in request.path else None
    )
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, key)
    assert isinstance(refused.value.rejections[0].error, DigestMismatch)


def test_other_bytes_for_a_manifest_digest_are_refused(server: InMemoryRegistry, key: SigningKey) -> None:
    digest = pushed(server, key).home.resolve("1.0").digest
    server.faults.append(
        lambda request: Answer(200, b'{"schemaVersion":2,"config":{},"layers":[]}', {"content-type": OCI_INDEX})
    )
    with pytest.raises(MalformedError):
        registry(f"{server.host}/team/app@{digest}").home.resolve(digest)


def test_cve_2021_41190_the_same_bytes_as_another_kind_are_refused(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, key)
    content = image.home.read(image.home.resolve("1.0"), limit=limits.MANIFEST_BYTES)
    answer = Answer(200, content, {"content-type": OCI_INDEX})
    server.faults.append(lambda request: answer if request.path.endswith("/1.0") else None)
    with pytest.raises(MalformedError):
        verify(image_at(server), key)


def test_a_referrers_list_that_never_ends_is_bounded(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, key)
    page = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()

    def endless(request: Request) -> Answer | None:
        if "/referrers/" not in request.path:
            return None
        number = int(request.query.get("n", ["0"])[0]) + 1
        return Answer(200, page, {"content-type": OCI_INDEX, "link": f'<{request.path}?n={number}>; rel="next"'})

    server.faults.append(endless)
    result = verify(image, key)
    assert any("pages" in str(rejection.error) for rejection in result.rejections)
    # Once before, and once by artifact type: the registry does not filter.
    assert server.asked(containing="/referrers/") <= limits.REFERRERS_PAGES + 2


def test_a_next_page_on_another_server_is_not_followed(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, key)
    page = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    headers = {"content-type": OCI_INDEX, "link": '<http://127.0.0.1:1/x>; rel="next"'}
    server.faults.append(lambda request: Answer(200, page, headers) if "/referrers/" in request.path else None)
    with pytest.raises(UnexpectedResponse, match="another server"):
        verify(image, Policy.any_of(key, formats=["bundle"]))


# --- redirects and logins ---------------------------------------------------------------------------------------------


def test_a_redirect_is_followed_and_credentials_stay_behind(key: SigningKey) -> None:
    with InMemoryRegistry(basic=("user", "s3cret")) as server, InMemoryRegistry() as storage:
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(image, key, formats=["cosign"])
        moved = {}

        def redirect(request: Request) -> Answer | None:
            if request.method == "GET" and "/blobs/" in request.path:
                return Answer(307, headers={"location": f"http://{storage.host}/storage?secret=1"})
            return None

        payloads = [content for (_, digest), content in server._blobs.items() if b"critical" in content]
        storage.faults.append(lambda _request: Answer(200, payloads[0]))
        server.faults.append(redirect)
        assert verify(registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret")), key)
        assert storage.requests
        assert all("authorization" not in request.headers for request in storage.requests), moved


def test_leak_01_a_challenge_after_a_redirect_gets_no_credentials(key: SigningKey) -> None:
    with InMemoryRegistry(basic=("user", "s3cret")) as server, InMemoryRegistry() as thief:
        server.faults.append(lambda request: Answer(302, headers={"location": f"http://{thief.host}/x"}))
        challenge = {"www-authenticate": f'Bearer realm="http://{thief.host}/token"'}
        thief.faults.append(lambda _request: Answer(401, headers=challenge))
        with pytest.raises(TransportError):
            verify(registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret")), key)
        assert thief.asked() == 1
        assert all("authorization" not in request.headers for request in thief.requests)


def test_leak_03_a_token_server_that_redirects_is_refused(key: SigningKey) -> None:
    with InMemoryRegistry(bearer=("user", "s3cret")) as server, InMemoryRegistry() as inside:
        moved = Answer(302, headers={"location": f"http://{inside.host}/meta-data"})
        server.faults.append(lambda request: moved if request.path == "/token" else None)
        with pytest.raises(TransportError):
            verify(registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret")), key)
        assert not inside.requests


def test_leak_05_a_redirect_within_the_registry_keeps_the_login(key: SigningKey) -> None:
    with InMemoryRegistry(basic=("user", "s3cret")) as server:
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        server.faults.append(
            lambda request: (
                Answer(307, headers={"location": "/v2/team/app/manifests/1.0"})
                if request.path.endswith("/manifests/moved")
                else None
            )
        )
        assert image.home.resolve("moved").digest == image.home.resolve("1.0").digest


def test_a_redirect_without_end_is_refused(server: InMemoryRegistry, key: SigningKey) -> None:
    server.faults.append(lambda request: Answer(307, headers={"location": request.path}))
    with pytest.raises(UnexpectedResponse, match="redirects"):
        verify(image_at(server), key)


def test_an_upload_that_is_redirected_is_refused(server: InMemoryRegistry) -> None:
    image = image_at(server)
    elsewhere = {"location": "http://127.0.0.1:1/"}
    server.faults.append(lambda request: Answer(307, headers=elsewhere) if request.method == "PUT" else None)
    with pytest.raises(UnexpectedResponse, match="redirected"):
        image.home.put_manifest(b"{}", OCI_INDEX, "x")


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_logins_work_for_reading_and_writing(key: SigningKey, login: str) -> None:
    with InMemoryRegistry(**{login: ("user", "s3cret")}) as server:  # type: ignore[arg-type]
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        build_index(image.home, {"a": b"b"}, "1.0")
        sign(image, key)
        assert verify(registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret")), key).signatures


def test_tokens_of_two_repositories_are_not_mixed(key: SigningKey) -> None:
    with InMemoryRegistry(bearer=("user", "s3cret")) as server:
        client = registry_client(credentials=("user", "s3cret"))
        for path in ("one/app", "two/app"):
            image = registry(f"{server.host}/{path}:1.0", client=client)
            build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
            sign(image, key)
        scopes = {item.query["scope"][0] for item in server.requests if item.path == "/token"}
        assert {scope.split(":")[1] for scope in scopes} == {"one/app", "two/app"}


def test_a_refresh_token_is_exchanged(key: SigningKey, tmp_path: Path) -> None:
    with InMemoryRegistry(bearer=("user", "refresh-me")) as server:
        entry = {"auth": "dXNlcjo=", "identitytoken": "refresh-me"}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: entry}}))
        files = CredentialFiles([tmp_path / "config.json"])
        image = registry(f"{server.host}/team/app:1.0", credentials=files)
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        assert sign(image, key)


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_wrong_and_missing_credentials_say_so_and_show_nothing(key: SigningKey, login: str) -> None:
    with InMemoryRegistry(**{login: ("user", "s3cret")}) as server:  # type: ignore[arg-type]
        for credentials in (("user", "wr0ng-one"), None):
            image = (
                registry(f"{server.host}/team/app:1.0", credentials=credentials) if credentials else image_at(server)
            )
            with pytest.raises(Unauthorized) as refused:
                verify(image, key)
            assert "wr0ng-one" not in f"{refused.value} {refused.value.hint}"


def test_cve_2019_10214_a_token_server_without_tls_is_refused() -> None:
    with pytest.raises(UnexpectedResponse, match="HTTPS"):
        check_realm("http://auth.example.com/token", "https://registry.example.com", plain_http=False)


@pytest.mark.parametrize("header", ["\x0b" * 60_000 + '"', "Basic" + " " * 60_000 + '"', "a," * 30_000])
def test_a_challenge_costs_no_more_than_its_length(header: str) -> None:
    """With a pattern that matches white space in two ways, the first one takes a minute."""
    assert len(parse_challenges(header)) in (0, 1, 30_000)


def test_a_link_to_the_next_page_costs_no_more_than_its_length(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, key)
    page = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    headers = {"content-type": OCI_INDEX, "link": "<a>; " * 10_000}
    server.faults.append(lambda request: Answer(200, page, headers) if "/referrers/" in request.path else None)
    assert verify(image, key).signatures


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost.", "[::ffff:127.0.0.1]", "a.localhost"])
def test_a_token_server_inside_a_network_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(UnexpectedResponse, match="inside a network"):
        check_realm(f"https://{host}/token", "https://registry.example.com", plain_http=False)


@pytest.mark.parametrize(
    "realm", ["", "ftp://x", "https://user:s3cret@auth.example.com/", "//auth.example.com", "https:"]
)
def test_a_realm_that_is_no_https_url_is_refused(realm: str) -> None:
    with pytest.raises(UnexpectedResponse) as refused:
        check_realm(realm, "https://registry.example.com", plain_http=True)
    assert "s3cret" not in str(refused.value)


def test_an_upload_to_another_server_carries_no_credentials(key: SigningKey) -> None:
    with InMemoryRegistry(basic=("user", "s3cret")) as server, InMemoryRegistry() as thief:
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        session = Answer(202, headers={"location": f"http://{thief.host}/v2/team/app/blobs/uploads/session"})
        server.faults.append(lambda request: session if request.method == "POST" else None)
        image.home.put_blob(b"content", "a/b")
        assert thief.asked("PUT") == 1
        assert "authorization" not in thief.requests[0].headers


def test_a_refresh_token_is_not_sent_where_the_token_server_redirects(key: SigningKey, tmp_path: Path) -> None:
    with InMemoryRegistry(bearer=("user", "refresh-me")) as server, InMemoryRegistry() as thief:
        entry = {"auth": "dXNlcjo=", "identitytoken": "refresh-me"}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: entry}}))
        moved = Answer(307, headers={"location": f"http://{thief.host}/token"})
        server.faults.append(lambda request: moved if request.path == "/token" else None)
        with pytest.raises(TransportError):
            verify(
                registry(f"{server.host}/team/app:1.0", credentials=CredentialFiles([tmp_path / "config.json"])), key
            )
        assert not thief.requests


def test_credentials_of_one_registry_never_go_to_another(key: SigningKey, tmp_path: Path) -> None:
    with InMemoryRegistry(basic=("user", "s3cret")) as ours, InMemoryRegistry(basic=("x", "y")) as other:
        entry = {"username": "user", "password": "s3cret"}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {ours.host: entry}}))
        files = CredentialFiles([tmp_path / "config.json"])
        home = registry(f"{ours.host}/team/app:1.0", credentials=files).home
        build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
        with pytest.raises(Unauthorized):
            sign(
                registry(
                    f"{ours.host}/team/app:1.0", credentials=files, signature_repository=f"{other.host}/team/signatures"
                ),
                key,
            )
        assert all("authorization" not in request.headers for request in other.requests)


def test_podmans_credentials_of_a_path_are_used_for_that_repository(key: SigningKey, tmp_path: Path) -> None:
    with InMemoryRegistry(basic=("team", "s3cret")) as server:
        auths = {server.host: {"username": "all", "password": "x"}}
        auths[f"{server.host}/team"] = {"username": "team", "password": "s3cret"}
        (tmp_path / "auth.json").write_text(json.dumps({"auths": auths}))
        image = registry(f"{server.host}/team/app:1.0", credentials=CredentialFiles([tmp_path / "auth.json"]))
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        assert sign(image, key)


def test_challenges_are_parsed_strictly_and_all_of_them() -> None:
    header = 'Negotiate, Basic realm="a \\"b\\"", Bearer realm="https://x/y",service="s,t", scope="r:p"'
    schemes = parse_challenges(header)
    assert [item.scheme for item in schemes] == ["negotiate", "basic", "bearer"]
    assert schemes[1].parameters == {"realm": 'a "b"'}
    assert schemes[2].parameters == {"realm": "https://x/y", "service": "s,t", "scope": "r:p"}


# --- signing that fails -----------------------------------------------------------------------------------------------


def test_a_refusal_before_the_first_signature_leaves_nothing(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server)
    server.requests.clear()
    with pytest.raises(ImageNotFound):
        sign([image, registry(f"{server.host}/team/app:none")], key)
    assert server.asked("PUT") == server.asked("POST") == 0


def test_what_was_attached_is_listed_and_signing_again_completes_it(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server)
    server.faults.append(lambda request: Answer(403) if request.method == "PUT" and "sha256:" in request.path else None)
    with pytest.raises(AttachIncomplete) as incomplete:
        sign(image, key)
    assert len(incomplete.value.attached) == 1
    assert len(incomplete.value.missing) == 1
    server.faults.clear()
    states = {made.format: made.state for made in sign(image_at(server), key).signatures}
    assert states == {"cosign": "present", "bundle": "attached"}


_RACE = json.dumps(
    {"errors": [{"code": "DIGEST_INVALID", "message": "m"}, {"code": "MANIFEST_BLOB_UNKNOWN", "message": "m"}]}
).encode()
"""What docker-registry 2.8 answers to a manifest while somebody else stores a blob that it names."""


@pytest.mark.parametrize("put", [".sig", "/manifests/sha256:", "/blobs/uploads/session"])
def test_a_passing_refusal_of_an_upload_fails_no_signer(server: InMemoryRegistry, key: SigningKey, put: str) -> None:
    image = pushed(server)
    left = [Answer(400, _RACE)] * 3
    server.faults.append(
        lambda request: left.pop() if left and request.method == "PUT" and put in request.path else None
    )
    if "session" in put:  # this registry takes no blob along with the first request
        session = Answer(202, headers={"location": "/v2/team/app/blobs/uploads/session"})
        server.faults.append(lambda request: session if request.method == "POST" else None)
    sign(image, key)
    assert not left
    assert len(verify(image_at(server), key).signatures) == 2


def test_an_upload_whose_answer_was_lost_is_begun_again(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server)
    gone = Answer(404, json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}).encode())
    answers = [gone, Answer(202, headers={"location": "/v2/team/app/blobs/uploads/session"})]
    server.faults.append(lambda request: answers.pop() if answers and "/uploads/" in request.path else None)
    assert sign(image, key)
    assert not answers


@pytest.mark.parametrize(("format_name", "put"), [("cosign", ".sig"), ("bundle", "/manifests/sha256:")])
def test_an_upload_that_is_always_refused_is_tried_so_often_and_no_more(
    server: InMemoryRegistry, key: SigningKey, format_name: str, put: str
) -> None:
    image = pushed(server)
    server.requests.clear()
    server.faults.append(
        lambda request: Answer(400, _RACE) if request.method == "PUT" and put in request.path else None
    )
    with pytest.raises(UnexpectedResponse, match="DIGEST_INVALID"):
        sign(image, key, formats=[format_name])
    assert server.asked("PUT", put) == limits.UPLOAD_ATTEMPTS


def test_a_refusal_that_does_not_pass_is_not_repeated(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server)
    server.requests.clear()
    refusal = Answer(400, json.dumps({"errors": [{"code": "MANIFEST_INVALID"}]}).encode())
    server.faults.append(lambda request: refusal if request.method == "PUT" else None)
    with pytest.raises(UnexpectedResponse, match="MANIFEST_INVALID"):
        sign(image, key, formats=["cosign"])
    assert server.asked("PUT", ".sig") == 1


def test_waiting_for_a_passing_refusal_ends_at_the_deadline(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(server)
    monkeypatch.setattr("imagesig.deadlines._BACKOFF_SECONDS", 1000.0)
    server.faults.append(lambda request: Answer(400, _RACE) if request.method == "PUT" else None)
    with pytest.raises(DeadlineExceeded, match="the next attempt is in"):
        sign(image_at(server), key)


def test_a_signature_overwritten_meanwhile_is_put_back(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server)
    overwritten = []

    def overwrite(request: Request) -> Answer | None:
        if request.method == "PUT" and request.path.endswith(".sig") and not overwritten:
            overwritten.append(request.path)
            return Answer(201)  # as if another writer's PUT had come right after ours
        return None

    server.faults.append(overwrite)
    sign(image, key, formats=["cosign"])
    assert overwritten
    assert verify(image_at(server), key).signatures


@pytest.mark.parametrize("format_name", ["cosign", "bundle"])
@pytest.mark.parametrize("answer", [Answer(503), Answer(429, headers={"retry-after": "0"}), Answer(400, _RACE)])
def test_a_failed_write_is_merged_again_before_it_is_repeated(
    key: SigningKey, other: SigningKey, format_name: str, answer: Answer
) -> None:
    """Repeated as it was, it would drop what another signer stored in between."""
    with InMemoryRegistry(referrers_api=False) as server:
        image = pushed(server)
        tag = f"/manifests/{image.home.resolve('1.0').digest.replace(':', '-')}"
        failed: list[str] = []

        def fail_once(request: Request) -> Answer | None:
            if request.method == "PUT" and request.path.removesuffix(".sig").endswith(tag) and not failed:
                failed.append(request.path)
                sign(image_at(server), other, formats=[format_name])
                return answer
            return None

        server.faults.append(fail_once)
        sign(image, key, formats=[format_name])
        assert failed
        assert len(inspect(image_at(server)).signatures) == 2


def test_a_signer_checks_its_change_as_long_as_others_write(
    server: InMemoryRegistry, key: SigningKey, other: SigningKey
) -> None:
    """A writer that read before us may write after we have seen ours in place."""
    image = pushed(server)
    tag = image.home.resolve("1.0").digest.replace(":", "-") + ".sig"
    sign(image, other, formats=["cosign"])
    without_ours = server._manifests["team/app", tag]
    ours: list[bytes] = []
    looks: list[str] = []

    def others(request: Request) -> Answer | None:
        if not request.path.endswith(tag):
            return None
        if request.method == "PUT":
            ours.append(request.body)
        elif ours:
            looks.append(request.path)
            if len(looks) == 1:  # somebody adds one to ours
                document = json.loads(ours[0])
                document["layers"].append(document["layers"][0] | {"annotations": {}})
                server._manifests["team/app", tag] = (json.dumps(document).encode(), OCI_MANIFEST)
            if len(looks) == 2:  # and somebody slower drops it
                server._manifests["team/app", tag] = without_ours
        return None

    server.faults.append(others)
    sign(image, key, formats=["cosign"])
    assert len(ours) == 2
    assert verify(image_at(server), key).signatures


def test_other_writers_that_never_stop_end_in_stale(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pushed(server)
    monkeypatch.setattr("imagesig.images.registry.tag_change._SETTLE_SECONDS_LEAST", 0.0001)
    server.faults.append(
        lambda request: Answer(201) if request.method == "PUT" and request.path.endswith(".sig") else None
    )
    with pytest.raises(Stale):
        sign(image, key, formats=["cosign"])


def test_signatures_in_another_repository_are_written_and_read_there(server: InMemoryRegistry, key: SigningKey) -> None:
    pushed(server)
    elsewhere = image_at(server, signature_repository=f"{server.host}/signatures/all")
    sign(elsewhere, key)
    assert verify(elsewhere, key).signatures
    with pytest.raises(NoSignatures):
        verify(image_at(server), key)


def test_the_fallback_tag_is_used_without_a_referrers_api(key: SigningKey) -> None:
    with InMemoryRegistry(referrers_api=False) as server:
        image = pushed(server, key, formats=["bundle"])
        assert verify(image, key).signatures
        assert server.asked("PUT", "manifests/sha256-") == 1


def test_a_registry_that_keeps_referrers_without_saying_so_gets_no_fallback_tag(key: SigningKey) -> None:
    with InMemoryRegistry(oci_subject=False) as server:
        image = pushed(server, key, formats=["bundle"])
        assert verify(image, key).signatures
        assert server.asked("PUT", "manifests/sha256-") == 0


def test_signing_logs_under_its_own_name() -> None:
    assert attaching.logger.name == "imagesig"


def test_no_referrers_written_as_null_is_an_image_without_signatures(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server)
    null = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": None}).encode()
    server.faults.append(
        lambda request: Answer(200, null, {"content-type": OCI_INDEX}) if "/referrers/" in request.path else None
    )
    with pytest.raises(NoSignatures):
        verify(image, Policy.any_of(key.info.public_key))
