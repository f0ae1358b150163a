"""`sign` fetches a timestamp for every draft that wants one, before anything is attached."""

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


def test_every_signature_gets_a_token_of_its_own(images: list[Image], key: SigningKey) -> None:
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


def test_the_timestamp_is_judged_by_the_clock_whatever_time_is_signed(images: list[Image], key: SigningKey) -> None:
    long_ago = NOW.replace(year=2001)

    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service()), now=long_ago)

    assert all(stored(image) for image in images)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_service_that_fails_for_one_leaves_all_as_they_were(
    number: int, images: list[Image], key: SigningKey
) -> None:
    with pytest.raises(Unreachable):
        sign(images, key, formats=["bundle", CERTIFIED], witnesses=witnesses(service(fail_at=number)))

    assert all(inspect(image).signatures == () for image in images)


def test_a_service_that_is_not_trusted_leaves_all_as_they_were(images: list[Image], key: SigningKey) -> None:
    with pytest.raises(TimestampInvalid):
        sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service(Authority("other", now=ROOT.now).tsa())))

    assert all(inspect(image).signatures == () for image in images)


def test_a_service_that_was_revoked_leaves_all_as_they_were(images: list[Image], key: SigningKey) -> None:
    # CVE-2024-56138
    tsa = ROOT.tsa(ocsp=(OCSP,))
    answers = {OCSP: ROOT.ocsp(tsa, revoked=True)}

    with pytest.raises(Revoked):
        sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service(tsa, **answers)))

    assert all(inspect(image).signatures == () for image in images)


def test_a_dry_run_asks_nobody(images: list[Image], key: SigningKey) -> None:
    fake = service()
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(fake), dry_run=True)

    assert fake.queries == []


def test_what_is_signed_already_gets_no_other_timestamp(images: list[Image], key: SigningKey) -> None:
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(service()))
    fake = service()
    sign(images, key, formats=[CERTIFIED], witnesses=witnesses(fake))

    assert fake.queries == []


def test_formats_that_want_no_timestamp_ask_nobody(images: list[Image], key: SigningKey) -> None:
    fake = service()
    sign(images, key, witnesses=witnesses(fake))

    assert fake.queries == []


def test_the_images_deadline_holds_for_its_timestamp(images: list[Image], key: SigningKey) -> None:
    fake = Fake({URL: DeadlineExceeded("over")})

    with pytest.raises(DeadlineExceeded):
        sign(images, key, formats=[CERTIFIED], witnesses=witnesses(fake))
    assert all(inspect(image).signatures == () for image in images)
