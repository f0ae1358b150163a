"""Holders: distinguished names as text and in certificates, and alternative names."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument, NotTrusted
from imagesig.trust import Holder, HolderKind
from imagesig.trust.distinguished_name import NEEDED, parse_distinguished_name, subject_of
from imagesig.trust.holder import describe_holder, overlapping
from tests.chains import SUBJECT, leaf, root


def parsed(text: str) -> dict[str, str]:
    return parse_distinguished_name(text, "identity")


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("C=US, ST=WA, O=Example", {"C": "US", "ST": "WA", "O": "Example"}),
        ("C=US,S=WA,O=Example", {"C": "US", "ST": "WA", "O": "Example"}),
        (" C = US , O = a b ", {"C": "US", "O": "a b"}),
        (r"O=Example\, Inc.", {"O": "Example, Inc."}),
        (r"O=a\\,C=US", {"O": "a\\", "C": "US"}),
        (r"O=\ a\ ", {"O": " a "}),
        (r"O=M\C3\BCller", {"O": "Müller"}),
        ("O=Müller", {"O": "Müller"}),
        ("O=a=b", {"O": "a=b"}),
        ("1.2.840.113549=x", {"1.2.840.113549": "x"}),
        (r"O=\#a", {"O": "#a"}),
        ("CN=", {"CN": ""}),
    ],
)
def test_distinguished_names_are_read_as_rfc_4514_writes_them(text: str, attributes: dict[str, str]) -> None:
    assert parsed(text) == attributes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "C",
        "C=US,",
        ",C=US",
        "C=US,,O=x",
        "C=US+O=x",
        "C=US,C=US",
        "C=US,S=WA,ST=WA",
        "=US",
        "C US",
        "C=US;O=x",
        'O="quoted"',
        "O=a<b",
        "O=a>b",
        "O=nul\0",
        "O=a\\",
        r"O=a\z",
        r"O=\FF",
        "01.2=x",
        "1.2.=x",
        "ÖU=x",
    ],
)
def test_other_text_than_a_distinguished_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parsed(text)


@pytest.mark.parametrize(
    "text", ["C=US,O=#" + "41" * 2000, "C==#04024869", "O=#04", "C=US,ST=WA,O=x,1.2.3=#1f" + "f" * 100_000]
)
def test_cve_2023_25656_a_value_in_hex_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parsed(text)


@pytest.mark.parametrize("text", ["C=US,ST=WA", "C=US,O=x", "ST=WA,O=x", "C=,ST=WA,O=x", "c=US,ST=WA,O=x"])
def test_an_identity_of_a_trust_policy_needs_country_state_and_organisation(text: str) -> None:
    with pytest.raises(InvalidArgument, match="has no"):
        parse_distinguished_name(text, "identity", NEEDED)


@given(
    st.dictionaries(
        st.sampled_from(["C", "ST", "O", "OU", "CN"]), st.text(min_size=1, max_size=100).filter(lambda t: "\0" not in t)
    )
)
def test_any_value_survives_escaping(attributes: dict[str, str]) -> None:
    def escaped(value: str) -> str:
        return "".join(f"\\{byte:02x}" for byte in value.encode("utf-8", "replace"))

    text = ",".join(f"{name}={escaped(value)}" for name, value in attributes.items())
    if attributes:
        assert parsed(text) == {name: value.encode("utf-8", "replace").decode() for name, value in attributes.items()}


def test_the_policys_name_is_part_of_the_certificates() -> None:
    certificate = leaf(root(), f"{SUBJECT},OU=Build,CN=leaf").certificate
    for text, matches in (
        (SUBJECT, True),
        ("O=imagesig, ST=WA, C=US", True),
        ("C=US,ST=WA,O=imagesig,OU=Build", True),
        ("C=US,ST=WA,O=imagesig,OU=Other", False),
        ("C=US,ST=WA,O=Imagesig", False),
        ("C=US,ST=WA,O=imagesig,L=Seattle", False),
        ("C=US,ST=WA,o=imagesig", False),
    ):
        assert Holder(HolderKind.SUBJECT, text).matches(certificate) is matches, text


def test_a_comma_in_a_certificates_value_stays_inside_it() -> None:
    sly = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "evil,C=US,ST=WA,O=imagesig")])
    certificate = leaf(root(), sly).certificate
    assert subject_of(certificate) == {"O": "evil,C=US,ST=WA,O=imagesig"}
    assert not Holder(HolderKind.SUBJECT, SUBJECT).matches(certificate)


def test_a_certificate_with_an_attribute_twice_matches_no_name() -> None:
    certificate = leaf(root(), f"{SUBJECT},OU=a,OU=b").certificate
    with pytest.raises(NotTrusted, match="OU twice"):
        Holder(HolderKind.SUBJECT, SUBJECT).matches(certificate)


def with_names(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(list(names))


def test_alternative_names_must_be_equal_and_of_their_type() -> None:
    names = with_names(
        x509.RFC822Name("Release@acme.example"),
        x509.DNSName("build.acme.example"),
        x509.UniformResourceIdentifier("spiffe://acme.example/ci"),
    )
    certificate = leaf(root(), SUBJECT, (names, False)).certificate
    for text, matches in (
        ("Release@acme.example", True),
        ("Release@ACME.example", True),
        ("release@acme.example", False),
        ("Release@acme.example.evil", False),
        ("build.acme.example", True),
        ("BUILD.acme.example", True),
        ("acme.example", False),
        ("spiffe://acme.example/ci", True),
        ("spiffe://acme.example/CI", False),
        ("spiffe://acme.example/ci/x", False),
    ):
        assert Holder.of(text).matches(certificate) is matches, text
    assert not Holder.of("Release@acme.example").matches(leaf(root()).certificate)
    assert not Holder(HolderKind.DNS, "Release@acme.example").matches(certificate)


def test_a_wildcard_in_a_certificate_matches_only_itself() -> None:
    certificate = leaf(root(), SUBJECT, (with_names(x509.DNSName("*.acme.example")), False)).certificate
    assert not Holder.of("build.acme.example").matches(certificate)
    assert Holder.of("*.acme.example").matches(certificate)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("C=US, O=x", HolderKind.SUBJECT),
        ("x509.subject: C=US, O=x", HolderKind.SUBJECT),
        ("CN=https://a.example", HolderKind.SUBJECT),
        ("emailAddress=a@b.example", HolderKind.SUBJECT),
        ("a@b.example", HolderKind.EMAIL),
        ("b.example", HolderKind.DNS),
        ("https://b.example/x?y=z", HolderKind.URI),
    ],
)
def test_the_kind_of_a_holder_is_recognized_by_its_form(text: str, kind: HolderKind) -> None:
    assert Holder.of(text).kind is kind


@pytest.mark.parametrize("text", ["", "a b", "@", "a@", "*", "x509.subject:", "C=US,,", "a..b"])
def test_text_that_is_not_a_holder_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Holder.of(text)


def test_names_of_which_one_is_part_of_the_other_overlap() -> None:
    whole, part, other = (Holder.of(text) for text in (f"{SUBJECT},OU=a", SUBJECT, f"{SUBJECT},OU=b"))
    assert overlapping((whole, part)) == (part, whole)
    assert overlapping((part, part)) is not None
    assert overlapping((whole, other)) is None


def test_a_holder_is_described_by_the_label_of_its_certificate() -> None:
    certificate = leaf(root()).certificate
    assert describe_holder(certificate) == certificate.label
    assert "leaf" in certificate.label
