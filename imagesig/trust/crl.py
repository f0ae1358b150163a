"""Certificate revocation lists: the status of a certificate by a complete list and its delta list, if it has one.

Spec: RFC 5280 sections 5 and 6.3. Indirect lists and lists for some reasons only are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.algorithms import STRONG_HASHES
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.x509_signature import verify_by_identifier
from imagesig.deadlines import remaining
from imagesig.encoding import asn1
from imagesig.errors import BudgetExceeded, LimitExceeded, MalformedError, SignatureInvalid, UnsupportedAlgorithm
from imagesig.external import external_call
from imagesig.text import quote
from imagesig.trust.revocation import Answer, RevocationStatus, forgiven, servers_of, uris

if TYPE_CHECKING:
    from cryptography import x509

    _Kind = TypeVar("_Kind", bound=x509.ExtensionType)

_READING = external_call("CRL", lambda error: MalformedError("CRL: not a certificate revocation list in DER"))
"""For every use of `cryptography`'s lists, which read, and fail, on access."""
_ENTRIES_AT_ONCE = 4096


class RevocationList(Struct, frozen=True):
    """One list with a valid signature of its issuer, at a time when it is valid."""

    parsed: x509.CertificateRevocationList
    number: int | None
    base_number: int | None
    next_update: datetime

    @property
    def delta_urls(self) -> tuple[str, ...]:
        """The URLs of its delta list, if it names one.

        Raises:
            MalformedError: it names one without a URL, for some reasons only, or of another issuer.
        """
        from cryptography.x509 import FreshestCRL

        with _READING:
            points = list(_extension(self.parsed, FreshestCRL) or ())
            found = tuple(uris(name for point in points for name in point.full_name or ()))
        if points and (not found or any(point.reasons or point.crl_issuer for point in points)):
            raise MalformedError("CRL: it names a delta list without an address, of some reasons, or of another issuer")
        return found


def open_crl(data: bytes, issuer: Certificate, at: datetime) -> RevocationList:
    """The list in DER bytes, if this issuer signed it and it is valid at that time.

    Raises:
        MalformedError: it proves nothing, for the reason in the message.
    """
    from cryptography import x509

    if len(data) > limits.CRL_BYTES:
        raise LimitExceeded(f"CRL: {len(data)} bytes, at most {limits.CRL_BYTES} are read")
    remaining("CRL")
    with _READING:
        loaded = x509.load_der_x509_crl(data)
        _check_issuer(data, loaded, issuer)
        _check_times(loaded, at)
        _check_critical(loaded.extensions)
        number, indicator = _extension(loaded, x509.CRLNumber), _extension(loaded, x509.DeltaCRLIndicator)
        numbers = (number.crl_number if number else None, indicator.crl_number if indicator else None)
        return RevocationList(loaded, *numbers, _next_update(loaded))


def _check_issuer(data: bytes, loaded: x509.CertificateRevocationList, issuer: Certificate) -> None:
    from cryptography import x509

    usage = issuer.extension(x509.KeyUsage)
    if usage is not None and not usage.value.crl_sign:
        raise MalformedError(f"CRL: the key usage of {issuer.label} has no cRLSign")
    try:
        with _READING:
            used = loaded.signature_hash_algorithm
    except MalformedError:
        used = None
    ed25519 = loaded.signature_algorithm_oid == x509.SignatureAlgorithmOID.ED25519
    if not ed25519 and (used is None or used.name not in STRONG_HASHES):
        raise MalformedError(f"CRL: signed with {used.name if used else 'an unknown hash'}, SHA-256 or more is needed")
    if loaded.issuer != issuer.subject_name or not _is_signed_by(data, loaded.signature, issuer):
        raise MalformedError(f"CRL: not signed by {issuer.label}, who issued the certificate")


def _is_signed_by(data: bytes, signature: bytes, issuer: Certificate) -> bool:
    # speed: `cryptography` encodes all entries again for this, which takes ten times as long as everything else
    (outer,) = asn1.fields(data, 0, len(data), "CRL")
    signed, algorithm, _ = asn1.fields(data, outer.content, outer.end, "CRL")
    identifier = data[algorithm.start : algorithm.end]
    inside = (data[item.start : item.end] for item in asn1.fields(data, signed.content, signed.end, "CRL"))
    if identifier not in islice(inside, 2):  # after the version, if there is one
        return False
    try:
        verify_by_identifier(issuer.issuing_key, identifier, signature, data[signed.start : signed.end])
    except UnsupportedAlgorithm as error:
        raise MalformedError(f"CRL: {issuer.label}: {error}") from error
    except SignatureInvalid:
        return False
    return True


def _next_update(loaded: x509.CertificateRevocationList) -> datetime:
    if loaded.next_update_utc is None:
        raise MalformedError("CRL: it has no nextUpdate")
    return loaded.next_update_utc


def _check_times(loaded: x509.CertificateRevocationList, at: datetime) -> None:
    if loaded.last_update_utc - at > timedelta(seconds=limits.CLOCK_SKEW_SECONDS):
        raise MalformedError(f"CRL: it is from the future: {loaded.last_update_utc.isoformat()}")
    if at > (end := _next_update(loaded)):
        raise MalformedError(f"CRL: it was valid until {end.isoformat()}")


