"""The steps of signing: what each one may do, and what happens if the key rotates between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imagesig import Image, SigningKey, registry, sign, sign_many, verify
from imagesig.api.sign.attaching import AttachRecord, attach, settle
from imagesig.api.sign.signature_run import draft_and_sign, plan, seal
from imagesig.api.sign.signing_job import signing_job
from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.errors import KeyProviderError, NoSignatures, Stale, VerificationError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.credential import anonymous
from imagesig.keys.file.provider import FileProvider
from imagesig.signature import SignerInfo
from imagesig.testing import InMemoryRegistry


class RotatingKey(SigningKey):
    """A key that has a new version after each of its first signatures, as a key in a service may."""

    def __init__(self, versions: Sequence[SigningKey]) -> None:
        self._versions = list(versions)

    @property
    def info(self) -> SignerInfo:
        return self._versions[0].info

    def _sign(self, request: ToSign) -> bytes:
        raise NotImplementedError

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        if len(self._versions) > 1:
            del self._versions[0]
        return self._versions[0]._sign_all(requests)


@pytest.fixture
def keys(tmp_path: Path) -> list[SigningKey]:
    return [FileProvider(tmp_path).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(5)]


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def image(server: InMemoryRegistry) -> Image:
    made = registry(f"{server.host}/team/app:1.0", credentials=anonymous)
    build_image(made.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    server.requests.clear()
    return made


def test_nothing_is_written_before_attach(server: InMemoryRegistry, image: Image, keys: list[SigningKey]) -> None:
    job = signing_job()
    (sealed,) = seal(draft_and_sign([plan(image, job)], keys[0], job), None)
    assert {request.method for request in server.requests} == {"GET"}
    record = AttachRecord([sealed.drafted])
    for unsettled in attach(sealed, record).unsettled:
        settle(unsettled, record)
    assert len(record.attached) == 2
    assert verify(image, keys[0]).verified


def test_a_signature_that_does_not_settle_is_recorded_as_missing(image: Image, keys: list[SigningKey]) -> None:
    job = signing_job()
    (sealed,) = seal(draft_and_sign([plan(image, job)], keys[0], job), None)
    record = AttachRecord([sealed.drafted])
    first, second = (item.planned.name for item in attach(sealed, record).unsettled)
    record.attached.remove(second)
    error = record.incomplete(Stale("overwritten"))
    assert (error.attached, error.missing) == ((first,), (second,))
    assert str(error) == "1 of 2 signatures were attached; missing: overwritten"


def test_after_a_rotation_the_drafts_name_the_new_version_of_the_key(image: Image, keys: list[SigningKey]) -> None:
    assert sign(image, RotatingKey(keys[:2])).key_id == keys[1].info.key_id
    assert verify(image, keys[1]).verified
    with pytest.raises(VerificationError):
        verify(image, keys[0])


def test_a_key_that_rotates_at_every_signature_attaches_nothing(image: Image, keys: list[SigningKey]) -> None:
    with pytest.raises(KeyProviderError, match="rotated 3 times"):
        sign(image, RotatingKey(keys))
    with pytest.raises(NoSignatures):
        verify(image, keys[0])


def test_sign_many_replaces_the_signatures_of_the_old_key(image: Image, keys: list[SigningKey]) -> None:
    old, new = keys[:2]
    sign(image, old)
    (planned,) = sign_many([image], new, replace=old.info.public_key.pem, dry_run=True)
    assert planned.result is not None
    assert [item.state for item in planned.result.removed] == ["planned", "planned"]
    assert verify(image, old).verified
    (outcome,) = sign_many([image], new, replace=old.info.public_key.pem)
    assert outcome.result is not None
    assert [item.state for item in outcome.result.removed] == ["removed", "removed"]
    assert verify(image, new).verified
    with pytest.raises(VerificationError):
        verify(image, old)
