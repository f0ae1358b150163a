"""The JWS envelope: flattened JSON serialization (RFC 7515 section 7.2.2) with exactly four members.

Spec: Notary Project signature-envelope-jws.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.formats.format import decode_base64
from imagesig.formats.notation.algorithms import Named
from imagesig.formats.notation.envelope import (
    SIGNING_AGENT,
    STANDARD,
    TIMES,
    TIMESTAMP,
    Header,
    Opened,
    SignedAttributes,
    Unprotected,
)
from imagesig.formats.notation.payload import PAYLOAD_TYPE
from imagesig.patterns import regex
from imagesig.text import quote

_MEMBERS = {"payload", "protected", "header", "signature"}
_ENVELOPE = Shape.of("payload protected signature", header=Shape.of(f"x5c {TIMESTAMP}"))
"""The name of the signing agent is unsigned and decides nothing: notation itself has written it in two ways."""
_PROTECTED = Shape.of(" ".join(("alg", "cty", "crit", *STANDARD)))
_BASE64URL = regex(r"[A-Za-z0-9_-]*")
_RFC3339 = regex(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


class Jws:
    """See `EnvelopeForm`."""

    media_type = "application/jose+json"

    def algorithm(self, named: Named) -> str:
        return named.jws

    def protect(self, algorithm: object, attributes: SignedAttributes) -> bytes:
        """The members by name, as notation writes them."""
        members: dict[str, object] = {
            "alg": algorithm,
            "crit": list(attributes.critical),
            "cty": PAYLOAD_TYPE,
        }
        members |= {
            name: _rfc3339(value) if isinstance(value, datetime) else value for name, value in attributes.items()
        }
        return go_json(dict(sorted(members.items())))

    def message(self, protected: bytes, payload: bytes) -> bytes:
        return _encode(protected) + b"." + _encode(payload)

    def write(self, opened: Opened) -> bytes:
        unprotected = opened.unprotected
        header: dict[str, object] = {"x5c": [base64.b64encode(der).decode() for der in unprotected.chain]}
        if unprotected.timestamp:
            header[TIMESTAMP] = base64.b64encode(unprotected.timestamp).decode()
        if unprotected.signing_agent:
            header[SIGNING_AGENT] = unprotected.signing_agent
        return go_json(
            {
                "payload": _encode(opened.payload).decode(),
                "protected": _encode(opened.protected).decode(),
                "header": header,
                "signature": _encode(opened.signature).decode(),
            }
        )

    def split(self, content: bytes) -> Opened:
        document = parse_object(content, "JWS envelope", _ENVELOPE, nodes=limits.ENVELOPE_NODES)
        if document.keys() != _MEMBERS:
            raise FormatViolation(
                f"JWS envelope has the members {quote(sorted(document))}, {', '.join(sorted(_MEMBERS))} are needed"
            )
        protected = _decode(document["protected"], "protected")
        payload = _decode(document["payload"], "payload")
        return Opened(
            protected,
            payload,
            # Equal to the received text: only canonical base64url is accepted.
            self.message(protected, payload),
            _decode(document["signature"], "signature"),
            _unprotected(document["header"]),
        )

    def header(self, protected: bytes) -> Header:
        members: dict[object, object] = {}
        members.update(parse_object(protected, "protected header", _PROTECTED, nodes=limits.ENVELOPE_NODES).items())
        critical = members.pop("crit", None)
        if not isinstance(critical, list) or not all(isinstance(name, str) for name in critical):
            raise FormatViolation(f"crit is {quote(critical)}, a list of names is needed")
        algorithm, content_type = members.pop("alg", None), members.pop("cty", None)
        for name in TIMES:
            if name in members:
                members[name] = _parse_rfc3339(members[name], name)
        return Header(algorithm, content_type, tuple(critical), members)


def _unprotected(header: object) -> Unprotected:
    if not isinstance(header, dict):
        raise FormatViolation(f"header is {quote(header)}, an object is needed")
    chain = header.get("x5c")
    if not isinstance(chain, list) or not chain:
        raise FormatViolation(f"header.x5c is {quote(chain)}, a list of certificates is needed")
    if len(chain) > limits.CHAIN_CERTIFICATES:
        raise LimitExceeded(f"header.x5c: {len(chain)} certificates, at most {limits.CHAIN_CERTIFICATES} are read")
    token = b""
    if TIMESTAMP in header:
        token = decode_base64(header[TIMESTAMP], f"header.{TIMESTAMP}", limits.TIMESTAMP_BYTES)
    agent = header.get(SIGNING_AGENT, "")
    if not isinstance(agent, str):
        raise FormatViolation(f"header.{SIGNING_AGENT} is {quote(agent)}, a string is needed")
    return Unprotected(
        tuple(
            decode_base64(item, f"header.x5c[{number}]", limits.CERTIFICATE_BYTES) for number, item in enumerate(chain)
        ),
        token,
        agent,
    )


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: object, what: str) -> bytes:
    """The bytes of base64url without padding, in its one canonical form (RFC 7515 section 2)."""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise FormatViolation(f"{what}: {quote(text)}, base64url without padding is needed")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(data) != text.encode("ascii"):
        raise FormatViolation(f"{what}: {quote(text)} is not the canonical base64url of its bytes")
    return data


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_rfc3339(value: object, name: str) -> datetime:
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise FormatViolation(f"{name} is {quote(value)}, a time as in RFC 3339 is needed")
    date, clock, fraction, offset = match.groups()
    try:
        return datetime.fromisoformat(f"{date}T{clock}{(fraction or '')[:7]}{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise FormatViolation(f"{name} is {quote(value)}, a valid time is needed") from None
