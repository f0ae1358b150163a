"""Small makers of what the tests of the pure core need: keys, payloads, stored signatures, anchors."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from imagesig.crypto.algorithms import Algorithm, KeyType, ToSign, signing_algorithms
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.format_names import BUNDLE
from imagesig.formats.cosign import PAYLOAD_TYPE, SIGNATURE_ANNOTATION, SIMPLE_SIGNING
from imagesig.in_toto.statement import IN_TOTO, SIGN_PREDICATE
from imagesig.in_toto.statement import STATEMENT_V1 as STATEMENT
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import MemoryProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.annotations import Annotations
from imagesig.signature import Part, SignerInfo, StoredSignature
from imagesig.trust import TrustAnchors, TrustedKey

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
OTHER_DIGEST = "sha256:" + "cd" * 32
NAME = "registry.example/team/app"


def private_key(key_type: KeyType = KeyType.ECDSA_P256, number: int = 0) -> PrivateKey:
    """The same key for the same arguments, given or not, for as long as the test process lives."""
    return _private_key(key_type, number)


@cache
def _private_key(key_type: KeyType, number: int) -> PrivateKey:
    return PrivateKey.generate(key_type)


def signing_key(number: int = 0) -> SigningKey:
    """The private key of that number, ready to sign."""
    return MemoryProvider({"key": private_key(number=number).to_pem(None)}).open("key")


def signer(key: PrivateKey) -> SignerInfo:
    return SignerInfo(key.public_key, "test:key")


def anchors(*keys: PrivateKey) -> TrustAnchors:
    return TrustAnchors(tuple(TrustedKey(f"key {number}", (key.public_key,)) for number, key in enumerate(keys)))


def payload(**changes: Any) -> dict[str, Any]:
    """A simple-signing payload as cosign makes it, with members of `critical` changed; None removes one."""
    critical: dict[str, Any] = {
        "identity": {"docker-reference": f"{NAME}:1.0"},
        "image": {"docker-manifest-digest": DIGEST},
        "type": PAYLOAD_TYPE,
    }
    critical |= changes
    return {"critical": {name: value for name, value in critical.items() if value is not None}, "optional": None}


def classic(
    content: bytes | Mapping[str, Any],
    key: PrivateKey | None = None,
    *,
    algorithm: Algorithm | None = None,
    media_type: str = SIMPLE_SIGNING,
    signature: str | None = None,
) -> StoredSignature:
    """A stored classic signature over these bytes, or over this document."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    signature = sign(key or private_key(), data, algorithm) if signature is None else signature
    return StoredSignature("layer 0", (Part(media_type, data, Annotations({SIGNATURE_ANNOTATION: signature})),))


def sign(key: PrivateKey, message: bytes, algorithm: Algorithm | None = None) -> str:
    """The signature, in base64."""
    raw = key.sign(ToSign(message, algorithm or signing_algorithms(key.public_key.key_type)[0]))
    return base64.b64encode(raw).decode()


def statement(**changes: Any) -> dict[str, Any]:
    """An in-toto statement as cosign 3 makes it, with members changed; None removes one."""
    document: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"digest": {"sha256": DIGEST.removeprefix("sha256:")}, "annotations": {}}],
        "predicateType": SIGN_PREDICATE,
        "predicate": {},
    }
    document |= changes
    return {name: value for name, value in document.items() if value is not None}


def bundle_document(content: bytes | Mapping[str, Any] | None = None, key: PrivateKey | None = None) -> dict[str, Any]:
    """A bundle over these payload bytes, or over this statement."""
    document = statement() if content is None else content
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": {
            "payload": base64.b64encode(data).decode(),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": sign(key or private_key(), pre_authentication_encoding(IN_TOTO, data))}],
        },
    }


def stored_bundle(document: Mapping[str, Any] | bytes) -> StoredSignature:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return StoredSignature("referrer", (Part(BUNDLE, content),), BUNDLE)


class Something:
    """A value of no type that any function takes; its name is the same in every process."""

    def __repr__(self) -> str:
        return "something"


SOMETHING = Something()
