"""Other bytes and other types than the program asked for."""

from __future__ import annotations

import json
from collections.abc import Callable

from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    MalformedError,
    NoSignatures,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.kinds import MIB, Hostility, Script
from imagesig.testing.hostile.registries.descriptors import DIGESTS
from imagesig.testing.hostile.registries.endpoints import blob, by_digest, image_manifest, signature_manifest
from imagesig.testing.hostile.registries.stage import EMPTY, INDEX, MANIFEST, OTHER_DIGEST, Stage, signed_with
from imagesig.testing.hostile.registries.wire import FLOOD, UNVERIFIED
from imagesig.testing.loopback_server import Answer, Request

_EVIL = (
    b'{"schemaVersion":2,"mediaType":"'
    + MANIFEST.encode()
    + b'","config":'
    + json.dumps(EMPTY).encode()
    + b',"layers":[]}'
)


def _digest_header(value: str) -> Script:
    return signed_with(
        lambda stage: stage.twist(
            image_manifest,
            lambda _r, own: Answer(own.status, own.body, {**own.headers, "docker-content-digest": value}),
        )
    )


def _coming_as(media_type: str) -> Script:
    def twist(_request: Request, own: Answer) -> Answer:
        return Answer(200, own.body, {**own.headers, "content-type": media_type})

    return signed_with(lambda stage: stage.twist(image_manifest, twist))


def _other_bytes(endpoint: Callable[[Request], bool], content: bytes | None = None, *formats: str) -> Script:
    """The same headers, other bytes: as many as before unless `content` is given."""

    def twist(_request: Request, own: Answer) -> Answer:
        return (
            Answer(own.status, own.body.swapcase() if content is None else content, own.headers)
            if own.status == 200
            else own
        )

    return signed_with(lambda stage: stage.twist(endpoint, twist), *formats)


def _pinned(script: Script) -> Script:
    """The image is asked for by its digest."""

    def by_its_digest(stage: Stage) -> None:
        script(stage)
        stage.target = stage.digest

    return by_its_digest


def _many_layers(stage: Stage, count: int) -> None:
    document = stage.manifest(stage.signature_tag)
    (good,) = document["layers"]
    document["layers"] = [*({**good, "digest": f"sha256:{n:064x}", "annotations": {}} for n in range(count)), good]
    stage.store(document, MANIFEST, stage.signature_tag)


def _both_kinds(stage: Stage) -> None:
    stage.signed()
    stage.store({**stage.manifest(stage.digest), "manifests": []}, MANIFEST, "1.0")


LIES = [
    *(
        Hostility(
            f"header-digest-{name}",
            f"The digest header of the manifest is none: {name}.",
            _digest_header(value.encode().decode("latin-1").replace("\n", "")),
            (DigestMismatch, Unreachable, UnexpectedResponse, DeadlineExceeded),
            harmless=True,
        )
        for name, value in DIGESTS.items()
    ),
    *(
        Hostility(
            f"manifest-says-{name}",
            f"The manifest comes as {sentence}.",
            _coming_as(kind),
            (MalformedError, Unreachable, UnexpectedResponse, DeadlineExceeded),
            harmless=True,
        )
        for name, (sentence, kind) in {
            "index": ("an index", INDEX),
            "docker": ("Docker's manifest", "application/vnd.docker.distribution.manifest.v2+json"),
            "schema-1": ("Docker's first manifest", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "html": ("a page", "text/html"),
            "nothing": ("nothing", ""),
            "control": ("control characters", "a/\x1b[2J"),
            "long": ("60,000 characters", "a/" + "b" * 60_000),
        }.items()
    ),
    Hostility(
        "header-digest-of-another",
        "The digest header names other bytes.",
        _digest_header(OTHER_DIGEST),
        (DigestMismatch,),
    ),
    Hostility(
        "manifest-by-digest-is-another",
        "Other bytes come for the digest that was asked for.",
        _pinned(_other_bytes(by_digest, _EVIL)),
        (DigestMismatch, *UNVERIFIED),
        harmless=True,
    ),
    Hostility(
        "manifest-by-digest-is-unsigned",
        "Other bytes come for the digest of an image without a signature.",
        _pinned(
            lambda stage: (stage.push(), stage.twist(by_digest, lambda _r, own: Answer(200, _EVIL, own.headers)))[1]
        ),
        (NoSignatures, DigestMismatch),
    ),
    Hostility("signature-is-another", "The blob of a signature has other bytes.", _other_bytes(blob), UNVERIFIED),
    Hostility(
        "signature-is-longer",
        "The blob of a signature is longer than its descriptor says.",
        _other_bytes(blob, b"x" * MIB),
        UNVERIFIED,
    ),
    Hostility("signature-is-empty", "The blob of a signature is empty.", _other_bytes(blob, b""), UNVERIFIED),
    Hostility(
        "listed-signature-is-another",
        "The payload of a signature has other bytes.",
        _other_bytes(blob, None, "cosign"),
        UNVERIFIED,
    ),
    Hostility(
        "signature-manifest-by-digest-is-another",
        "The manifest of a signature has other bytes.",
        _other_bytes(by_digest, _EVIL),
        UNVERIFIED,
    ),
    Hostility(
        "signatures-of-another-kind",
        "The tag of signatures names an index.",
        signed_with(
            lambda stage: stage.store(
                {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, INDEX, stage.signature_tag
            ),
            "cosign",
        ),
        UNVERIFIED,
    ),
    Hostility(
        "signatures-without-layers",
        "The tag of signatures names a manifest without layers.",
        signed_with(
            lambda stage: stage.store(
                {**stage.manifest(stage.signature_tag), "layers": []}, MANIFEST, stage.signature_tag
            ),
            "cosign",
        ),
        (*UNVERIFIED, NoSignatures),
    ),
    Hostility(
        "signatures-1001",
        "The tag of signatures names 1,001 of them.",
        signed_with(lambda stage: _many_layers(stage, 1001), "cosign"),
        FLOOD,
        harmless=True,
    ),
    Hostility(
        "signatures-15000",
        "The tag of signatures names 15,000 of them.",
        signed_with(lambda stage: _many_layers(stage, 15_000), "cosign"),
        FLOOD,
        harmless=True,
    ),
    Hostility("two-kinds-in-one", "The manifest is an index as well (CVE-2021-41190).", _both_kinds, (MalformedError,)),
    Hostility(
        "signature-tag-is-a-login-page",
        "The tag of signatures is a login page.",
        signed_with(
            lambda stage: stage.answer(signature_manifest, Answer(200, b"<html>", {"content-type": "text/html"})),
            "cosign",
        ),
        UNVERIFIED,
    ),
]
