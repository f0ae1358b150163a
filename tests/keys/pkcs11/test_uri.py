"""PKCS#11 URIs: every attribute by which a token or key is chosen, and what is refused."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.keys.pkcs11.uri import Pkcs11Uri, parse_pkcs11_uri

EVERYTHING = (
    "pkcs11:token=My%20token;serial=42;manufacturer=Acme;model=X1;slot-id=7;slot-description=Left;"
    "slot-manufacturer=Acme%20slots;object=a%3Bb;id=%01%FF;type=private"
    "?module-path=/usr/lib/m.so&pin-source=file:/run/pin"
)


def test_every_attribute_is_read() -> None:
    assert parse_pkcs11_uri(EVERYTHING) == Pkcs11Uri(
        token="My token",
        serial="42",
        manufacturer="Acme",
        model="X1",
        slot_id=7,
        slot_description="Left",
        slot_manufacturer="Acme slots",
        object="a;b",
        id=b"\x01\xff",
        type="private",
        module_path="/usr/lib/m.so",
        pin_source="file:/run/pin",
    )


def test_the_text_of_a_uri_parses_to_the_same_uri_without_its_query() -> None:
    shown = str(parse_pkcs11_uri(EVERYTHING))
    assert "?" not in shown
    assert str(parse_pkcs11_uri(shown)) == shown
    assert parse_pkcs11_uri(shown).object == "a;b"


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=t;pin-value=98765",
        "pkcs11:token=t;pin-source=file:/98765",
        "pkcs11:object=a;module-path=/98765.so",
        "pkcs11:object=a?token=98765",
        "pkcs11:?object=98765",
    ],
)
def test_an_attribute_on_the_wrong_side_of_the_question_mark_is_refused_and_not_shown(uri: str) -> None:
    with pytest.raises(InvalidArgument, match="question mark") as refused:
        parse_pkcs11_uri(uri)
    assert "98765" not in str(refused.value)


def test_a_pin_shows_in_no_repr() -> None:
    assert "98765" not in repr(parse_pkcs11_uri("pkcs11:object=a?pin-value=98765"))


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:TOKEN=t;object=a",
        "pkcs11:token=t;Object=a;id=%01",
        "pkcs11:Slot-Id=1;object=a",
        "pkcs11:token=t;object=a?Module-Path=/m.so",
        "pkcs11:token=t;object=a?PIN-SOURCE=file:/pin",
        "pkcs11:token=t;object=a;Pin-Value=s3cret",
        "pkcs11:token=t;object=a?PIN-VALUE=s3cret",
    ],
)
def test_an_attribute_in_capitals_is_not_taken_for_one_of_a_vendor(uri: str) -> None:
    """Ignored, it would choose no token or PIN: the key of another token would sign."""
    with pytest.raises(InvalidArgument, match="lower case") as refused:
        parse_pkcs11_uri(uri)
    assert "s3cret" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("pkcs11://token=t;object=o", "no slashes"),
        ("pkcs11:token=t;object=o;", "%3B"),
        ("pkcs11:t", "token=LABEL"),
        ("pkcs11:token=t;object=a%b", "%25"),
        ("pkcs11:object=a;object=b", "%3B"),
        ("pkcs11:token=t;object=o?pin-source", "pin-source=file:"),
    ],
)
def test_a_uri_with_a_mistake_says_what_to_write(uri: str, hint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_pkcs11_uri(uri)
    assert hint in refused.value.hint
