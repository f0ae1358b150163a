"""What a registry fails to give hides no good signature after it, is never "unsigned", and costs little time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from imagesig import inspect, limits, remove, sign, verify
from imagesig.errors import (
    DeadlineExceeded,
    NoSignatureAccepted,
    TransportError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import parse_manifest
from imagesig.policy import Policy, Rule, Signed
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.makers import private_key, signing_key

FORMATS = ("cosign", "bundle", "bundle manifest")
forms = pytest.mark.parametrize("form", FORMATS)
BROKEN = {
    "503": Answer(503),
    "429": Answer(429, headers={"retry-after": "0"}),
    "hangs up": Answer(0, close=True),
    "breaks off": Answer(200, b"{", content_length=200),
    "makes no sense": Answer(418),
}
MISSED = limits.UNREAD_BLOBS


pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def image_at(server: InMemoryRegistry) -> Image:
    return registry(f"{server.host}/team/app:1.0", credentials=("", ""), timeout=60)


def signed(server: InMemoryRegistry, form: str, count: int) -> Image:
    """An image with signatures by the keys 0, 1, …, each with a blob of its own, in this order."""
    image = image_at(server)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    for number in range(count):
        sign(image, signing_key(number), formats=[form.split()[0]], annotations={"number": str(number)})
    return image_at(server)


def parts(server: InMemoryRegistry, form: str) -> list[str]:
    """What is read for each signature, as the end of a path, in order."""
    image = image_at(server)
    digest = image.home.resolve("1.0").digest
    if form == "cosign":
        tag = image.home.resolve(digest.replace(":", "-") + ".sig")
        manifest = parse_manifest(image.home.read(tag, limit=limits.MANIFEST_BYTES), tag.media_type, "")
        return [f"/blobs/{layer.digest}" for layer in manifest.layers]
    found = image.home.referrers(digest).entries
    return [f"/manifests/{item.digest}" if "manifest" in form else _blob_of(image, item) for item in found]


def _blob_of(image: Image, referrer: Descriptor) -> str:
    content = image.home.read(referrer, limit=limits.MANIFEST_BYTES)
    return f"/blobs/{parse_manifest(content, referrer.media_type, '').layers[0].digest}"


def breaks(paths: list[str], answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: answer if any(request.path.endswith(path) for path in paths) else None


@forms
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("broken", [0, 1])
def test_a_signature_that_cannot_be_fetched_hides_no_good_one(
    server: InMemoryRegistry, form: str, answer: Answer, broken: int
) -> None:
    image = signed(server, form, 3)
    server.faults.append(breaks([parts(server, form)[broken]], answer))
    for number in {0, 1, 2} - {broken}:
        result = verify(image_at(server), signing_key(number))
        assert [item.public_key for item in result.signatures] == [private_key(number=number).public_key]
        assert any(isinstance(item.error, UnexpectedResponse | Unreachable) for item in result.rejections)
    assert verify(image, Policy.at_least(2, *map(signing_key, range(3)))).verified


@forms
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_with_unread_signatures_an_image_is_neither_unsigned_nor_refused(
    server: InMemoryRegistry, form: str, answer: Answer
) -> None:
    signed(server, form, 2)
    server.faults.append(breaks([parts(server, form)[0]], answer))
    warning = Policy(replace(Policy.any_of(signing_key(0)).default, warn=True))
    for policy in (
        Policy.any_of(signing_key(0)),
        Policy.all_of(signing_key(0), signing_key(1)),
        Policy.any_of(signing_key(9)),
        warning,
    ):
        with pytest.raises((Unreachable, UnexpectedResponse)) as failed:
            verify(image_at(server), policy, allow_unverified=True)
        assert isinstance(failed.value.__cause__, NoSignatureAccepted)


@forms
def test_one_requirement_that_is_met_does_not_make_up_for_another_that_could_not_be_judged(
    server: InMemoryRegistry, form: str
) -> None:
    signed(server, form, 2)
    server.faults.append(breaks([parts(server, form)[0]], Answer(503)))
    (first,), (second,) = (Policy.any_of(signing_key(number)).default.signed for number in range(2))
    assert isinstance(first, Signed)
    with pytest.raises(Unreachable):
        verify(image_at(server), Policy(Rule((second, first))))


@forms
def test_a_thousand_broken_blobs_cost_a_few_requests(server: InMemoryRegistry, form: str) -> None:
    signed(server, form, MISSED + 3)
    paths = parts(server, form)
    server.faults.append(breaks(paths, Answer(503)))  # all: a short signature is read before longer ones
    server.requests.clear()
    with pytest.raises(Unreachable):
        verify(image_at(server), signing_key(MISSED + 2))
    asked = [request.path for request in server.requests if any(request.path.endswith(path) for path in paths)]
    assert len(asked) == limits.HTTP_ATTEMPTS + MISSED - 1


@forms
def test_reading_goes_on_up_to_the_limit_of_broken_blobs(server: InMemoryRegistry, form: str) -> None:
    signed(server, form, MISSED)
    server.faults.append(breaks(parts(server, form)[:-1], Answer(503)))
    assert verify(image_at(server), signing_key(MISSED - 1)).verified


def test_a_blob_of_many_signatures_is_asked_for_once(server: InMemoryRegistry) -> None:
    image = image_at(server)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    for number in range(MISSED + 2):
        sign(image, signing_key(number), formats=["cosign"])
    sign(image, signing_key(99), formats=["cosign"], annotations={"an": "other"})
    paths = parts(server, "cosign")
    assert len(set(paths)) == 2
    server.faults.append(breaks(paths[:1], Answer(503)))
    server.requests.clear()
    assert verify(image_at(server), signing_key(99)).verified
    assert server.asked(containing=paths[0]) == limits.HTTP_ATTEMPTS


@forms
@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_refused_end_it_at_once(server: InMemoryRegistry, form: str, status: int) -> None:
    signed(server, form, 2)
    both = parts(server, form)  # the smaller one is read first
    challenge = {"www-authenticate": 'Basic realm="test"'}
    server.faults.append(breaks(both, Answer(status, headers=challenge)))
    server.requests.clear()
    with pytest.raises(Unauthorized):
        verify(image_at(server), signing_key(1))
    assert min(server.asked(containing=one) for one in both) == 0


@forms
def test_a_signature_whose_server_asks_to_wait_too_long_does_not_hide_the_others(
    server: InMemoryRegistry, form: str
) -> None:
    signed(server, form, 2)
    first, _second = parts(server, form)
    server.faults.append(breaks([first], Answer(503, headers={"retry-after": "3600"})))
    image = replace(image_at(server), timeout=20)
    assert verify(image, signing_key(1)).verified
    with pytest.raises(Unreachable) as raised:
        verify(image, signing_key(0))
    assert raised.value.retry_after > 20


@forms
def test_a_deadline_ends_it_at_once(server: InMemoryRegistry, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.deadlines._BACKOFF_SECONDS", 1000.0)
    signed(server, form, 2)
    both = parts(server, form)  # the smaller one is read first
    server.faults.append(breaks(both, Answer(503)))
    server.requests.clear()
    with pytest.raises(DeadlineExceeded):
        verify(replace(image_at(server), timeout=2), signing_key(1))
    assert min(server.asked(containing=one) for one in both) == 0


# --- what is not verifying ------------------------------------------------------------------------------------------


@forms
def test_nothing_is_signed_or_removed_unless_all_signatures_could_be_read(server: InMemoryRegistry, form: str) -> None:
    signed(server, form, 2)
    server.faults.append(breaks([parts(server, form)[0]], Answer(503)))
    server.requests.clear()
    with pytest.raises(Unreachable):
        sign(image_at(server), signing_key(3), formats=[form.split()[0]])
    with pytest.raises(Unreachable):
        remove(image_at(server), key=signing_key(1))
    assert {request.method for request in server.requests} <= {"GET", "HEAD"}


@forms
def test_inspect_raises_unless_it_may_show_what_it_could_read(server: InMemoryRegistry, form: str) -> None:
    signed(server, form, 3)
    server.faults.append(breaks([parts(server, form)[1]], Answer(503)))
    with pytest.raises(Unreachable):
        inspect(image_at(server))
    found = inspect(image_at(server), allow_incomplete=True)
    assert isinstance(found.failure, Unreachable)
    assert [item.annotations.get("number") for item in found.signatures if item.claim] == ["0", "2"]
    assert ["503" in item.problem for item in found.signatures if item.claim is None] == [True]
    server.faults.clear()
    assert inspect(image_at(server), allow_incomplete=True).failure is None


def test_inspecting_an_index_whose_signatures_cannot_be_read_costs_a_few_requests(server: InMemoryRegistry) -> None:
    image = image_at(server)
    build_index(image.home, {"a": b"b"}, "1.0")
    sign(image, signing_key(0))
    server.faults.append(lambda request: Answer(503) if ".sig" in request.path else None)
    server.requests.clear()
    found = inspect(image_at(server), allow_incomplete=True)
    assert isinstance(found.failure, Unreachable)
    assert {item.format for item in found.signatures} == {"bundle"}
    children = len({request.path for request in server.requests if ".sig" in request.path})
    assert children > 1
    assert server.asked(containing=".sig") == limits.HTTP_ATTEMPTS + children - 1


def test_inspecting_ends_at_once_where_credentials_are_refused(server: InMemoryRegistry) -> None:
    image = image_at(server)
    build_index(image.home, {"a": b"b"}, "1.0")
    server.faults.append(lambda request: Answer(403) if ".sig" in request.path else None)
    server.requests.clear()
    found = inspect(image_at(server), allow_incomplete=True)
    assert isinstance(found.failure, TransportError)
    assert server.asked(containing=".sig") == 1
