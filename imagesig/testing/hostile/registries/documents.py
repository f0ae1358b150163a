"""Documents that are costly to read or invalid, for each kind of document of a registry."""

from __future__ import annotations

import base64
import json

from imagesig.errors import (
    DeadlineExceeded,
    ImageNotFound,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    UnexpectedResponse,
)
from imagesig.testing.hostile.kinds import MIB, Errors, Hostility, Script
from imagesig.testing.hostile.registries.endpoints import referrers
from imagesig.testing.hostile.registries.fillings import FILLINGS, ODDITIES, filled
from imagesig.testing.hostile.registries.stage import BUNDLE, INDEX, MANIFEST, NOTATION, Stage
from imagesig.testing.hostile.registries.wire import UNVERIFIED
from imagesig.testing.loopback_server import Answer

_PLACES: dict[str, tuple[str, int, Errors]] = {
    "manifest": ("manifest of the image", 4 * MIB, (MalformedError,)),
    "referrers": ("list of referrers", 4 * MIB, (UnexpectedResponse, LimitExceeded)),
    "referrer": ("manifest of a signature", 120 * 1024, UNVERIFIED),
    "signature-manifest": ("manifest that lists signatures", 4 * MIB, UNVERIFIED),
    "fallback-index": ("index that takes the place of the referrers API", 4 * MIB, UNVERIFIED),
    "bundle": ("bundle", 250 * 1024, UNVERIFIED),
    "statement": ("statement in a bundle", 180 * 1024, UNVERIFIED),
    "payload": ("signed payload", 120 * 1024, UNVERIFIED),
    "jws": ("JWS envelope", 250 * 1024, UNVERIFIED),
    "error": ("error that a registry sends", 60 * 1024, (UnexpectedResponse,)),
}


def put(place: str, content: bytes) -> Script:
    """Puts this content in the place of a document."""

    def script(stage: Stage) -> None:
        if place in ("payload", "signature-manifest"):
            stage.signed("cosign")
        else:
            stage.push()
        _put_there(stage, place, content)

    return script


def _put_there(stage: Stage, place: str, content: bytes) -> None:
    if place == "manifest":
        stage.store(content, MANIFEST, "1.0")
    elif place == "referrers":
        stage.answer(referrers, Answer(200, content, {"content-type": INDEX}))
    elif place == "error":
        stage.answer(referrers, Answer(418, content, {"content-type": "application/json"}))
    elif place == "referrer":
        digest = stage.store(content)
        stage.lists([{"mediaType": MANIFEST, "digest": digest, "size": len(content), "artifactType": BUNDLE}])
    elif place == "signature-manifest":
        stage.store(content, MANIFEST, stage.signature_tag)
    elif place == "fallback-index":
        stage.answer(referrers, Answer(404))
        stage.store(content, INDEX, stage.digest.replace(":", "-"))
    elif place == "payload":
        listed = stage.manifest(stage.signature_tag)
        listed["layers"] = [listed["layers"][0] | stage.blob(content)]
        stage.store(listed, MANIFEST, stage.signature_tag)
    elif place == "jws":
        stage.certified = True
        stage.referrer(b"", NOTATION, layers=[{"mediaType": "application/jose+json", **stage.blob(content)}])
    elif place == "statement":
        stage.referrer(bundle_of(content))
    else:
        stage.referrer(content)


def bundle_of(statement: bytes, **members: object) -> bytes:
    """A bundle with this statement and a signature that no key verifies."""
    envelope = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": "AAAA"}],
    }
    document = {"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": ""}}, "dsseEnvelope": envelope}
    return json.dumps(document | members).encode()


_HEADS = {
    "manifest": {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []},
    "referrers": {"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
    "referrer": {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "layers": []},
    "fallback-index": {"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
    "signature-manifest": {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []},
    "bundle": {"mediaType": BUNDLE},
    "statement": {"_type": "https://in-toto.io/Statement/v1"},
    "payload": {"critical": {}},
    "jws": {"payload": ""},
    "error": {"errors": [{"code": "X", "message": "x"}]},
}


def filled_document(place: str, filling: str) -> bytes:
    head = json.dumps(_HEADS[place])[:-1].encode() + b","
    start, unit, end = FILLINGS[filling]
    return filled(head + start, unit, end + b"}", _PLACES[place][1])


def _later(place: str, filling: str) -> Script:
    """Makes the document when it is needed: together they have hundreds of MiB."""
    return lambda stage: put(place, filled_document(place, filling))(stage)


def _bombs() -> list[Hostility]:
    made: list[Hostility] = []
    for place, (words, size, expected) in _PLACES.items():
        # Members that nobody knows do no harm, and then the image is simply unsigned.
        right = (*expected, NoSignatures, NoSignatureAccepted, MalformedError, DeadlineExceeded)
        made += [
            Hostility(
                f"{place}-of-{filling}",
                f"The {words} has {size // 1024} KiB of {filling.replace('-', ' ')}.",
                _later(place, filling),
                right,
            )
            for filling in FILLINGS
        ]
        made += [
            Hostility(
                f"{place}-is-{oddity}",
                f"The {words} is no document: {oddity.replace('-', ' ')}.",
                put(place, content),
                (*expected, ImageNotFound),
            )
            for oddity, content in ODDITIES.items()
        ]
    return made


DOCUMENTS = _bombs()
