"""ASN.1: values are counted by their headers, and nobody needs more time or memory for that than there are bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig import limits
from imagesig.effort import Cost
from imagesig.encoding.asn1 import check, fields
from imagesig.errors import ImagesigError, LimitExceeded, MalformedError
from tests.chains import certified
from tests.effort import counted


def test_values_are_counted() -> None:
    with counted() as spent:
        check(bytes.fromhex("30090201ff300405000500"), "value")
    assert spent[Cost.NODES] == 5


def test_a_certificate_has_at_most_a_few_hundred_values() -> None:
    with counted() as spent:
        check(certified().certificate.der, "certificate")
    assert 50 < spent[Cost.NODES] < 300


@pytest.mark.parametrize("good", ["308005000000", "30803080050000000000", "24800401aa0000"])
def test_indefinite_lengths_of_ber_are_followed(good: str) -> None:
    check(bytes.fromhex(good), "value")


@pytest.mark.parametrize(
    "bad",
    [
        "30", "3001", "3080", "30800500", "0480", "0000", "30020000" "00", "3003" "0405aa", "3085" "0000000001" "00",
        "1f", "1f8181818181" "0100", "3084ffffffff", "3002" "3005" "0500",
        "3007" "3002" "0403aabbcc",
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(bad: str) -> None:
    with pytest.raises(MalformedError):
        check(bytes.fromhex(bad), "value")


def test_a_tag_of_several_bytes_is_read_up_to_a_length() -> None:
    for more, fits in ((0, True), (1, True), (3, True), (4, False), (9, False)):
        tag = b"\x1f" + b"\x81" * more + b"\x01"
        if fits:
            with counted() as spent:
                check(tag + b"\x02ab" + tag + b"\x00", "value")
            assert spent[Cost.NODES] == 2
            assert [item.content for item in fields(tag + b"\x00", 0, more + 3, "value")] == [more + 3]
        else:
            with pytest.raises(MalformedError, match=r"an ASN\.1 tag of"):
                check(tag + b"\x00", "value")


def test_a_length_of_several_bytes_is_read_up_to_four() -> None:
    for count in (1, 2, 3, 4):
        check(b"\x04" + bytes([0x80 | count]) + (200).to_bytes(count, "big") + b"x" * 200, "value")
    with pytest.raises(MalformedError, match="length of 5 bytes"):
        check(b"\x04\x85\x00\x00\x00\x00\x01x", "value")


def test_the_values_are_bounded_and_the_scan_stops_there() -> None:
    check(b"\x05\x00" * limits.ASN1_NODES, "value")
    with pytest.raises(LimitExceeded):
        check(b"\x05\x00" * limits.ASN1_NODES + b"\x05\x00" + b"\xff" * 10_000_000, "value")


def test_the_depth_is_bounded() -> None:
    with pytest.raises(LimitExceeded):
        check(b"\x30\x80" * (limits.ASN1_DEPTH + 1), "value")
    check(b"\x30\x80" * limits.ASN1_DEPTH + b"\x00\x00" * limits.ASN1_DEPTH, "value")


@given(st.binary(max_size=80))
def test_any_bytes_are_counted_or_refused(data: bytes) -> None:
    try:
        check(data, "value")
    except MalformedError:
        return


@given(st.binary(max_size=80))
def test_fields_cover_the_bytes_or_are_refused(data: bytes) -> None:
    try:
        found = list(fields(data, 0, len(data), "value"))
    except ImagesigError:
        return
    assert b"".join(data[item.start : item.end] for item in found) == data
