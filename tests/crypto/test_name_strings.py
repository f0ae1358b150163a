"""Strings in names: what no other tool reads is neither written nor signed with."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from imagesig.crypto.certification import parse_names
from imagesig.crypto.name_strings import check_strings
from imagesig.errors import InvalidArgument
from imagesig.formats import Bundle, Cosign, Notation
from imagesig.signature import Claim, SignerInfo, Subject
from tests.chains import leaf, root
from tests.interop.tools import Tools
from tests.makers import DIGEST, NAME, NOW

EMAIL, DOMAIN = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25"


@pytest.mark.parametrize(
    ("subject", "attribute"),
    [
        (f"{EMAIL}=m\u00fcller@acme.example", "emailAddress"),
        ("DC=\u00fc,CN=a", "DC"),
        ("DC=caf\u00e9,DC=example", "DC"),
        ("C=U_,CN=a", "C"),
        ("C=@@,CN=a", "C"),
        ("2.5.4.5=no_1", "serialNumber"),
        ("2.5.4.5=caf\u00e9", "serialNumber"),
        ("2.5.4.46=a*b", "dnQualifier"),
        ("CN=a+2.5.4.5=a&b", "serialNumber"),
    ],
)
def test_a_value_outside_its_string_type_is_refused_by_the_attributes_name(subject: str, attribute: str) -> None:
    with pytest.raises(InvalidArgument, match=f": {attribute} has characters that a"):
        parse_names(subject)


@pytest.mark.parametrize(
    "subject",
    [
        f"{EMAIL}=release_1@acme.example",
        "DC=acme_1,DC=example",
        "C=US,ST=\u00dcbersee,O=\u4f8b*&@_,CN=\U0001f600",
        "2.5.4.5=4711-A/B (7)",
        "UID=\u00fc",
    ],
)
def test_a_value_inside_its_string_type_is_written(subject: str) -> None:
    assert parse_names(subject).subject


def odd(kind: _ASN1Type, value: str, oid: x509.ObjectIdentifier = NameOID.COMMON_NAME) -> x509.Name:
    us = x509.NameAttribute(NameOID.COUNTRY_NAME, "US")
    state, company = (
        x509.NameAttribute(item, "x") for item in (NameOID.STATE_OR_PROVINCE_NAME, NameOID.ORGANIZATION_NAME)
    )
    return x509.Name([us, state, company, x509.NameAttribute(oid, value, kind)])


REFUSED = {
    "IA5String": odd(_ASN1Type.IA5String, "m\u00fcller@acme.example", NameOID.EMAIL_ADDRESS),
    "NumericString": odd(_ASN1Type.NumericString, "a1"),
    "VisibleString": odd(_ASN1Type.VisibleString, "a"),
    "UniversalString": odd(_ASN1Type.UniversalString, "a"),
    "BMPString": odd(_ASN1Type.BMPString, "\U0001f600"),
}
READ = {
    "IA5String": odd(_ASN1Type.IA5String, "a_1@acme.example", NameOID.EMAIL_ADDRESS),
    "UTF8String": odd(_ASN1Type.UTF8String, "\u00fc_\u4f8b"),
    "BMPString": odd(_ASN1Type.BMPString, "\u00fc"),
    "T61String": odd(_ASN1Type.T61String, "a"),
}


@pytest.mark.parametrize(
    "form", [Cosign.certified(), Bundle.certified(), Notation()], ids=["cosign", "bundle", "notation"]
)
@pytest.mark.parametrize("name", REFUSED)
def test_a_certificate_with_such_a_string_is_refused_before_it_signs(name: str, form: Cosign) -> None:
    for signer in (leaf(root(), REFUSED[name]), leaf(root(subject=REFUSED[name]))):  # type: ignore[arg-type]
        info = SignerInfo(signer.certificate.public_key, "app.key", chain=signer.chain)
        claim = Claim((Subject(DIGEST, "application/vnd.oci.image.manifest.v1+json", 7),), NAME)
        with pytest.raises(InvalidArgument, match=f"^app.key: .*({name} cannot have|no string of a type)"):
            form.draft(claim, info, NOW, ())


@pytest.mark.parametrize("name", READ)
def test_a_certificate_that_every_tool_reads_is_accepted(name: str) -> None:
    check_strings(leaf(root(), READ[name]).certificate, "app.key")


@pytest.mark.interop
@pytest.mark.parametrize("subject", [*REFUSED.values(), *READ.values()], ids=[*REFUSED, *(f"good-{n}" for n in READ)])
def test_what_is_refused_is_what_cosign_cannot_read(subject: x509.Name, tmp_path: Path) -> None:
    certificate, blob = tmp_path / "c.pem", tmp_path / "blob"
    certificate.write_text(leaf(root(), subject).certificate.pem)
    blob.write_text("AAAA")
    options = ("--certificate", "--certificate-chain", "--signature")
    given = [text for option in options for text in (option, str(blob if option == "--signature" else certificate))]
    identity = ("--certificate-identity", "x", "--certificate-oidc-issuer", "y", "--insecure-ignore-tlog")
    run = Tools(tmp_path).run("cosign3", "verify-blob", *given, *identity, str(blob))
    assert ("invalid RDNSequence" in run.stderr) is any(subject is item for item in REFUSED.values())
