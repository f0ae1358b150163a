"""Untrusted certificates: errors are ours, at the time of parsing or later."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig import limits
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate, parse_certificates, pem_blocks
from imagesig.errors import ImagesigError, LimitExceeded, MalformedError
from imagesig.trust.chain import paths_to_authorities
from imagesig.trust.profile import check_code_signing_chain
from tests.chains import SUBJECT, certified, issue, leaf, pem, root, trusting
from tests.makers import NOW

_VERSION_3 = b"\xa0\x03\x02\x01\x02"


def test_a_certificate_of_an_unknown_version_is_malformed() -> None:
    der = certified().certificate.der
    with pytest.raises(MalformedError):
        Certificate.from_der(der.replace(_VERSION_3, b"\xa0\x03\x02\x01\x03", 1))


def test_a_certificate_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(LimitExceeded):
        Certificate.from_der(b"\x30" * (limits.CERTIFICATE_BYTES + 1))


@pytest.mark.parametrize("change", [lambda der: der + b"\x00", lambda der: der[:-1], lambda der: b"", lambda der: b"x"])
def test_other_bytes_than_a_certificate_are_malformed(change: object) -> None:
    assert callable(change)
    with pytest.raises(MalformedError):
        Certificate.from_der(change(certified().certificate.der))


def test_a_certificate_whose_subject_cannot_be_read_is_malformed() -> None:
    # A bit string may only be a unique identifier, says the library, once the name is asked for.
    der = certified().certificate.der.replace(b"\x0c\x08imagesig", b"\x03\x08\x00magesig")
    with pytest.raises(MalformedError):
        Certificate.from_der(der)


def test_pem_is_read_in_its_order() -> None:
    chain = certified().chain
    assert parse_certificates(("text\n" + pem(chain)).encode(), "chain") == chain
    with pytest.raises(MalformedError):
        parse_certificates(pem(chain).replace("MII", "MIJ", 1).encode(), "chain")


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of odd serial numbers and lengths
@settings(max_examples=200, deadline=None)
@given(number=st.integers(0, 2), data=st.data())
def test_no_byte_of_a_certificate_raises_anything_foreign(number: int, data: st.DataObject) -> None:
    chain = list(certified().chain)
    der = bytearray(chain[number].der)
    der[data.draw(st.integers(0, len(der) - 1))] ^= data.draw(st.integers(1, 255))
    trusted = trusting(chain[-1], holders=["C=US,ST=WA,O=imagesig", "a@b.example"]).authorities
    try:
        chain[number] = Certificate.from_der(bytes(der))
        assert chain[number].subject
        paths_to_authorities(chain[0], chain[1:], trusted, NOW)
        check_code_signing_chain(tuple(chain))
    except ImagesigError:
        return


def test_a_signature_with_unused_bits_is_refused() -> None:
    """They are zero by chance in one signature of two, and then two encodings would be one certificate."""
    good = certified().certificate
    changed = bytearray(good.der)
    changed[-len(good.x509.signature) - 1] = 1
    with pytest.raises(MalformedError):
        Certificate.from_der(bytes(changed))


@pytest.mark.parametrize(
    ("used", "is_weak"),
    [("SHA224", True), ("SHA3_256", True), ("SHA256", False), ("SHA384", False), ("SHA512", False)],
)
def test_only_the_sha_2_hashes_from_256_bits_on_are_strong(used: str, is_weak: bool) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "imagesig")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW)
    made = builder.sign(key, getattr(hashes, used)()).public_bytes(Encoding.DER)

    assert Certificate.from_der(made).has_weak_signature is is_weak


def with_algorithm(changes: dict[str, Any]) -> Certificate:
    """A certificate by an RSA key that says it is signed by another algorithm."""
    from asn1crypto.x509 import Certificate as Parsed

    parsed = Parsed.load(leaf(root()).certificate.der)
    for algorithm in (parsed["tbs_certificate"]["signature"], parsed["signature_algorithm"]):
        for name, value in changes.items():
            algorithm[name] = value
    return Certificate.from_der(parsed.dump(force=True))


def test_a_signature_algorithm_that_cannot_be_read_is_a_weak_one() -> None:
    from asn1crypto.algos import RSASSAPSSParams

    mask = RSASSAPSSParams({"mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "md2"}}})
    for changes in ({"algorithm": "rsassa_pss", "parameters": mask}, {"algorithm": "1.2.3.4"}):
        found = with_algorithm(changes)
        assert found.signature_hash in ("", "sha1")
        assert found.has_weak_signature


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\nAAAA",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAA-A\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAAAA====\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAA==AAAA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    ],
)
def test_a_block_that_does_not_end_or_is_no_base64_is_no_certificate(text: str) -> None:
    with pytest.raises(MalformedError, match="not certificates in PEM"):
        pem_blocks(text.encode(), "x")


def test_a_file_larger_than_any_of_certificates_is_refused_unread() -> None:
    size = limits.CERTIFICATE_FILE_BYTES + 1
    for data in (b"x" * size, b"-----BEGIN CERTIFICATE-----".ljust(size)):
        with pytest.raises(LimitExceeded, match=f"{size} bytes, at most"):
            parse_certificates(data, "file")


def test_blocks_are_counted_before_they_are_read() -> None:
    text = pem(certified().chain).encode()
    assert pem_blocks(text, "x", 3) == tuple(item.der for item in certified().chain)
    with pytest.raises(LimitExceeded, match="3 certificates, at most 2"):
        pem_blocks(text, "x", 2)


def test_a_certificate_without_a_subject_is_called_by_its_fingerprint() -> None:
    nameless = leaf(root(), x509.Name([])).certificate
    assert (nameless.subject, nameless.label) == ("", nameless.fingerprint)
    assert leaf(root(), SUBJECT).certificate.label == f"'{leaf(root(), SUBJECT).certificate.subject}'"


def test_a_signature_without_a_hash_of_its_own_is_not_weak() -> None:
    from tests.makers import private_key

    signer = issue(None, private_key(KeyType.ED25519), SUBJECT)
    assert (signer.certificate.signature_hash, signer.certificate.has_weak_signature) == ("sha512", False)
    assert signer.certificate.is_self_signed
