"""Timestamp tokens: a TSTInfo in CMS. Nothing of it is used before its signature is verified.

Real services send BER with unsorted sets, so this module reads BER. Spec: RFC 3161 section 2.4.2, RFC 5652 section 5,
RFC 5816 (ESSCertIDv2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import Hash
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.x509_signature import verify_by_identifier
from imagesig.encoding import asn1
from imagesig.errors import BudgetExceeded, MalformedError, SignatureInvalid, TimestampInvalid, UnsupportedAlgorithm
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.text import quote

_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE, _SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
_NAMING = {_SIGNING_CERTIFICATE_V2: "signingCertificateV2", _SIGNING_CERTIFICATE: "signingCertificate"}
"""The attributes that name certificates. The older one, with SHA-1, may be there too, and must say the same."""
_TIME = regex(rb"[0-9]{14}(?:\.[0-9]*[1-9])?Z")
"""The form of RFC 3161: no zeros at the end of a fraction. Readers disagree about other forms of X.680."""


class TimestampToken(Struct, frozen=True):
    """A token with a valid signature. Trust in the signer has not been checked.

    `accuracy` is None if the service states none; `policy` is a dotted object identifier. `named` are the certificates
    besides the signer's that its signed attributes name, by hash and digest: the signer's chain must have them.
    """

    signer: Certificate
    certificates: tuple[Certificate, ...]
    hash: Hash
    imprint: bytes
    generated: datetime
    accuracy: timedelta | None
    policy: str
    nonce: int | None
    named: tuple[tuple[str, bytes], ...] = ()


def open_token(token: bytes, known: Sequence[Certificate] = ()) -> TimestampToken:
    """The token in a ContentInfo, with a verified signature.

    The signer's certificate is in the token or, for services that send none, in `known`.

    Raises:
        TimestampInvalid: malformed, against the profile, or with a wrong signature.
    """
    if len(token) > limits.TIMESTAMP_BYTES:
        raise TimestampInvalid(f"timestamp: {len(token)} bytes, at most {limits.TIMESTAMP_BYTES} are read")
    _count(token, "a CMS signature by one signer")
    with external_call("timestamp", lambda error: TimestampInvalid("timestamp: not a CMS signature by one signer")):
        signed = _signed_data(token)
        content = bytes(signed["encap_content_info"]["content"])
        (info,) = signed["signer_infos"]
        certificates = _certificates(signed)
        digest_hash = _hash(info["digest_algorithm"])
        if digest_hash.value not in [item["algorithm"].native for item in signed["digest_algorithms"]]:
            raise TimestampInvalid(f"timestamp: its hash {digest_hash.value} is not among its digestAlgorithms")
        attributes = _Attributes(info["signed_attrs"])
        signer = _signer(info, attributes, digest_hash, (*certificates, *known))
        attributes.check_content(content, digest_hash)
        named = tuple(attributes.others_named(signer))
    _count(content, "a TSTInfo")
    with external_call("timestamp", lambda error: TimestampInvalid("timestamp: what was signed is not a TSTInfo")):
        return replace(_read_info(content, signer, certificates), named=named)


def _count(data: bytes, kind: str) -> None:
    try:
        asn1.check(data, "timestamp")
    except BudgetExceeded:
        raise
    except MalformedError as error:
        raise TimestampInvalid(f"timestamp: not {kind} ({error})") from error


def _signed_data(token: bytes) -> Any:
    import asn1crypto.tsp  # noqa: F401 - teaches `cms` the attribute signingCertificateV2
    from asn1crypto.cms import ContentInfo

    outer = ContentInfo.load(token, strict=True)
    if outer["content_type"].native != "signed_data":
        raise TimestampInvalid(f"timestamp: CMS content {quote(outer['content_type'].native)}, signed data is needed")
    signed = outer["content"]
    content_type = signed["encap_content_info"]["content_type"].dotted
    if signed["version"].native != "v3" or content_type != _TST_INFO:
        raise TimestampInvalid(
            f"timestamp: signed data {signed['version'].native} of type {quote(content_type)}, v3 of TSTInfo is needed"
        )
    if len(signed["signer_infos"]) != 1:
        raise TimestampInvalid(f"timestamp: {len(signed['signer_infos'])} signers, exactly one is needed")
    if signed["signer_infos"][0]["version"].native != "v1":
        raise TimestampInvalid("timestamp: its signer is not named by issuer and serial number")
    return signed


def _certificates(signed: Any) -> tuple[Certificate, ...]:
    """The readable certificates in the token. They are not signed, so anyone can add some."""
    choices = [item for item in signed["certificates"] if item.name == "certificate"] if signed["certificates"] else []
    if len(choices) > limits.TIMESTAMP_CERTIFICATES:
        raise TimestampInvalid(
            f"timestamp: {len(choices)} certificates, at most {limits.TIMESTAMP_CERTIFICATES} are read"
        )
    found = []
    for item in choices:
        try:
            found.append(Certificate.from_der(item.chosen.dump(), "certificate of a timestamp"))
        except BudgetExceeded:
            raise
        except MalformedError:
            continue
    return tuple(dict.fromkeys(found))


def _signer(info: Any, attributes: _Attributes, used: Hash, candidates: Sequence[Certificate]) -> Certificate:
    """The certificate that the signer info names and whose key made the signature."""
    wanted = info["sid"].chosen
    algorithm, signature = info["signature_algorithm"].dump(), info["signature"].native
    problem = "its signer's certificate is missing"
    for certificate in dict.fromkeys(candidates):
        if certificate.serial_number != wanted["serial_number"].native:
            continue
        if not _is_issuer(wanted["issuer"], certificate):
            continue
        for message in attributes.signed_forms:
            try:
                verify_by_identifier(certificate.issuing_key, algorithm, signature, message, used)
            except BudgetExceeded:
                raise
            except (SignatureInvalid, UnsupportedAlgorithm, MalformedError) as error:
                problem = f"its signature by {certificate.label}: {error}"
            else:
                return certificate
    raise TimestampInvalid(f"timestamp: {problem}")


class _Attributes:
    """The signed attributes, each at most once and with one value."""

    def __init__(self, attributes: Any) -> None:
        if not attributes:
            raise TimestampInvalid("timestamp: it has no signed attributes")
        self._values: dict[str, Any] = {}
        self._pieces = [item.dump() for item in attributes]
        for item in attributes:
            name = item["type"].dotted
            if name in self._values or len(item["values"]) != 1:
                raise TimestampInvalid(f"timestamp: signed attribute {quote(name)} has not exactly one value")
            self._values[name] = item["values"][0]

    @property
    def signed_forms(self) -> list[bytes]:
        """The SET OF that was signed: sorted as in DER, or in the received order, which some services sign."""
        return list(dict.fromkeys(_set_of(pieces) for pieces in (sorted(self._pieces), self._pieces)))

    def check_content(self, content: bytes, used: Hash) -> None:
        if self._value(_CONTENT_TYPE, "content-type").dotted != _TST_INFO:
            raise TimestampInvalid("timestamp: its signed content type is not TSTInfo")
        if self._value(_MESSAGE_DIGEST, "message-digest").native != used.digest(content):
            raise TimestampInvalid("timestamp: its content is not what was signed")

    def others_named(self, signer: Certificate) -> Iterator[tuple[str, bytes]]:
        """The hash and digest of each certificate that is named after the signer's, which must be the first.

        RFC 5035, RFC 5816: the attributes name certificates, so that no other one of the same key can replace them.
        """
        self._value(_SIGNING_CERTIFICATE_V2, _NAMING[_SIGNING_CERTIFICATE_V2])
        for attribute, title in _NAMING.items():
            if attribute not in self._values:
                continue
            listed = [(_named_with(item, attribute), item) for item in self._values[attribute]["certs"]]
            _check_named(*listed[0], signer, title)
            yield from ((hash_name, item["cert_hash"].native) for hash_name, item in listed[1:])

    def _value(self, name: str, title: str) -> Any:
        if name not in self._values:
            raise TimestampInvalid(f"timestamp: the signed attribute {title} is missing")
        return self._values[name]


def _named_with(named: Any, attribute: str) -> str:
    """The hash of an ESSCertIDv2, or of an ESSCertID of the older attribute."""
    return "sha1" if attribute == _SIGNING_CERTIFICATE else _hash(named["hash_algorithm"]).value


def _check_named(hash_name: str, named: Any, signer: Certificate, title: str) -> None:
    """Returns if an ESSCertID or ESSCertIDv2 names this certificate."""
    if named["cert_hash"].native != hashlib.new(hash_name, signer.der).digest():
        raise TimestampInvalid(f"timestamp: {title} does not name {signer.label}")
    issuer_serial = named["issuer_serial"]
    if not issuer_serial:
        return
    issuers = [item.chosen for item in issuer_serial["issuer"] if item.name == "directory_name"]
    if (
        issuer_serial["serial_number"].native != signer.serial_number
        or len(issuers) != 1
        or not _is_issuer(issuers[0], signer)
    ):
        raise TimestampInvalid(f"timestamp: {title} names another issuer than that of {signer.label}")


def _is_issuer(name: Any, certificate: Certificate) -> bool:
    """Whether the certificate's issuer has this name, however its strings are encoded."""
    from asn1crypto.x509 import Name

    encoded = name.dump()
    if encoded == certificate.issuer_der:
        return True
    if max(len(encoded), len(certificate.issuer_der)) > limits.DISTINGUISHED_NAME_CHARACTERS:
        return False
    return bool(Name.load(certificate.issuer_der, strict=True) == name)  # slow, but rarely needed


