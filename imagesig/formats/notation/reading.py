"""What one Notary Project signature says, and what is to be held against it.

The order is: split the envelope; find a pinned certificate in its chain, by its bytes, and prove those below it down to
the signer's; verify exactly the bytes received with the signer's key; only then read header, whole chain and payload,
and a timestamp last.
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
from imagesig.formats.certified import Timing, read_chain, timing, verified_by_signer, vouched_by
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
from imagesig.trust.holder import describe_holder
from imagesig.trust.profile import check_code_signing_chain, signer_key

ROLES = {X509: Role.CA, SIGNING_AUTHORITY: Role.SIGNING_AUTHORITY}


class Whole(Struct, frozen=True):
    """A signature whose bytes are whole: the key of its own certificate made it, and every rule of the format holds.

    Whether that certificate is trusted is another question.
    """

    form: EnvelopeForm
    opened: Opened
    chain: tuple[Certificate, ...]
    public_key: PublicKey
    algorithm: Algorithm
    attributes: SignedAttributes
    claim: Claim


def split(stored: StoredSignature, forms: Sequence[EnvelopeForm]) -> Envelope:
    """The envelope, split; the signature is as it is in there, r||s for ECDSA. Raises as `Format.parse` does."""
    opened = _open(stored, forms)[1]
    return Envelope(stored, opened.message, opened.signature, opened.payload, chain=opened.unprotected.chain)


def check_signer_may_count(envelope: Envelope, anchors: TrustAnchors) -> None:
    """Returns if, for all that can be seen at little cost, the signature may count for these anchors.

    What it costs is one comparison of bytes, and one certificate with one check by a verified key where that fails.

    Raises:
        NotTrusted: no certificate of the chain is pinned, or the policy trusts bare keys only.
        FormatViolation, MalformedError: the chain does not lead from the pinned certificate down to the signer's.
    """
    if anchors.strangers is Strangers.JUDGED:
        return
    if anchors.authorities:
        check_pinned(envelope.chain, anchors.authorities)
        return
    if anchors.strangers is Strangers.REFUSED:
        raise NotTrusted("it was made with a certificate; the policy trusts bare keys only")
    key = signer_key(read_chain(envelope.chain[:1])[0])
    if not any(key in trusted.public_keys for trusted in anchors.keys):
        raise NotTrusted("it was made with the certificate of another key")


def read(envelope: Envelope, forms: Sequence[EnvelopeForm], understood: frozenset[str]) -> Whole:
    """What a whole signature says.

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
    return Whole(form, opened, chain, public_key, algorithm, attributes, parse_payload(envelope.payload))


def examine(format_name: str, whole: Whole, stored: StoredSignature, anchors: TrustAnchors, now: datetime) -> Examined:
    """The signature with its checks: authenticity, expiry, authentic timestamp, and remarks that refuse nothing."""
    signer = whole.chain[0]
    made = Check("signature", True, f"{describe_holder(signer)} made it, {whole.algorithm}")
    unknown: NotTrusted | None = None
    authorities: Sequence[CertificateAuthority] = ()
    try:
        authorities = vouching(whole.chain, anchors.authorities, ROLES[whole.attributes.scheme])
    except NotTrusted as error:
        if anchors.strangers is Strangers.REFUSED:
            raise
        unknown = error
    # A timestamp is parsed only now: a stranger's may be made to be costly.
    timed = _timing(whole, anchors, now)
    others = (*_expiry(whole.attributes, now), timed.check, *_remarks(whole, stored, now))

    def examined(authority: str, vouched: Check) -> Examined:
        return Examined(
            format=format_name,
            origin=stored.origin,
            authority=authority,
            public_key=whole.public_key,
            algorithm=whole.algorithm,
            claim=whole.claim,
            checks=(made, vouched, *others),
            authentic_time=timed.authentic_time,
            chain=whole.chain,
            timestamp_chain=timed.timestamp_chain,
        )

    if unknown is not None:
        return examined("", Check.failed(AUTHENTICITY, unknown))
    first, *rest = (examined(item.name, vouched_by(item.name, signer)) for item in authorities)
    return replace(first, by_others=tuple(rest)) if rest else first


def describe(envelope: Envelope, forms: Sequence[EnvelopeForm]) -> Mapping[str, str]:
    """The attributes as they stand, for people: nothing of it was checked. Raises as `Format.parse` does."""
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


def _timing(whole: Whole, anchors: TrustAnchors, now: datetime) -> Timing:
    if whole.attributes.scheme == X509:
        token = whole.opened.unprotected.timestamp
        return timing(whole.chain, anchors.timestamps, now, signature=whole.opened.signature, token=token)
    # A signing authority is trusted with the time too: a timestamp says nothing more.
    time = whole.attributes.time
    try:
        check_validity(whole.chain, time, time)
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
    return (Check(EXPIRY, True, f"the signature counts until {at}"),)


def _remarks(whole: Whole, stored: StoredSignature, now: datetime) -> Iterator[Check]:
    """What is odd and refuses nothing. A claimed signing time is nobody's evidence: no verdict hangs on it."""
    time = whole.attributes.time
    if time > now:
        yield Check("signingTime", False, f"signed at {time.isoformat()}, says the signature: that is in the future")
    elif whole.attributes.scheme == X509 and not is_valid(whole.chain, time):
        yield Check(
            "signingTime", False, f"signed at {time.isoformat()}, says the signature: not all certificates were valid"
        )
    if stored.artifact_type and stored.config_type not in ("", OCI_EMPTY):
        yield Check("manifest", False, f"its config is a {quote(stored.config_type)}, {OCI_EMPTY} is needed")
