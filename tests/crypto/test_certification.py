"""Names as people type them for certificates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509

from imagesig.crypto.algorithms import ECDSA_SHA256, RSA_PSS_SHA256, ToSign
from imagesig.crypto.certification import (
    certificate_pem,
    certificate_to_sign,
    parse_names,
    request_pem,
    request_to_sign,
)
from imagesig.errors import InvalidArgument, UnsupportedAlgorithm
from tests.chains import CODE_SIGNING, key_usage
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
        *("uri:https://a/" + "x" * 4096, "email:a@" + "b." * 2048 + "b"),
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


@pytest.mark.parametrize("year", [2049, 2050])
def test_a_certificate_says_who_signs_code_and_until_when(year: int) -> None:
    key = private_key()
    names = parse_names("CN=release", ["email:release@acme.example"])
    until = datetime(year, 12, 31, tzinfo=UTC)
    signed = certificate_to_sign(names, key.public_key, ECDSA_SHA256, serial_number=7, not_before=NOW, not_after=until)
    made = x509.load_pem_x509_certificate(
        certificate_pem(signed, ECDSA_SHA256, key.sign(ToSign(signed, ECDSA_SHA256))).encode()
    )
    assert (made.subject.rfc4514_string(), made.serial_number, made.not_valid_after_utc) == ("CN=release", 7, until)
    found = {type(item.value): item for item in made.extensions}
    assert {kind.__name__ for kind, item in found.items() if item.critical} == {"BasicConstraints", "KeyUsage"}
    assert found[x509.BasicConstraints].value == x509.BasicConstraints(ca=False, path_length=None)
    assert found[x509.KeyUsage].value == key_usage("digital_signature")
    assert list(found[x509.ExtendedKeyUsage].value) == [CODE_SIGNING]
    assert list(found[x509.SubjectAlternativeName].value) == [x509.RFC822Name("release@acme.example")]
    # RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
    assert (f"{year % 100}1231000000Z".encode() in signed, f"{year}1231000000Z".encode() in signed) == (
        True,
        year >= 2050,
    )


def test_a_request_asks_for_what_the_certificate_shall_say() -> None:
    key = private_key()
    signed = request_to_sign(parse_names("CN=release", ["dns:ci.acme.example"]), key.public_key)
    pem = request_pem(signed, ECDSA_SHA256, key.sign(ToSign(signed, ECDSA_SHA256)))
    assert pem.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert pem.endswith("\n-----END CERTIFICATE REQUEST-----\n")
    assert max(map(len, pem.splitlines()[1:-1])) == 64
    made = x509.load_pem_x509_csr(pem.encode())
    assert made.is_signature_valid
    assert made.subject.rfc4514_string() == "CN=release"
    assert {item.oid for item in made.extensions if item.critical} == {x509.BasicConstraints.oid, x509.KeyUsage.oid}
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("ci.acme.example")]
