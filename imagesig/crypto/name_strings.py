"""The strings in distinguished names: whether their characters are those of their ASN.1 type.

`cryptography` writes others, and reads most. Go, and so cosign and notation, cannot read such a certificate.

Spec: RFC 5280 section 4.1.2.4 and appendix A; ITU-T X.680 section 41.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagesig.crypto.certificate import Certificate
from imagesig.encoding import asn1
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.external import external_call
from imagesig.patterns import regex

_RESTRICTED = {
    0x12: ("NumericString", regex(rb"[0-9 ]*")),
    0x13: ("PrintableString", regex(rb"[A-Za-z0-9 '()+,\-./:=?]*")),
    0x16: ("IA5String", regex(rb"[\x00-\x7f]*")),
}
"""By tag, the types whose characters are restricted."""
_TELETEX, _BMP = 0x14, 0x1E
_UTF8_STRING = 0x0C
_LABELS = {
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.46": "dnQualifier",
    "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
}


def check_written_name(name: bytes, what: str) -> None:
    """Returns if every string of a DER name has the characters of its type. Raises `InvalidArgument` if not."""
    if problem := _misfit(name, what):
        raise InvalidArgument(f"{what}: {problem}", hint="write the value with ASCII letters, digits and blanks")


def check_strings(certificate: Certificate, what: str) -> None:
    """Returns if every reader can read the names of a certificate: its subject, its issuer and its extensions.

    Raises:
        InvalidArgument: one cannot be read.
    """
    try:
        _ = certificate.extensions
        names = (("subject", certificate.subject_der), ("issuer", certificate.issuer_der))
        problems = [f"{part}: {problem}" for part, name in names if (problem := _misfit(name, what))]
    except MalformedError as error:
        problems = [str(error)]
    if problems:
        raise InvalidArgument(
            f"{what}: certificate {certificate.fingerprint}, {problems[0]}",
            hint="ask the authority for a certificate that every tool reads",
        )


def _misfit(name: bytes, what: str) -> str:
    """The first string that Go cannot read, for people; empty if there is none."""
    for attribute, tag, value in _strings(name, what):
        if tag == _UTF8_STRING:
            try:
                value.decode("utf-8")
            except UnicodeDecodeError:
                return f"{attribute} is not UTF-8"
            continue
        if tag == _BMP:
            if not _is_bmp(value):
                return f"{attribute} has characters that a BMPString cannot have"
        elif tag in _RESTRICTED:
            kind, characters = _RESTRICTED[tag]
            if not characters.fullmatch(value):
                return f"{attribute} has characters that a {kind} cannot have"
        elif tag != _TELETEX:
            return f"{attribute} is no string of a type that every tool reads (tag {tag:#04x})"
    return ""


def _is_bmp(value: bytes) -> bool:
    """Whether the bytes are characters of two bytes each, without surrogates."""
    try:
        return len(value.decode("utf-16-be")) * 2 == len(value)
    except UnicodeDecodeError:
        return False


def _strings(name: bytes, what: str) -> Iterator[tuple[str, int, bytes]]:
    """Attribute, tag and content of every value of a name."""
    (outer,) = asn1.fields(name, 0, len(name), what)
    for part in asn1.fields(name, outer.content, outer.end, what):
        for pair in asn1.fields(name, part.content, part.end, what):
            kind, value = asn1.fields(name, pair.content, pair.end, what)
            yield _label(name[kind.start : kind.end]), value.tag, name[value.content : value.end]


def _label(oid: bytes) -> str:
    with external_call("name", asn1.unreadable("the type of an attribute")):
        from asn1crypto.core import ObjectIdentifier

        dotted = str(ObjectIdentifier.load(oid).dotted)
    return _LABELS.get(dotted, dotted)
