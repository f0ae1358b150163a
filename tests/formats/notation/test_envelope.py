"""The signed attributes of an envelope, as they are written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagesig.formats.notation.envelope import (
    AUTHENTIC_SIGNING_TIME,
    EXPIRY_ATTRIBUTE,
    SIGNING_AUTHORITY,
    SIGNING_SCHEME,
    SIGNING_TIME,
    X509,
    SignedAttributes,
)
from tests.makers import NOW

LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("attributes", "critical"),
    [
        (SignedAttributes(X509, NOW), (SIGNING_SCHEME,)),
        (SignedAttributes(X509, NOW, LATER), (SIGNING_SCHEME, EXPIRY_ATTRIBUTE)),
        (SignedAttributes(SIGNING_AUTHORITY, NOW), (SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME)),
        (
            SignedAttributes(SIGNING_AUTHORITY, NOW, LATER),
            (SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME, EXPIRY_ATTRIBUTE),
        ),
    ],
)
def test_the_scheme_an_authentic_time_and_an_expiry_are_critical(
    attributes: SignedAttributes, critical: tuple[str, ...]
) -> None:
    assert attributes.critical == critical


@pytest.mark.parametrize(("scheme", "name"), [(X509, SIGNING_TIME), (SIGNING_AUTHORITY, AUTHENTIC_SIGNING_TIME)])
def test_the_scheme_decides_the_name_of_the_time(scheme: str, name: str) -> None:
    assert dict(SignedAttributes(scheme, NOW, LATER).items()) == {
        SIGNING_SCHEME: scheme,
        name: NOW,
        EXPIRY_ATTRIBUTE: LATER,
    }
