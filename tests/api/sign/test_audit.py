"""One record of `imagesig.audit` for each signature that was made, with the fields that the reference lists."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime

import pytest

from imagesig import AttachIncomplete, sign, sign_many
from imagesig.testing import Answer, InMemoryRegistry, MemoryProvider

FIELDS = {"image", "digest", "format", "key_id", "public_key", "signed_at", "place", "attached"}


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "imagesig.audit"]


def test_each_signature_is_one_record_with_the_documented_fields(
    server: InMemoryRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    image = server.add_image("app:1", platforms=["linux/amd64", "linux/arm64"])
    key = MemoryProvider().open()
    with caplog.at_level(logging.INFO, "imagesig.audit"):
        signed = sign(image, key)

    found = records(caplog)
    assert {(record.digest, record.format) for record in found} == {  # type: ignore[attr-defined]
        (made.digest, made.format) for made in signed.signatures
    }
    assert len(found) == 6
    for record in found:
        said = vars(record)
        assert said.keys() >= FIELDS
        assert said["key_id"] == signed.key_id
        assert said["public_key"] == key.info.public_key.fingerprint
        assert said["image"] == image
        assert said["place"] == image.removesuffix(":1")
        assert said["attached"] is True
        assert datetime.fromisoformat(said["signed_at"]).utcoffset() is not None
        assert re.fullmatch(r"[^\n]+", record.getMessage())


def test_signing_again_and_a_dry_run_make_no_record(server: InMemoryRegistry, caplog: pytest.LogCaptureFixture) -> None:
    image, key = server.add_image(), MemoryProvider().open()
    sign(image, key)
    with caplog.at_level(logging.INFO, "imagesig.audit"):
        sign(image, key)
        list(sign_many([server.add_image("other:1")], key, dry_run=True))
    assert not records(caplog)


@pytest.mark.usefixtures("quick_retries")
def test_a_signature_that_could_not_be_stored_is_recorded_as_that(
    server: InMemoryRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    image = server.add_image()
    server.faults.append(lambda request: Answer(403) if request.method == "PUT" and "sha256:" in request.path else None)
    with caplog.at_level(logging.INFO, "imagesig.audit"), pytest.raises(AttachIncomplete):
        sign(image, MemoryProvider().open())
    assert [vars(record)["attached"] for record in records(caplog)] == [True, False]
