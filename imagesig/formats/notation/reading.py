"""Reading one Notary Project signature, and the checks of it.

The order is: split the envelope; find a pinned certificate in its chain, by its bytes, and verify the chain from there
down to the signer's certificate; verify exactly the received bytes with the signer's key; only then read the header,
the complete chain and the payload, and a timestamp last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import Algorithm
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import Expired, FormatViolation, LimitExceeded, NotTrusted
from imagesig.format_names import NOTATION
from imagesig.formats.certified import Timing, certified_by, made_by, read_chain, timing, verified_by_signer
from imagesig.formats.notation.algorithms import ALGORITHMS, CANDIDATES, decoded_signature
from imagesig.formats.notation.envelope import (
    SIGNING_AGENT,
    SIGNING_AUTHORITY,
    X509,
    EnvelopeForm,
    Opened,
    SignedAttributes,
    read_attributes,
)
from imagesig.formats.notation.payload import parse_payload
from imagesig.oci.manifest import OCI_EMPTY
from imagesig.signature import (
    AUTHENTIC_TIMESTAMP,
    AUTHENTICITY,
    EXPIRY,
    Check,
    Claim,
    Envelope,
    Examined,
    StoredSignature,
)
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, Role, Strangers, TrustAnchors
from imagesig.trust.chain import check_pinned, check_validity, is_valid, vouching
from imagesig.trust.profile import check_code_signing_chain, signer_key

ROLES = {X509: Role.CA, SIGNING_AUTHORITY: Role.SIGNING_AUTHORITY}


class IntactSignature(Struct, frozen=True):
    """A signature by the key of its own certificate, which keeps every rule of the format.

    The certificate need not be trusted.
    """

    form: EnvelopeForm
    opened: Opened
    chain: tuple[Certificate, ...]
    public_key: PublicKey
    algorithm: Algorithm
    attributes: SignedAttributes
    claim: Claim


def split(stored: StoredSignature, forms: Sequence[EnvelopeForm]) -> Envelope:
    """The envelope, split; the signature is as stored, r||s for ECDSA. Raises as `Format.parse` does."""
    opened = _open(stored, forms)[1]
    return Envelope(stored, opened.message, opened.signature, opened.payload, chain=opened.unprotected.chain)


def check_signer_may_count(envelope: Envelope, anchors: TrustAnchors) -> None:
    """Returns if these anchors may trust the signature, as far as that can be seen cheaply.

    This costs one comparison of bytes; if that fails, one certificate and one check by a trusted key.

    Raises:
        NotTrusted: no certificate of the chain is pinned, or the policy trusts only bare keys.
        FormatViolation, MalformedError: the chain does not lead from the pinned certificate down to the signer's.
    """
    if anchors.strangers is Strangers.JUDGED:
        return
    if anchors.authorities:
        check_pinned(envelope.chain, anchors.authorities)
        return
    if anchors.strangers is Strangers.REFUSED:
        raise NotTrusted("the signature has a certificate; the policy trusts bare keys only")
    key = signer_key(read_chain(envelope.chain[:1])[0])
    if not any(key in trusted.public_keys for trusted in anchors.keys):
        raise NotTrusted("the signature has the certificate of another key")


def read(envelope: Envelope, forms: Sequence[EnvelopeForm], understood: frozenset[str]) -> IntactSignature:
    """The signature, read after its key has verified it.

    Raises:
        SignatureInvalid: the key of its first certificate did not make it.
        FormatViolation, MalformedError: it breaks a rule of the format, or its chain one of the profile.
    """
    form, opened = _open(envelope.stored, forms)
    signer = read_chain(envelope.chain[:1])[0]
    signature = decoded_signature(envelope.signature, signer_key(signer).key_type)
    public_key, algorithm = verified_by_signer(replace(envelope, signature=signature), signer, CANDIDATES)
    chain = (signer, *read_chain(envelope.chain[1:]))
    named = ALGORITHMS[public_key.key_type]
    attributes = read_attributes(form.header(opened.protected), form.algorithm(named), understood)
    check_code_signing_chain(chain)
    return IntactSignature(form, opened, chain, public_key, algorithm, attributes, parse_payload(envelope.payload))


def examine(
    format_name: str, intact: IntactSignature, stored: StoredSignature, anchors: TrustAnchors, now: datetime
) -> Examined:
    """The signature with its checks: authenticity, expiry, authentic timestamp, and remarks that never refuse it."""
    signer = intact.chain[0]
    made = made_by(signer, intact.algorithm)
    unknown: NotTrusted | None = None
    authorities: Sequence[CertificateAuthority] = ()
    try:
        authorities = vouching(intact.chain, anchors.authorities, ROLES[intact.attributes.scheme])
    except NotTrusted as error:
        if anchors.strangers is Strangers.REFUSED:
            raise
        unknown = error
    # A timestamp is parsed only now: an untrusted signer may attach a costly one.
    timed = _timing(intact, anchors, now)
    others = (*_expiry(intact.attributes, now), timed.check, *_remarks(intact, stored, now))

    def examined(authority: str, certified: Check) -> Examined:
        return Examined(
            format=format_name,
            origin=stored.origin,
            authority=authority,
            public_key=intact.public_key,
            algorithm=intact.algorithm,
            claim=intact.claim,
            checks=(made, certified, *others),
            authentic_time=timed.authentic_time,
            chain=intact.chain,
            timestamp_chain=timed.timestamp_chain,
        )

    if unknown is not None:
        return examined("", Check.failed(AUTHENTICITY, unknown))
    first, *rest = (examined(item.name, certified_by(item.name, signer)) for item in authorities)
    return replace(first, by_others=tuple(rest)) if rest else first


def describe(envelope: Envelope, forms: Sequence[EnvelopeForm]) -> Mapping[str, str]:
    """The attributes as stored, for people; all unverified. Raises as `Format.parse` does."""
    form, opened = _open(envelope.stored, forms)
    header = form.header(opened.protected)
    found = {
        "alg": str(header.algorithm),
        "cty": str(header.content_type),
        "crit": ", ".join(map(str, header.critical)),
    }
    for name, value in header.attributes.items():
        found[str(name)] = value.isoformat() if isinstance(value, datetime) else str(value)
    if opened.unprotected.signing_agent:
        found[f"{SIGNING_AGENT} (unsigned)"] = opened.unprotected.signing_agent
    if opened.unprotected.timestamp:
        found["timestamp"] = f"{len(opened.unprotected.timestamp)} bytes"
    return found


def _open(stored: StoredSignature, forms: Sequence[EnvelopeForm]) -> tuple[EnvelopeForm, Opened]:
    if len(stored.parts) != 1:
        raise FormatViolation(f"{len(stored.parts)} layers, exactly one envelope is needed")
    kind = stored.artifact_type or stored.config_type
    if kind != NOTATION:
        raise FormatViolation(f"artifact of type {quote(kind)}, {NOTATION} is needed")
    (part,) = stored.parts
    if len(part.content) > limits.ENVELOPE_BYTES:
        raise LimitExceeded(f"envelope: {len(part.content)} bytes, at most {limits.ENVELOPE_BYTES} are read")
    for form in forms:
        if form.media_type == part.media_type:
            return form, form.split(part.content)
    needed = " or ".join(form.media_type for form in forms)
    raise FormatViolation(f"envelope of type {quote(part.media_type)}, {needed} is needed")


def _timing(intact: IntactSignature, anchors: TrustAnchors, now: datetime) -> Timing:
    if intact.attributes.scheme == X509:
        token = intact.opened.unprotected.timestamp
        return timing(intact.chain, anchors.timestamps, now, signature=intact.opened.signature, token=token)
    # A signing authority is trusted with the time too: a timestamp adds nothing.
    time = intact.attributes.time
    try:
        check_validity(intact.chain, time, time)
    except Expired as error:
        return Timing(Check.failed(AUTHENTIC_TIMESTAMP, error))
    detail = f"the signing authority signed at {time.isoformat()}, when the certificates were valid"
    return Timing(Check(AUTHENTIC_TIMESTAMP, True, detail), time)


def _expiry(attributes: SignedAttributes, now: datetime) -> tuple[Check, ...]:
    if attributes.expiry is None:
        return ()
    at = attributes.expiry.isoformat()
    if now >= attributes.expiry:
        return (Check.failed(EXPIRY, Expired(f"the signature expired at {at}; it is judged at {now.isoformat()}")),)
    return (Check(EXPIRY, True, f"the signature is valid until {at}"),)


def _remarks(intact: IntactSignature, stored: StoredSignature, now: datetime) -> Iterator[Check]:
    """Remarks that never refuse the signature. A claimed signing time is not evidence, so no verdict depends on it."""
    time = intact.attributes.time
    if time > now:
        yield Check("signingTime", False, f"the claimed signing time {time.isoformat()} is in the future")
    elif intact.attributes.scheme == X509 and not is_valid(intact.chain, time):
        yield Check(
            "signingTime", False, f"at the claimed signing time {time.isoformat()} not all certificates were valid"
        )
    if stored.artifact_type and stored.config_type not in ("", OCI_EMPTY):
        yield Check("manifest", False, f"its config is a {quote(stored.config_type)}, {OCI_EMPTY} is needed")
