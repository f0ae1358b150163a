"""Lies about digests, sizes and types."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    MalformedError,
    NoSignatures,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.kinds import Hostility, Script
from imagesig.testing.hostile.stage import (
    BUNDLE,
    EMPTY,
    INDEX,
    MANIFEST,
    Stage,
    blob,
    by_digest,
    image_manifest,
    signature_manifest,
    signed_with,
)
from imagesig.testing.hostile.wire import FLOOD, UNVERIFIED
from imagesig.testing.registry import Answer, Request

MIB = 1024 * 1024
_EVIL = (
    b'{"schemaVersion":2,"mediaType":"'
    + MANIFEST.encode()
    + b'","config":'
    + json.dumps(EMPTY).encode()
    + b',"layers":[]}'
)
# --- digests ---------------------------------------------------------------------------------------------------------


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
    """The same headers, other bytes: just as many unless they are given."""

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


_DIGESTS = {
    "upper-case": "sha256:" + "A" * 64,
    "short": "sha256:abc",
    "sha512": "sha512:" + "a" * 128,
    "md5": "md5:" + "a" * 32,
    "path": "sha256:../../../../etc/passwd",
    "slash": "sha256:" + "a" * 63 + "/",
    "empty": "",
    "no-colon": "a" * 64,
    "line-break": "sha256:" + "a" * 64 + "\n",
    "long": "sha256:" + "a" * 60_000,
    "query": "sha256:" + "a" * 64 + "?x=y",
    "astral": "sha256:" + "\U0001d7d8" * 64,
}
_SIZES: dict[str, object] = {
    "one-less": -1,
    "one-more": 1,
    "below-zero": "-1",
    "zero": "0",
    "2-to-the-63": "9223372036854775808",
    "tebibyte": "1099511627776",
    "1e3": "1e3",
    "fraction": "1.5",
    "text": '"10"',
    "null": "null",
    "true": "true",
    "5000-digits": "9" * 5000,
}


def _entry(change: Callable[[dict[str, Any]], object]) -> Script:
    """The list of referrers has the signature's own entry, changed."""

    def apply(stage: Stage) -> None:
        (entry,) = stage.listed()
        changed = change(entry)
        stage.lists([changed if isinstance(changed, str) else entry])

    return signed_with(apply)


def _layer(change: Callable[[dict[str, Any]], object], *formats: str) -> Script:
    """The layer of the signature's manifest, changed; the list names the changed manifest."""

    def apply(stage: Stage) -> None:
        if formats:
            document = stage.manifest(stage.signature_tag)
        else:
            document, _ = stage.signature()
        changed = change(document["layers"][0])
        content = json.dumps(document).encode()
        if isinstance(changed, str):
            content = content.replace(json.dumps(document["layers"][0]).encode(), changed.encode())
        if formats:
            stage.store(content, MANIFEST, stage.signature_tag)
        else:
            stored = stage.store(content)
            stage.lists([{"mediaType": MANIFEST, "digest": stored, "size": len(content), "artifactType": BUNDLE}])

    return signed_with(apply, *formats)


def _sized(value: object) -> Callable[[dict[str, Any]], object]:
    """A size by so much off, or another text in its place."""

    def change(descriptor: dict[str, Any]) -> object:
        if isinstance(value, int):
            descriptor["size"] += value
            return None
        whole = json.dumps(descriptor)
        return whole.replace(f'"size": {descriptor["size"]}', f'"size": {value}')

    return change


def _member(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda descriptor: descriptor.__setitem__(name, value)


def _twin(text: str) -> Callable[[dict[str, Any]], object]:
    return lambda descriptor: json.dumps(descriptor)[:-1] + ", " + text + "}"


_OTHER = "sha256:" + "0" * 64
_CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    **{f"size-{name}": (f"a size that is wrong: {name}", _sized(value)) for name, value in _SIZES.items()},
    **{
        f"digest-{name}": (f"a digest that is none: {name}", _member("digest", value))
        for name, value in _DIGESTS.items()
    },
    "digest-of-nothing": ("the digest of nothing that is there", _member("digest", _OTHER)),
    "digest-number": ("a number for its digest", _member("digest", 1)),
    "type-index": ("the type of an index", _member("mediaType", INDEX)),
    "type-unknown": ("an unknown type", _member("mediaType", "application/x")),
    "type-empty": ("an empty type", _member("mediaType", "")),
    "type-number": ("a number for its type", _member("mediaType", 1)),
    "type-control": ("control characters in its type", _member("mediaType", "a/\x1b[2Jb\nverified")),
    "type-long": ("a type of 60,000 characters", _member("mediaType", "a/" + "b" * 60_000)),
    "twin-digest": ("a second digest in another case", _twin(f'"Digest": "{_OTHER}"')),
    "twin-digest-exact": ("a second digest", _twin(f'"digest": "{_OTHER}"')),
    "twin-size": ("a second size in another case", _twin('"SIZE": 1')),
    "twin-folded": ("a second size with a long s", _twin('"\u017fize": 1')),
    "urls": ("addresses of its own", _member("urls", ["http://169.254.169.254/"])),
    "data": ("data of its own", _member("data", "e30=")),
    "annotations-number": ("a number for annotations", _member("annotations", 1)),
    "annotations-nested": ("objects for annotations", _member("annotations", {"a": {"b": {}}})),
    "annotations-many": ("2,000 annotations", _member("annotations", {str(n): "x" for n in range(2000)})),
}


def _lies() -> list[Hostility]:
    made = [
        Hostility(
            f"header-digest-{name}",
            f"The digest header of the manifest is none: {name}.",
            _digest_header(value.encode().decode("latin-1").replace("\n", "")),
            (DigestMismatch, Unreachable, UnexpectedResponse, DeadlineExceeded),
            harmless=True,
        )
        for name, value in _DIGESTS.items()
    ]
    made += [
        Hostility(
            f"entry-{name}",
            f"The entry of the signature has {sentence}.",
            _entry(change),
            (*UNVERIFIED, NoSignatures, UnexpectedResponse),
            harmless=name.startswith(("urls", "data", "type-", "annotations")),
        )
        for name, (sentence, change) in _CHANGES.items()
    ]
    made += [
        Hostility(
            f"layer-{name}",
            f"The layer of the signature has {sentence}.",
            _layer(change),
            (*UNVERIFIED, NoSignatures),
            harmless=name.startswith(("urls", "data", "annotations", "type-unknown")),
        )
        for name, (sentence, change) in _CHANGES.items()
    ]
    made += [
        Hostility(
            f"listed-layer-{name}",
            f"The layer of a signature that a tag lists has {sentence}.",
            _layer(change, "cosign"),
            UNVERIFIED,
            harmless=name.startswith(("urls", "data")),
        )
        for name, (sentence, change) in _CHANGES.items()
    ]
    made += [
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
    ]
    return [
        *made,
        Hostility(
            "header-digest-of-another",
            "The digest header names other bytes.",
            _digest_header(_OTHER),
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
        Hostility(
            "two-kinds-in-one", "The manifest is an index as well (CVE-2021-41190).", _both_kinds, (MalformedError,)
        ),
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


def _many_layers(stage: Stage, count: int) -> None:
    document = stage.manifest(stage.signature_tag)
    (good,) = document["layers"]
    document["layers"] = [*({**good, "digest": f"sha256:{n:064x}", "annotations": {}} for n in range(count)), good]
    stage.store(document, MANIFEST, stage.signature_tag)


def _both_kinds(stage: Stage) -> None:
    stage.signed()
    stage.store({**stage.manifest(stage.digest), "manifests": []}, MANIFEST, "1.0")


LIES = _lies()
