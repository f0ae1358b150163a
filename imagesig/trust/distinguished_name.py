"""Distinguished names in policies and certificates: pairs of attribute type and value.

Spec: RFC 4514; Notary Project trust-store-trust-policy, "Trusted Identities Constraints".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.effort import Cost, spend
from imagesig.errors import InvalidArgument, NotTrusted
from imagesig.patterns import regex
from imagesig.text import quote

NEEDED = ("C", "ST", "O")
"""The attributes that the Notary Project requires in every identity of a trust policy."""

_TYPES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_ALIASES = {"S": "ST"}
_TYPE = regex(r"[A-Za-z][A-Za-z0-9-]*|(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_ESCAPED = frozenset(' "#+,;<=>\\')
_SPECIAL = frozenset('"+;<>\0')
_HEX_PAIR = regex(r"[0-9A-Fa-f]{2}")


def parse_distinguished_name(text: str, what: str, needed: tuple[str, ...] = ()) -> dict[str, str]:
    """The attributes of `C=US, ST=WA, O=Example`; their order has no meaning. `what` names the text in errors.

    Types are case-sensitive, so `c` is not `C`. `S` means `ST`, and a type may be an OID. Values are text: one in hex
    (`=#`) is refused before anything is parsed (CVE-2023-25656).

    Raises:
        InvalidArgument: not a distinguished name, several values in one part (`+`), a type twice, or a type of `needed`
            is missing.
    """
    if len(text) > limits.DISTINGUISHED_NAME_CHARACTERS:
        raise InvalidArgument(
            f"{what}: {len(text)} characters, at most {limits.DISTINGUISHED_NAME_CHARACTERS} are read"
        )
    if "=#" in text:
        raise InvalidArgument(f"{what}: {quote(text)} has a value in hex (=#), text is needed")
    attributes: dict[str, str] = {}
    for part in _split(text):
        name, equals, value = part.partition("=")
        name = name.strip(" ")
        if not equals or not _TYPE.fullmatch(name):
            raise InvalidArgument(f"{what}: {quote(part)} in {quote(text)}, TYPE=value is needed")
        name = _ALIASES.get(name, name)
        if name in attributes:
            raise InvalidArgument(f"{what}: {quote(text)} has {name} twice, each attribute may occur once")
        attributes[name] = _unescape(value, what)
    if missing := [name for name in needed if not attributes.get(name)]:
        raise InvalidArgument(
            f"{what}: {quote(text)} has no {', '.join(missing)}",
            hint=f"a distinguished name needs {', '.join(needed)}, for example: C=US, ST=WA, O=Example",
        )
    return attributes


def _split(text: str) -> Iterator[str]:
    """The parts between commas without a backslash."""
    start = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == ",":
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]


def _unescape(value: str, what: str) -> str:
    stripped = value.strip(" ")
    if stripped.endswith("\\") and value.endswith(" "):
        stripped += " "  # an escaped space belongs to the value
    found = bytearray()
    position = 0
    while position < len(stripped):
        character = stripped[position]
        position += 1
        if character != "\\":
            if character in _SPECIAL:
                raise InvalidArgument(f"{what}: {character!r} in {quote(value)}, write a backslash before it")
            found += character.encode("utf-8", "surrogatepass")
        elif stripped[position : position + 1] in _ESCAPED and position < len(stripped):
            found += stripped[position].encode()
            position += 1
        elif _HEX_PAIR.fullmatch(stripped[position : position + 2]):
            found.append(int(stripped[position : position + 2], 16))
            position += 2
        else:
            raise InvalidArgument(f"{what}: a backslash in {quote(value)} before a character that needs none")
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument(f"{what}: {quote(value)} is not UTF-8") from None


def subject_of(certificate: Certificate) -> dict[str, str]:
    """The attributes of a certificate's subject, with the same names.

    Raises:
        NotTrusted: an attribute type occurs twice, so no identity can match it.
    """
    attributes: dict[str, str] = {}
    subject = certificate.subject_name
    spend(Cost.NODES, len(subject), "subject of a certificate")
    for attribute in subject:
        oid = attribute.oid.dotted_string
        name = _TYPES.get(oid, oid)
        if name in attributes:
            raise NotTrusted(f"the certificate's subject has {name} twice, so no distinguished name can match it")
        attributes[name] = attribute.value if isinstance(attribute.value, str) else "#" + attribute.value.hex()
    return attributes


def is_part_of(some: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    """Whether every attribute of `some` is in `whole` with the same value."""
    return all(whole.get(name) == value for name, value in some.items())
