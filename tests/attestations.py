"""Attestations as the tests want them: really signed over what is in them, with anything in them changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.format_names import BUNDLE, DSSE, Storage
from imagesig.images.image import Image
from imagesig.in_toto.statement import IN_TOTO, STATEMENT_V01
from imagesig.keys.file.private_key import PrivateKey
from imagesig.oci.annotations import Annotations
from imagesig.signature import Part, StoredSignature
from imagesig.stores import STORES
from imagesig.testing import InMemoryRegistry
from tests.attacks.hostile_listings import image_at, pushed
from tests.makers import private_key, sign

TYPE = "https://slsa.dev/provenance/v1"
FORMS = ("cosign", "bundle")
"""The classic form, and a bundle."""
_STORAGES = {"cosign": Storage.ATTESTATION_TAG, "bundle": Storage.ATTESTATION_REFERRER}


def statement(of: str | Sequence[str], predicate: object = None, **changes: Any) -> bytes:
    """A statement about these digests; `predicate` may be JSON text. A member that is changed to None is missing."""
    text = predicate if isinstance(predicate, bytes) else json.dumps({} if predicate is None else predicate).encode()
    digests = [of] if isinstance(of, str) else of
    document: dict[str, Any] = {
        "_type": STATEMENT_V01,
        "subject": [{"name": "app", "digest": {"sha256": item.removeprefix("sha256:")}} for item in digests],
        "predicateType": TYPE,
        **changes,
    }
    members = {name: value for name, value in document.items() if value is not None}
    return json.dumps(members).encode()[:-1] + b', "predicate": ' + text + b"}"


def envelope(payload: bytes, key: PrivateKey | None = None, /, **changes: Any) -> dict[str, Any]:
    """A DSSE envelope over the payload. `changes` are made after signing."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": IN_TOTO,
        "signatures": [{"sig": sign(key or private_key(), pre_authentication_encoding(IN_TOTO, payload))}],
        **changes,
    }


def content(form: str, made: Mapping[str, Any], **changes: Any) -> bytes:
    """An envelope as it is stored."""
    if form == "cosign":
        return json.dumps({**made, **changes}).encode()
    document = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": made,
        **changes,
    }
    return json.dumps(document).encode()


def put(image: Image, form: str, stored: bytes, **annotations: str) -> None:
    """Stores the bytes beside the image as an attestation of this form, whatever they are."""
    home, subject = image.signatures, image.home.resolve(image.target)
    media_type = DSSE if form == "cosign" else BUNDLE
    noted = {"dev.cosignproject.cosign/signature": "", "predicateType": TYPE} if form == "cosign" else {}
    part = Part(media_type, stored, Annotations(noted | annotations))
    artifact_type = "" if form == "cosign" else BUNDLE
    STORES[_STORAGES[form]].attach(home, subject, StoredSignature("new", (part,), artifact_type))()  # type: ignore[arg-type]


def attest(
    image: Image, form: str = "bundle", predicate: object = None, *, key: PrivateKey | None = None, **changes: Any
) -> None:
    """Attests the image."""
    digest = image.home.resolve(image.target).digest
    put(image, form, content(form, envelope(statement(digest, predicate, **changes), key)))


class Attested:
    """An image in a registry in memory, and its attestations."""

    def __init__(self, server: InMemoryRegistry) -> None:
        self.server = server
        self.digest = pushed(server)
        self.image = image_at(server)


@contextmanager
def attested_image(*, api: bool = True) -> Any:
    """An image without attestations, in a registry."""
    with InMemoryRegistry(referrers_api=api) as server:
        yield Attested(server)
