"""Trusted authorities: made from PEM, with their holders."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.trust import CertificateAuthority, Holder, Role
from tests.chains import intermediate, pem, root

TOP = root()


def test_an_authority_is_made_from_pem_or_der_with_its_holders() -> None:
    chain = (intermediate(TOP).certificate, TOP.certificate)
    made = CertificateAuthority.from_pem("acme", pem(chain).encode(), ["ci@acme.example"], Role.SIGNING_AUTHORITY)
    assert made == CertificateAuthority("acme", chain, (Holder.of("ci@acme.example"),), Role.SIGNING_AUTHORITY)
    assert CertificateAuthority.from_pem("acme", TOP.certificate.der) == CertificateAuthority("acme", chain[1:])


@pytest.mark.parametrize("data", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_an_authority_of_other_bytes_is_refused_with_what_is_needed(data: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        CertificateAuthority.from_pem("acme", data)
    assert refused.value.hint == "give certificates in PEM"