def _check_critical(extensions: x509.Extensions) -> None:
    from cryptography import x509

    for item in extensions:
        if item.critical and not isinstance(item.value, x509.IssuingDistributionPoint | x509.DeltaCRLIndicator):
            raise MalformedError(f"CRL: its critical extension {item.oid.dotted_string} is not understood")


def judge_crl(
    certificate: Certificate,
    base: RevocationList,
    delta: RevocationList | None = None,
    signed_at: datetime | None = None,
) -> Answer:
    """The status of the certificate by opened lists of its issuer. `signed_at`: see `forgiven`."""
    from cryptography.x509 import FreshestCRL

    try:
        with _READING:
            if base.base_number is not None:
                raise MalformedError("CRL: a delta list, a complete one is needed")
            _check_scope(certificate, base.parsed)
            if delta is not None:
                _check_delta(base, delta)
            elif certificate.extension(FreshestCRL) is not None:
                raise MalformedError("CRL: the certificate names a delta list, and the complete list names none")
            entries = [entry for item in (base, delta) if item for entry in _entries(item.parsed, certificate)]
            return _judge_entries(entries, base, signed_at)
    except BudgetExceeded:
        raise
    except MalformedError as error:
        return Answer.useless(str(error))


def _check_scope(certificate: Certificate, base: x509.CertificateRevocationList) -> None:
    """Raises `MalformedError` unless the list covers the certificate, with every reason."""
    from cryptography import x509

    point = _extension(base, x509.IssuingDistributionPoint)
    if point is None:
        return
    if point.indirect_crl or point.only_some_reasons or point.relative_name:
        raise MalformedError("CRL: it is indirect, for some reasons only, or has a relative name")
    constraints = certificate.extension(x509.BasicConstraints)
    is_authority = constraints is not None and constraints.value.ca
    if point.only_contains_attribute_certs or (
        point.only_contains_user_certs if is_authority else point.only_contains_ca_certs
    ):
        raise MalformedError("CRL: it is for other types of certificates")
    named = set(uris(point.full_name or ()))
    # An issuer may split its list: a part for other certificates says nothing about this one.
    if point.full_name and not named.intersection(servers_of(certificate).crl):
        raise MalformedError(f"CRL: it is the part {quote(sorted(named))}, which the certificate does not name")


def _check_delta(base: RevocationList, delta: RevocationList) -> None:
    from cryptography import x509

    if delta.base_number is None or delta.number is None or base.number is None:
        raise MalformedError("delta CRL: it, or the complete list, has no number")
    if delta.number <= base.number:
        raise MalformedError(
            f"delta CRL: number {delta.number}, more than {base.number} of the complete list is needed"
        )
    if delta.base_number > base.number:
        raise MalformedError(f"delta CRL: it extends list {delta.base_number}, but the complete list is {base.number}")
    scopes = [_extension(item.parsed, x509.IssuingDistributionPoint) for item in (base, delta)]
    if scopes[0] != scopes[1]:
        raise MalformedError("delta CRL: it has another scope than the complete list")


def _entries(loaded: x509.CertificateRevocationList, certificate: Certificate) -> Iterator[x509.RevokedCertificate]:
    serial = certificate.serial_number
    if loaded.get_revoked_certificate_by_serial_number(serial) is None:
        return
    found = 0
    for number, entry in enumerate(loaded):
        if number % _ENTRIES_AT_ONCE == 0:
            remaining("CRL")
        if entry.serial_number == serial:
            found += 1
            if found > limits.CRL_ENTRIES_PER_CERTIFICATE:
                raise LimitExceeded(f"CRL: more than {limits.CRL_ENTRIES_PER_CERTIFICATE} entries of one certificate")
            yield entry


def _judge_entries(
    entries: Sequence[x509.RevokedCertificate], base: RevocationList, signed_at: datetime | None
) -> Answer:
    from cryptography import x509

    held: tuple[datetime, bool] | None = None
    for entry in entries:
        reason, invalid_since = _entry(entry)
        if forgiven(invalid_since, signed_at):
            continue
        hold = reason is x509.ReasonFlags.certificate_hold
        if not hold and reason is not x509.ReasonFlags.remove_from_crl:
            described = reason.value if reason else "no reason given"
            return Answer(RevocationStatus.REVOKED, f"since {entry.revocation_date_utc}, {described}")
        # Use the newest entry; of two at the same time, the hold.
        held = max(held or (entry.revocation_date_utc, hold), (entry.revocation_date_utc, hold))
    if held and held[1]:
        return Answer(RevocationStatus.REVOKED, f"since {held[0]}, certificateHold")
    return Answer(RevocationStatus.OK, f"not in the CRL that is valid until {base.next_update.isoformat()}")


def _entry(entry: x509.RevokedCertificate) -> tuple[x509.ReasonFlags | None, datetime | None]:
    from cryptography import x509

    reason = invalid_since = None
    with external_call("CRL", asn1.unreadable("CRL: the extensions of an entry")):
        for item in entry.extensions:
            if isinstance(item.value, x509.CRLReason):
                reason = item.value.reason
            elif isinstance(item.value, x509.InvalidityDate):
                invalid_since = item.value.invalidity_date_utc
            elif item.critical:
                raise MalformedError(f"CRL: critical extension {item.oid.dotted_string} of an entry is not understood")
    return reason, invalid_since


def _extension(loaded: x509.CertificateRevocationList, kind: type[_Kind]) -> _Kind | None:
    from cryptography import x509

    try:
        return loaded.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