def _set_of(pieces: Sequence[bytes]) -> bytes:
    from asn1crypto.parser import emit

    encoded: bytes = emit(0, 1, 17, b"".join(pieces))
    return encoded


def _hash(algorithm: Any) -> Hash:
    name = algorithm["algorithm"].native
    try:
        return Hash(name)
    except ValueError:
        raise TimestampInvalid(f"timestamp: hash {quote(name)}, SHA-256, SHA-384 or SHA-512 is needed") from None


def _read_info(content: bytes, signer: Certificate, certificates: tuple[Certificate, ...]) -> TimestampToken:
    from asn1crypto.tsp import TSTInfo

    info = TSTInfo.load(content, strict=True)
    if info["version"].native != "v1":
        raise TimestampInvalid(f"timestamp: TSTInfo {quote(info['version'].native)}, v1 is needed")
    for item in info["extensions"] or ():
        if item["critical"].native:
            raise TimestampInvalid(f"timestamp: critical extension {quote(item['extn_id'].dotted)} is not understood")
    if not _TIME.fullmatch(info["gen_time"].contents):
        raise TimestampInvalid(
            "timestamp: its time is not YYYYMMDDhhmmss[.fraction]Z, without zeros at the end of a fraction"
        )
    generated = info["gen_time"].native
    if not isinstance(generated, datetime):
        raise TimestampInvalid("timestamp: its time has the year 0")
    return TimestampToken(
        signer,
        certificates,
        _hash(info["message_imprint"]["hash_algorithm"]),
        info["message_imprint"]["hashed_message"].native,
        generated.astimezone(UTC),
        _accuracy(info["accuracy"]),
        info["policy"].dotted,
        info["nonce"].native,
    )


def _accuracy(stated: Any) -> timedelta | None:
    if not stated:
        return None
    seconds, millis, micros = (stated[name].native or 0 for name in ("seconds", "millis", "micros"))
    if seconds < 0 or not 0 <= millis < 1000 or not 0 <= micros < 1000:
        raise TimestampInvalid("timestamp: its accuracy is not a time span")
    return timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)
