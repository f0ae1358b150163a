"""Names as people type them for certificates."""

from __future__ import annotations

import pytest
from cryptography import x509

from imagesig.crypto.algorithms import RSA_PSS_SHA256
from imagesig.crypto.certification import certificate_to_sign, parse_names
from imagesig.errors import InvalidArgument, UnsupportedAlgorithm
from tests.makers import NOW, private_key


@pytest.mark.parametrize(
    "text", ["CN=release", "C=US,ST=WA,O=Acme,CN=release", r"O=Acme\, Inc.,CN=a\+b", "CN=ü", "CN=a+OU=b", r"CN=\#1"]
)
def test_a_distinguished_name_comes_back_as_it_was_typed(text: str) -> None:
    assert parse_names(text).subject == x509.Name.from_rfc4514_string(text).public_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "release",
        "CN=",
        "CN=a,",
        ",CN=a",
        "C=US, CN=a",
        "CN = a",
        "CN=a;O=b",
        "cn=a",
        "X=a",
        "emailAddress=a@b",
        "CN=#0c0141",
        "C=USA",
        "CN=a\\",
        "CN=a\0b",
        "CN=" + "a" * 65,
        "CN=a," * 2000,
        "/C=US/CN=a",
    ],
)
def test_a_name_against_rfc_4514_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_names(text)


def test_alternative_names_are_of_three_kinds() -> None:
    given = ["email:release@acme.example", "dns:ci.acme.example", "uri:spiffe://acme.example/release"]
    assert [f"{kind}:{value}" for kind, value in parse_names("CN=a", given).alternatives] == given


@pytest.mark.parametrize(
    "text",
    [
        *("", "email", "email:", "email:a", "email:a@", "email:a@b@c", "email:ü@b", "email:a@b\n", "ip:127.0.0.1"),
        *("dns:a b", "dns:-a", "dns:a..b", "dns:*", "dns:a\n", "uri:no-scheme", "uri:https://a b", "uri:https://a\n"),
    ],
)
def test_an_alternative_name_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_names("CN=a", [text])


def test_certificates_are_not_signed_with_rsa_pss() -> None:
    names, key = parse_names("CN=a"), private_key().public_key
    with pytest.raises(UnsupportedAlgorithm):
        certificate_to_sign(names, key, RSA_PSS_SHA256, serial_number=1, not_before=NOW, not_after=NOW)
