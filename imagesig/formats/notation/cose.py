"""The COSE envelope: a tagged COSE_Sign1 (RFC 9052 section 4.2) with its certificates in the unprotected header.

Spec: Notary Project signature-envelope-cose; x5chain is RFC 9360.
"""

from __future__ import annotations

from datetime import UTC, datetime

from imagesig import limits
from imagesig.encoding import cbor
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.formats.notation.algorithms import Named
from imagesig.formats.notation.envelope import (
    SIGNING_AGENT,
    TIMES,
    TIMESTAMP,
    Header,
    Opened,
    SignedAttributes,
    Unprotected,
)
from imagesig.formats.notation.payload import PAYLOAD_TYPE
from imagesig.text import quote

_SIGN1 = 18
_EPOCH = 1
_ALGORITHM, _CRITICAL, _CONTENT_TYPE, _X5CHAIN = 1, 2, 3, 33


class Cose:
    """See `EnvelopeForm`."""

    media_type = "application/cose"

    def algorithm(self, named: Named) -> int:
        return named.cose

    def protect(self, algorithm: object, attributes: SignedAttributes) -> bytes:
        labels: dict[object, object] = {
            _ALGORITHM: algorithm,
            _CRITICAL: list(attributes.critical),
            _CONTENT_TYPE: PAYLOAD_TYPE,
        }
        labels |= {
            name: cbor.Tag(_EPOCH, int(value.timestamp())) if isinstance(value, datetime) else value
            for name, value in attributes.items()
        }
        return cbor.dump(labels)

    def message(self, protected: bytes, payload: bytes) -> bytes:
        return cbor.dump(["Signature1", protected, b"", payload])

    def write(self, opened: Opened) -> bytes:
        unprotected: dict[object, object] = {_X5CHAIN: list(opened.unprotected.chain)}
        if opened.unprotected.timestamp:
            unprotected[TIMESTAMP] = opened.unprotected.timestamp
        if opened.unprotected.signing_agent:
            unprotected[SIGNING_AGENT] = opened.unprotected.signing_agent
        return cbor.dump(cbor.Tag(_SIGN1, [opened.protected, unprotected, opened.payload, opened.signature]))

    def split(self, content: bytes) -> Opened:
        value = cbor.parse(content, "COSE envelope")
        parts = value.value if isinstance(value, cbor.Tag) and value.number == _SIGN1 else None
        if not isinstance(parts, list) or len(parts) != 4:
            raise FormatViolation(f"COSE envelope: {quote(value)}, a COSE_Sign1 with its tag {_SIGN1} is needed")
        protected, unprotected, payload, signature = parts
        if not isinstance(protected, bytes) or not isinstance(payload, bytes) or not isinstance(signature, bytes):
            raise FormatViolation("COSE envelope: header, payload and signature must be byte strings, not nil")
        return Opened(protected, payload, self.message(protected, payload), signature, _unprotected(unprotected))

    def header(self, protected: bytes) -> Header:
        labels = cbor.parse(protected, "protected header")
        if not isinstance(labels, dict) or not all(_is_label(name) for name in labels):
            raise FormatViolation(f"protected header is {quote(labels)}, a map of labels is needed")
        members: dict[object, object] = dict(labels)
        critical = members.pop(_CRITICAL, None)
        if not isinstance(critical, list) or not all(_is_label(name) for name in critical):
            raise FormatViolation(f"crit is {quote(critical)}, an array of labels is needed")
        algorithm, content_type = members.pop(_ALGORITHM, None), members.pop(_CONTENT_TYPE, None)
        for name in TIMES:
            if name in members:
                members[name] = _time(members[name], name)
        listed: frozenset[object] = frozenset({_ALGORITHM, _CONTENT_TYPE})
        return Header(algorithm, content_type, tuple(critical), members, listed)


def _unprotected(labels: object) -> Unprotected:
    if not isinstance(labels, dict) or not all(_is_label(name) for name in labels):
        raise FormatViolation(f"unprotected header is {quote(labels)}, a map of labels is needed")
    chain = labels.get(_X5CHAIN)
    if not isinstance(chain, list) or not chain or not all(isinstance(item, bytes) for item in chain):
        raise FormatViolation(f"x5chain is {quote(chain)}, an array of certificates is needed")
    if len(chain) > limits.CHAIN_CERTIFICATES:
        raise LimitExceeded(f"x5chain: {len(chain)} certificates, at most {limits.CHAIN_CERTIFICATES} are read")
    token = labels.get(TIMESTAMP, b"")
    if not isinstance(token, bytes) or len(token) > limits.TIMESTAMP_BYTES:
        raise FormatViolation(f"{TIMESTAMP}: a byte string of at most {limits.TIMESTAMP_BYTES} bytes is needed")
    agent = labels.get(SIGNING_AGENT, "")
    if not isinstance(agent, str):
        raise FormatViolation(f"{SIGNING_AGENT} is {quote(agent)}, a text string is needed")
    return Unprotected(tuple(chain), token, agent)


def _is_label(name: object) -> bool:
    # In Python, true and 1.0 equal the key 1; in COSE they are not labels.
    return isinstance(name, str) or (isinstance(name, int) and not isinstance(name, bool))


def _time(value: object, name: str) -> datetime:
    seconds = value.value if isinstance(value, cbor.Tag) and value.number == _EPOCH else None
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise FormatViolation(f"{name} is {quote(value)}, whole seconds since 1970 with tag {_EPOCH} are needed")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise FormatViolation(f"{name} is {seconds} seconds since 1970, a valid time is needed") from None
