"""`sign` fetches every timestamp before anything is attached."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import tsp

from imagesig import inspect, sign
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import DeadlineExceeded, Revoked, TimestampInvalid, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.stores import STORES
from imagesig.trust import TimestampAuthorities
from imagesig.trust.timestamp import examine_timestamp
from imagesig.witnesses import Query, RevocationChecker, Witnesses
from tests.api.certified import TOKEN, Certified
from tests.authorities import Authority, Issued
from tests.makers import NOW
from tests.timestamps import response, token, tst_info
from tests.witnesses.loopback import Fake

URL, OCSP = "http://tsa.example/tsr", "http://ocsp.example"
ROOT = Authority("timestamp root", now=datetime.now(UTC))
TSA = ROOT.tsa()
CERTIFIED = Certified(url=URL, roots=(ROOT.certificate,))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture
def images(tmp_path: Path) -> list[Image]:
    made = []
    for number in range(3):
        build_image(Layout.create(tmp_path / str(number)), {"app": b"%d" % number}, PLATFORMS[0], "1.0")
        made.append(layout(tmp_path / str(number), "1.0"))
    return made


def service(signer: Issued = TSA, fail_at: int = -1, **answers: Any) -> Fake:
    """A timestamp service that goes down before its n-th answer."""
    count = 0

    def answer(query: Query) -> bytes:
        nonlocal count
        count += 1
        if count == fail_at:
            raise Unreachable("gone")
        asked = tsp.TimeStampReq.load(query.body)
        content = tst_info(nonce=asked["nonce"].native, message_imprint=asked["message_imprint"], generated=ROOT.now)
        return response(token(signer, content))

    return Fake({URL: answer, **answers})


def witnesses(fake: Fake) -> Witnesses:
    return Witnesses(fake, RevocationChecker(fake))


def stored(image: Image) -> list[Any]:
    store = STORES[CERTIFIED.storage]
    return list(store.find(image.signatures, image.home.resolve(image.target).digest, CERTIFIED.reads))


def test_every_signature_gets_its_own_token(images: list[Image], key: SigningKey) -> None:
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service()))

    for image in images:
        (found,) = stored(image)
        envelope = CERTIFIED.parse(found)
        timestamp = examine_timestamp(
            bytes.fromhex(found.parts[0].annotations[TOKEN]),
            envelope.signature,
            TimestampAuthorities((ROOT.certificate,)),
            datetime.now(UTC),
        )
        assert timestamp.chain == (TSA.certificate, ROOT.certificate)


def test_the_timestamp_is_judged_by_the_clock_not_by_the_signed_time(images: list[Image], key: SigningKey) -> None:
    long_ago = NOW.replace(year=2001)

    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service()), now=long_ago)

    assert all(stored(image) for image in images)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_if_the_service_fails_for_one_signature_nothing_is_attached(
    number: int, images: list[Image], key: SigningKey
) -> None:
    with pytest.raises(Unreachable):
        sign(images, key, formats=["bundle", CERTIFIED], witnesses=witnesses(service(fail_at=number)))

    assert all(inspect(image).signatures == () for image in images)


def test_with_an_untrusted_service_nothing_is_attached(images: list[Image], key: SigningKey) -> None:
    with pytest.raises(TimestampInvalid):
        sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service(Authority("other", now=ROOT.now).tsa())))

    assert all(inspect(image).signatures == () for image in images)


def test_with_a_revoked_service_nothing_is_attached(images: list[Image], key: SigningKey) -> None:
    # CVE-2024-56138
    tsa = ROOT.tsa(ocsp=(OCSP,))
    answers = {OCSP: ROOT.ocsp(tsa, revoked=True)}

    with pytest.raises(Revoked):
        sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service(tsa, **answers)))

    assert all(inspect(image).signatures == () for image in images)


def test_a_dry_run_makes_no_request(images: list[Image], key: SigningKey) -> None:
    fake = service()
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(fake), dry_run=True)

    assert fake.queries == []


def test_a_present_signature_gets_no_second_timestamp(images: list[Image], key: SigningKey) -> None:
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service()))
    fake = service()
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(fake))

    assert fake.queries == []


def test_formats_without_timestamps_make_no_request(images: list[Image], key: SigningKey) -> None:
    fake = service()
    sign(images, key, witnesses=witnesses(fake))

    assert fake.queries == []


def test_the_timestamp_must_come_before_the_deadline_of_the_image(images: list[Image], key: SigningKey) -> None:
    fake = Fake({URL: DeadlineExceeded("over")})

    with pytest.raises(DeadlineExceeded):
        sign(images, key, formats=[CERTIFIED], witnesses=witnesses(fake))
    assert all(inspect(image).signatures == () for image in images)
