"""Encodes certificate signing requests and self-signed certificates: the bytes to sign, and the signed result.

Spec: RFC 2986 (PKCS #10), RFC 5280 (X.509). The profile is a Notary Project code-signing leaf.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from imagesig.crypto.algorithms import Algorithm, Scheme
from imagesig.crypto.name_strings import check_written_name
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, UnsupportedAlgorithm
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.text import quote

if TYPE_CHECKING:
    from asn1crypto import core

_NAME_CHARACTERS = 4096
_HEXADECIMAL = regex(r"(?:^|[,+])[^=,+]*=#")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LABELS = rf"{_LABEL}(?:\.{_LABEL})*"
_DNS = regex(rf"(?:\*\.)?{_LABELS}")
_EMAIL = regex(rf"[!-?A-~]+@{_LABELS}")
_URI = regex(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")


class Names(Struct, frozen=True):
    """The names of a certificate's holder: a distinguished name in DER, and alternative names as (kind, value).

    Kinds are `email`, `dns` and `uri`.
    """

    subject: bytes
    alternatives: tuple[tuple[str, str], ...] = ()


def parse_names(subject: str, alternatives: Sequence[str] = ()) -> Names:
    """Parses a distinguished name (RFC 4514), and alternative names `email:…`, `dns:…` or `uri:…`.

    Strict: no spaces around separators, only known attributes or dotted identifiers. As in the RFC, the first attribute
    of the text is the last one in the certificate.

    Raises:
        InvalidArgument: a name in another form.
    """
    given = (alternatives,) if isinstance(alternatives, str) else alternatives
    return Names(_parse_subject(subject), tuple(_parse_alternative(item) for item in given))


def _parse_subject(text: str) -> bytes:
    from cryptography import x509

    hint = "write it as C=US,O=Acme,CN=release: no spaces around commas, special characters with a backslash"
    if not text or len(text) > _NAME_CHARACTERS:
        raise InvalidArgument(f"subject: {len(text)} characters, 1 to {_NAME_CHARACTERS} are needed", hint=hint)
    if _HEXADECIMAL.search(text):
        raise InvalidArgument(f"subject {quote(text)}: a value in hexadecimal, text is needed", hint=hint)
    try:
        name = x509.Name.from_rfc4514_string(text).public_bytes()
    except (ValueError, TypeError) as error:
        detail = f" ({error})" if str(error) else ""
        raise InvalidArgument(f"subject {quote(text)}: not a distinguished name{detail}", hint=hint) from error
    check_written_name(name, f"subject {quote(text)}")
    return name


def _parse_alternative(text: str) -> tuple[str, str]:
    kind, _, value = text.partition(":")
    pattern = {"email": _EMAIL, "dns": _DNS, "uri": _URI}.get(kind)
    if pattern is None or len(value) > _NAME_CHARACTERS or not pattern.fullmatch(value):
        raise InvalidArgument(
            f"alternative name {quote(text)}: email:NAME@HOST, dns:HOST or uri:SCHEME:… is needed, in ASCII"
        )
    return kind, value


def request_to_sign(names: Names, public_key: PublicKey) -> bytes:
    """The CertificationRequestInfo in DER, with the names and the extensions of a code-signing leaf."""
    with external_call("certificate signing request"):
        from asn1crypto import csr

        attribute = {"type": "extension_request", "values": [_extensions(names)]}
        return _der(
            csr.CertificationRequestInfo(
                {
                    "version": "v1",
                    "subject": _name(names.subject),
                    "subject_pk_info": _public_key(public_key),
                    "attributes": [attribute],
                }
            )
        )


def request_pem(signed: bytes, algorithm: Algorithm, signature: bytes) -> str:
    """The certificate signing request in PEM, from the result of `request_to_sign` and its signature."""
    with external_call("certificate signing request"):
        from asn1crypto import csr

        request = {
            "certification_request_info": csr.CertificationRequestInfo.load(signed),
            "signature_algorithm": _algorithm(algorithm),
            "signature": signature,
        }
        return _pem("CERTIFICATE REQUEST", _der(csr.CertificationRequest(request)))


def certificate_to_sign(
    names: Names,
    public_key: PublicKey,
    algorithm: Algorithm,
    *,
    serial_number: int,
    not_before: datetime,
    not_after: datetime,
) -> bytes:
    """The TBSCertificate in DER of a self-signed code-signing leaf. Times have an offset from UTC."""
    with external_call("certificate"):
        from asn1crypto import x509

        subject = _name(names.subject)
        return _der(
            x509.TbsCertificate(
                {
                    "version": "v3",
                    "serial_number": serial_number,
                    "signature": _algorithm(algorithm),
                    "issuer": subject,
                    "validity": {"not_before": _time(not_before), "not_after": _time(not_after)},
                    "subject": subject,
                    "subject_public_key_info": _public_key(public_key),
                    "extensions": _extensions(names),
                }
            )
        )


def certificate_pem(signed: bytes, algorithm: Algorithm, signature: bytes) -> str:
    """The certificate in PEM, from the result of `certificate_to_sign` and its signature."""
    with external_call("certificate"):
        from asn1crypto import x509

        certificate = {
            "tbs_certificate": x509.TbsCertificate.load(signed),
            "signature_algorithm": _algorithm(algorithm),
            "signature_value": signature,
        }
        return _pem("CERTIFICATE", _der(x509.Certificate(certificate)))


def _extensions(names: Names) -> list[dict[str, Any]]:
    from asn1crypto import x509

    extensions: list[dict[str, Any]] = [
        {"extn_id": "basic_constraints", "critical": True, "extn_value": x509.BasicConstraints({"ca": False})},
        {"extn_id": "key_usage", "critical": True, "extn_value": x509.KeyUsage({"digital_signature"})},
        {"extn_id": "extended_key_usage", "critical": False, "extn_value": x509.ExtKeyUsageSyntax(["code_signing"])},
    ]
    if names.alternatives:
        choices = {"email": "rfc822_name", "dns": "dns_name", "uri": "uniform_resource_identifier"}
        values = [x509.GeneralName(choices[kind], value) for kind, value in names.alternatives]
        extensions.append({"extn_id": "subject_alt_name", "critical": False, "extn_value": x509.GeneralNames(values)})
    return extensions


def _algorithm(algorithm: Algorithm) -> dict[str, object]:
    from asn1crypto import core

    if algorithm.scheme is Scheme.ED25519:
        return {"algorithm": "ed25519"}
    if algorithm.hash and algorithm.scheme is Scheme.ECDSA:
        return {"algorithm": f"{algorithm.hash.value}_ecdsa"}
    if algorithm.hash and algorithm.scheme is Scheme.RSA_PKCS1V15:
        return {"algorithm": f"{algorithm.hash.value}_rsa", "parameters": core.Null()}  # NULL by RFC 4055
    raise UnsupportedAlgorithm(f"certificate: signing with {algorithm} is not supported")


def _name(der: bytes) -> Any:
    from asn1crypto import x509

    return x509.Name.load(der)


def _public_key(public_key: PublicKey) -> Any:
    from asn1crypto import keys

    return keys.PublicKeyInfo.load(public_key.spki)


def _time(at: datetime) -> dict[str, datetime]:
    return {"utc_time" if at.year < 2050 else "general_time": at.replace(microsecond=0)}  # RFC 5280 section 4.1.2.5


def _der(value: core.Asn1Value) -> bytes:
    der: bytes = value.dump()
    return der


def _pem(label: str, der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
