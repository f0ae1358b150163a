"""Generated timestamp tokens: certificates that are for less, attributes that name others, and single changed bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.authorities import CODE_SIGNING, OCSP_SIGNING, TIME_STAMPING, Authority, Issued, name, point, rsa_key
from tests.timestamps import MESSAGE, ess, token, tst_info

ROOT = Authority("timestamp root")
BETWEEN = ROOT.intermediate("timestamp authority")
TSA = BETWEEN.tsa()
Items = list[tuple[x509.ExtensionType, bool]]


def unknown(oid: str, value: bytes = b"\x05\x00") -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def policies(oid: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])


VALUES: list[x509.ExtensionType] = [
    x509.SubjectAlternativeName([x509.DNSName("tsa.example")]),
    x509.SubjectAlternativeName([x509.DNSName("tsa.other"), x509.RFC822Name("a@b.example")]),
    x509.IssuerAlternativeName([x509.DNSName("ca.example")]),
    x509.NameConstraints([x509.DNSName("example")], None),
    x509.NameConstraints(None, [x509.DNSName("example")]),
    x509.NameConstraints([x509.DirectoryName(name("elsewhere"))], None),
    x509.NameConstraints(None, [x509.RFC822Name("b.example")]),
    x509.PolicyConstraints(0, None),
    x509.PolicyConstraints(1, 0),
    x509.InhibitAnyPolicy(0),
    policies("1.2.3"),
    policies("2.5.29.32.0"),
    x509.FreshestCRL([point("http://a.example")]),
    x509.CRLDistributionPoints([point("http://a.example")]),
    x509.SubjectKeyIdentifier(b"key"),
    unknown("1.2.3.4"),
    unknown("2.5.29.16", b"\x30\x00"),
    unknown("1.3.6.1.5.5.7.48.1.5"),
]
PURPOSES: list[tuple[x509.ObjectIdentifier, ...] | None] = [
    *(None, None, TIME_STAMPING, CODE_SIGNING, OCSP_SIGNING),
    *((ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), (*TIME_STAMPING, *CODE_SIGNING), (x509.ObjectIdentifier("1.2"),)),
]
USES = [("key_cert_sign", "crl_sign"), ("key_cert_sign",), ("digital_signature",), None]


def extras(random: Random) -> tuple[x509.Extension[Any], ...]:
    found = {value.oid: value for value in random.sample(VALUES, random.choice([0, 0, 1, 1, 2]))}
    return tuple(x509.Extension(value.oid, random.random() < 0.5, value) for value in found.values())


def certified(random: Random) -> tuple[bytes, list[Authority]]:
    """A token by a service whose authorities, up to two and a root, have odd profiles."""
    root = Authority("root", **authority(random)) if random.random() < 0.3 else ROOT
    chain = [root]
    for number in range(random.randrange(3)):
        chain.append(chain[-1].intermediate(f"between {number}", **authority(random)))
    purposes = random.choice(PURPOSES[2:]) if random.random() < 0.1 else TIME_STAMPING
    leaf = chain[-1].tsa(extra=extras(random), purposes=purposes, purposes_critical=random.random() < 0.95)
    return by(leaf, *chain[1:]), [root]


def authority(random: Random) -> dict[str, Any]:
    return {
        "extra": extras(random),
        "purposes": random.choice(PURPOSES) if random.random() < 0.4 else None,
        "purposes_critical": random.random() < 0.5,
        "uses": random.choice(USES) if random.random() < 0.2 else USES[0],
        "path_length": random.choice([None, None, 0, 1]),
    }


def by(signer: Issued, *between: Authority, **options: Any) -> bytes:
    return token(signer, brought=[signer.der, *(item.certificate.der for item in between)], **options)


def whole() -> list[bytes]:
    """Tokens that are right, in different forms."""
    content = tst_info(nonce=5, accuracy={"seconds": 1, "millis": 2}, ordering=True)
    return [
        by(TSA, BETWEEN),
        by(ROOT.tsa(key=rsa_key()), pss=True),
        by(TSA, BETWEEN, content=content, named=ess(TSA, issuer_serial=True), hash="sha384"),
    ]


def changed(random: Random, tokens: list[bytes]) -> bytes:
    """One of the tokens with another byte."""
    data = bytearray(random.choice(tokens))
    place = random.randrange(len(data))
    data[place] ^= random.choice([1, 0x20, 0x80, random.randrange(1, 256)])
    return bytes(data)


def questions(random: Random, certificates: int, changes: int) -> Iterator[tuple[bytes, list[Authority]]]:
    tokens = whole()
    yield from ((item, [ROOT]) for item in tokens)
    for _ in range(certificates):
        yield certified(random)
    for _ in range(changes):
        yield changed(random, tokens), [ROOT]


def as_document(encoded: bytes, roots: Iterable[Authority]) -> bytes:
    """One question for the Go reader `timestamp`, as JSON."""
    listed = [base64.b64encode(root.certificate.der).decode() for root in roots]
    question = {"token": base64.b64encode(encoded).decode(), "message": base64.b64encode(MESSAGE).decode()}
    return json.dumps({**question, "roots": listed}).encode()
