"""Notary Project envelopes as the tests want them: whole and signed by default, with anything in them changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from imagesig.crypto.algorithms import Algorithm, ToSign
from imagesig.encoding import cbor
from imagesig.format_names import NOTATION
from imagesig.formats.notation import Notation
from imagesig.formats.notation.algorithms import encoded_signature, named_for
from imagesig.formats.notation.envelope import (
    AUTHENTIC_SIGNING_TIME,
    EXPIRY_ATTRIBUTE,
    SIGNING_AUTHORITY,
    SIGNING_SCHEME,
    SIGNING_TIME,
    X509,
)
from imagesig.formats.notation.payload import PAYLOAD_TYPE
from imagesig.oci.manifest import OCI_MANIFEST
from imagesig.signature import Examined, Part, StoredSignature
from imagesig.trust import Strangers, TrustAnchors
from tests.chains import Issuer, certified, trusting
from tests.makers import DIGEST, NOW

GONE = object()
"""The value that removes a member."""
ENVELOPES = ("jws", "cose")
_LABELS: dict[Any, Any] = {"alg": 1, "crit": 2, "cty": 3}


def target(**changes: Any) -> dict[str, Any]:
    """A payload for the tests' image."""
    artifact = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 527}
    return {"targetArtifact": _changed(artifact, changes)}


def header(envelope: str, signer: Issuer, changes: Mapping[Any, Any]) -> dict[Any, Any]:
    """A protected header, as JWS names its members; times are datetimes. `changes` adds, replaces and removes."""
    named = named_for(signer.private_key.public_key.key_type)
    members: dict[Any, Any] = {
        "alg": named.jws if envelope == "jws" else named.cose,
        "crit": [SIGNING_SCHEME],
        "cty": PAYLOAD_TYPE,
        SIGNING_SCHEME: X509,
        SIGNING_TIME: NOW - timedelta(hours=1),
    }
    return _changed(members, changes)


AUTHORITY_HEADER: dict[Any, Any] = {
    "crit": [SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME],
    SIGNING_SCHEME: SIGNING_AUTHORITY,
    SIGNING_TIME: GONE,
    AUTHENTIC_SIGNING_TIME: NOW - timedelta(hours=1),
}
EXPIRING: dict[Any, Any] = {"crit": [SIGNING_SCHEME, EXPIRY_ATTRIBUTE], EXPIRY_ATTRIBUTE: NOW + timedelta(hours=1)}


def stored(
    envelope: str,
    changes: Mapping[Any, Any] | None = None,
    *,
    signer: Issuer | None = None,
    payload: bytes | Mapping[str, Any] | None = None,
    protected: bytes | None = None,
    unprotected: Mapping[Any, Any] | None = None,
    chain: Sequence[bytes] | None = None,
    algorithm: Algorithm | None = None,
    signature: bytes | None = None,
    outer: Mapping[str, Any] | None = None,
    manifest: Mapping[str, str] | None = None,
) -> StoredSignature:
    """A stored signature whose envelope was really signed over what is in it, unless `signature` is given."""
    signer = signer or certified()
    key = signer.private_key
    data = payload if isinstance(payload, bytes) else json.dumps(target() if payload is None else payload).encode()
    members = header(envelope, signer, changes or {})
    if protected is None:
        protected = json.dumps(members, default=_rfc3339).encode() if envelope == "jws" else cbor.dump(_labels(members))
    message = (
        encode(protected) + b"." + encode(data)
        if envelope == "jws"
        else cbor.dump(["Signature1", protected, b"", data])
    )
    if signature is None:
        request = ToSign(message, algorithm or named_for(key.public_key.key_type).algorithm)
        signature = encoded_signature(key.sign(request), key.public_key.key_type)
    ders = [item.der for item in signer.chain] if chain is None else list(chain)
    if envelope == "jws":
        unsigned = _changed({"x5c": [base64.b64encode(der).decode() for der in ders]}, unprotected or {})
        document = {
            "payload": encode(data).decode(),
            "protected": encode(protected).decode(),
            "header": unsigned,
            "signature": encode(signature).decode(),
        }
        content = json.dumps(_changed(document, outer or {})).encode()
        media_type = "application/jose+json"
    else:
        labels = _changed({33: ders}, unprotected or {})
        content = cbor.dump(cbor.Tag(18, [protected, labels, data, signature]))
        media_type = "application/cose"
    return of_bytes(content, media_type, **(manifest or {}))


def of_bytes(
    content: bytes, media_type: str, *, artifact_type: str = "", config_type: str = NOTATION
) -> StoredSignature:
    return StoredSignature("referrer", (Part(media_type, content),), artifact_type, config_type=config_type)


def authenticate(
    signature: StoredSignature, anchors: TrustAnchors | None = None, *, understood: frozenset[str] = frozenset()
) -> Examined:
    """What `Notation` makes of it, with the root of `certified()` trusted for everybody unless told otherwise.

    Strangers are judged then, for most tests have a signer of their own and ask for the rules of the format.
    """
    reader = Notation(understood=understood)
    usual = replace(trusting(certified().chain[-1]), strangers=Strangers.JUDGED)
    return reader.authenticate(reader.parse(signature), anchors or usual, NOW)


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _labels(members: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        _LABELS.get(name, name): cbor.Tag(1, int(value.timestamp())) if isinstance(value, datetime) else value
        for name, value in members.items()
    }


def _rfc3339(value: Any) -> str:
    text: str = value.isoformat()
    return text


def _changed(members: Mapping[Any, Any], changes: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not GONE}
