"""The certificates of a timestamp service, on their own: what a token's signature does not check before."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from imagesig.errors import TimestampInvalid
from imagesig.trust.timestamp_profile import timestamp_chain
from tests.authorities import Authority, rsa_key
from tests.makers import NOW

ROOT = Authority("timestamp root")
_OID = x509.ObjectIdentifier("2.5.29.31")
UNREADABLE = x509.Extension(_OID, False, x509.UnrecognizedExtension(_OID, b"\x30\x03"))


def refused(reason: str, **profile: Any) -> None:
    with pytest.raises(TimestampInvalid, match=reason):
        timestamp_chain(ROOT.tsa(**profile).certificate, (), (ROOT.certificate,), NOW)


def test_a_good_certificate_leads_to_its_root() -> None:
    leaf = ROOT.tsa().certificate
    assert timestamp_chain(leaf, (), (ROOT.certificate,), NOW) == (leaf, ROOT.certificate)


@pytest.mark.parametrize(
    ("key", "reason"), [(ec.generate_private_key(ec.SECP256K1()), "secp256k1"), (rsa_key(1024), "1024 bits")]
)
def test_a_key_that_is_not_supported_makes_the_timestamp_invalid(key: Any, reason: str) -> None:
    refused(reason, key=key)


def test_an_extension_that_cannot_be_read_makes_the_timestamp_invalid() -> None:
    refused("cannot be read", extra=(UNREADABLE,))
