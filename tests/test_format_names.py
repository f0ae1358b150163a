"""The one table of format names."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.format_names import ARTIFACT_TYPES, FORMATS, NAMES, READERS, FormatName, Purpose, families, format_names
from imagesig.formats import ALL_FORMATS, DEFAULT_FORMATS, Storage, select_formats


def test_a_name_accepts_signatures_of_its_family() -> None:
    assert families(["cosign-x509", "cosign"]) == {"cosign"}
    assert families(["notation-jws", "bundle"]) == {"notation", "bundle"}
    assert families([]) == frozenset()


@pytest.mark.parametrize("name", ["nonsense", "", "Cosign", None, 1, b"cosign", ["cosign"]])
def test_an_unknown_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidArgument, match="format"):
        format_names([name])


def test_the_table_says_what_is_read_and_written_by_default() -> None:
    assert ALL_FORMATS == ("cosign", "bundle", "notation")
    assert DEFAULT_FORMATS == ("cosign", "bundle")
    assert READERS == ("cosign", "bundle", "notation", "notation-jws", "notation-cose")


@pytest.mark.parametrize("item", NAMES, ids=lambda item: item.name)
def test_the_format_of_a_name_is_the_one_that_the_table_says(item: object) -> None:
    (entry,) = format_names([item.name])  # type: ignore[attr-defined]
    (made,) = select_formats([entry.name])
    assert made.name == entry.reader
    assert getattr(made, "envelope", None) == (entry.envelope or None)


_TYPES = sorted({name.removesuffix("*") for item in FORMATS for name in item.media_types})


@pytest.mark.parametrize("item", FORMATS, ids=lambda item: item.name)
@pytest.mark.parametrize("change", ["", "x", ";version=0.3", "+json"])
def test_a_name_reads_the_media_types_of_its_format_and_no_others(item: FormatName, change: str) -> None:
    (made,) = select_formats([item.name], item.purpose)
    for media_type in (*_TYPES, "", "text/plain", "application/vnd.dev.sigstore"):
        assert item.reads(media_type + change) == made.reads(media_type + change), media_type
        assert item.reads(change + media_type) == made.reads(change + media_type), media_type


@pytest.mark.parametrize("item", FORMATS, ids=lambda item: item.name)
def test_a_name_is_stored_where_its_format_is(item: FormatName) -> None:
    (made,) = select_formats([item.name], item.purpose)
    assert item.storage is made.storage


def test_every_name_in_the_table_makes_a_format_with_that_purpose() -> None:
    for item in FORMATS:
        (made,) = select_formats([item.name], item.purpose)
        assert bool(item.artifact_type) == (made.storage in (Storage.REFERRER, Storage.ATTESTATION_REFERRER))
        assert not item.artifact_type or made.reads(item.artifact_type)
    assert set(ARTIFACT_TYPES) == {item.artifact_type for item in FORMATS} - {""}


def test_a_name_for_another_purpose_is_unknown() -> None:
    with pytest.raises(InvalidArgument, match="unknown"):
        format_names(["notation"], Purpose.ATTESTATION)
