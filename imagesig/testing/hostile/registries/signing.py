"""What a registry does to a program that signs an image in it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

from imagesig.errors import (
    AttachIncomplete,
    DeadlineExceeded,
    DigestMismatch,
    MalformedError,
    TransportError,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.kinds import Errors, Hostility, Script, Work
from imagesig.testing.hostile.registries.addresses import ADDRESSES, errors_for
from imagesig.testing.hostile.registries.changes import moving_tag
from imagesig.testing.hostile.registries.endpoints import (
    anything,
    completed,
    fallback,
    referrers,
    signature_manifest,
    upload,
    written,
)
from imagesig.testing.hostile.registries.stage import INDEX, MANIFEST, NAME, OTHER_DIGEST, Stage
from imagesig.testing.loopback_server import Answer, Request

_NO_UPLOAD: Errors = (UnexpectedResponse, AttachIncomplete)
_WRITE: Errors = (TransportError, MalformedError, AttachIncomplete, DeadlineExceeded)


def _unsigned(change: Callable[[Stage], object]) -> Script:
    def script(stage: Stage) -> None:
        stage.push()
        change(stage)

    return script


def _signing(
    name: str,
    sentence: str,
    change: Callable[[Stage], object],
    expected: Errors = _WRITE,
    *,
    harmless: bool = False,
    waits: bool = False,
) -> Hostility:
    return Hostility(name, sentence, _unsigned(change), expected, Work.SIGNING, harmless, waits)


def _tag_holds(content: bytes, media_type: str, suffix: str = ".sig") -> Callable[[Stage], object]:
    return lambda stage: stage.store(content, media_type, stage.digest.replace(":", "-") + suffix)


def _ever_changing(stage: Stage) -> None:
    numbers = itertools.count()

    def fault(request: Request) -> Answer | None:
        if not signature_manifest(request):
            return None
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "a/b", "digest": OTHER_DIGEST, "size": 1},
            "layers": [],
            "annotations": {"n": str(next(numbers))},
        }
        return Answer(200, json.dumps(document).encode(), {"content-type": MANIFEST})

    stage.fault(fault)


def _to_another(stage: Stage) -> None:
    other = stage.another()
    other.faults.append(lambda _request: Answer(201))
    stage.answer(upload, Answer(202, headers={"location": f"http://{other.host}/take"}))


def _begins_for_ever(stage: Stage) -> None:
    again = Answer(202, headers={"location": f"/v2/{NAME}/blobs/uploads/1"})
    stage.answer(upload, again)
    stage.answer(completed, again)


def _without_api(stage: Stage) -> Stage:
    """No referrers API, and no headers in the answer to a stored manifest, so no `OCI-Subject`."""
    stage.answer(referrers, Answer(404))
    return stage.twist(written, lambda _r, own: Answer(own.status, own.body))


def _uploads_to(place: str) -> Script:
    def script(stage: Stage) -> None:
        stage.push()
        stage.answer(upload, Answer(202, headers={"location": place}))

    return script


SIGNING = [
    _signing(
        "upload-without-a-place",
        "An upload begins and no place is named.",
        lambda stage: stage.answer(upload, Answer(202)),
        _NO_UPLOAD,
    ),
    _signing("upload-to-another-server", "An upload is to go to another server, which takes it.", _to_another),
    _signing(
        "upload-begins-for-ever",
        "Every upload is answered with the beginning of another one.",
        _begins_for_ever,
        _NO_UPLOAD,
    ),
    _signing(
        "upload-redirects",
        "An upload is redirected to another server.",
        lambda stage: stage.answer(upload, Answer(307, headers={"location": "//127.0.0.2:9/"})),
        _NO_UPLOAD,
    ),
    _signing(
        "upload-redirects-for-ever",
        "An upload is redirected to itself.",
        lambda stage: stage.answer(upload, Answer(307, headers={"location": f"/v2/{NAME}/blobs/uploads/"})),
        _NO_UPLOAD,
    ),
    _signing(
        "upload-is-never-known",
        "Every upload is unknown.",
        lambda stage: stage.answer(upload, Answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')),
        (*_WRITE,),
        waits=True,
    ),
    _signing(
        "upload-digest-is-never-valid",
        "The digest of every upload is invalid.",
        lambda stage: stage.answer(upload, Answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')),
        (*_WRITE,),
        waits=True,
    ),
    _signing(
        "upload-is-too-large", "Every upload is too large.", lambda stage: stage.answer(upload, Answer(413)), _NO_UPLOAD
    ),
    _signing(
        "upload-says-200",
        "An upload is answered with status 200.",
        lambda stage: stage.answer(upload, Answer(200)),
        _NO_UPLOAD,
    ),
    _signing(
        "upload-is-not-stored",
        "An upload is said to be stored, and is not.",
        lambda stage: stage.answer(upload, Answer(201)),
        (*_WRITE,),
    ),
    _signing(
        "manifest-is-not-stored",
        "A signature's manifest is said to be stored, and is not.",
        lambda stage: stage.answer(written, Answer(201)),
        _WRITE,
        harmless=True,
    ),
    _signing(
        "manifest-is-stored-as-another",
        "Another digest is said to be stored.",
        lambda stage: stage.answer(written, Answer(201, headers={"docker-content-digest": OTHER_DIGEST})),
        (DigestMismatch, AttachIncomplete),
    ),
    _signing(
        "manifest-says-200",
        "A manifest is answered with status 200.",
        lambda stage: stage.answer(written, Answer(200)),
        (UnexpectedResponse, AttachIncomplete),
    ),
    _signing(
        "manifest-refers-to-another",
        "OCI-Subject names another image.",
        lambda stage: stage.twist(
            written, lambda _r, own: Answer(own.status, own.body, {**own.headers, "oci-subject": OTHER_DIGEST})
        ),
        _WRITE,
        harmless=True,
    ),
    _signing(
        "error-of-control-characters",
        "An error has control characters and forged lines.",
        lambda stage: stage.answer(
            upload,
            Answer(
                400,
                json.dumps(
                    {"errors": [{"code": "\x1b[2J\nverified", "message": "\u202e\r\nverified sha256:0" * 999}]}
                ).encode(),
            ),
        ),
        _NO_UPLOAD,
    ),
    _signing(
        "tag-holds-another-kind",
        "The tag of signatures holds an index.",
        _tag_holds(b'{"schemaVersion":2,"mediaType":"' + INDEX.encode() + b'","manifests":[]}', INDEX),
        (MalformedError, AttachIncomplete),
    ),
    _signing(
        "tag-holds-no-document",
        "The tag of signatures holds no document.",
        _tag_holds(b"x", MANIFEST),
        (MalformedError, AttachIncomplete),
    ),
    _signing(
        "tag-holds-4-mib",
        "The tag of signatures holds 4 MiB of blanks.",
        _tag_holds(b'{"schemaVersion":2' + b" " * 4_190_000 + b"}", MANIFEST),
        (MalformedError, AttachIncomplete, UnexpectedResponse),
    ),
    _signing(
        "tag-holds-twins",
        "The manifest of signatures has layers in two cases.",
        _tag_holds(b'{"schemaVersion":2,"mediaType":"' + MANIFEST.encode() + b'","layers":[],"Layers":[]}', MANIFEST),
        (MalformedError, AttachIncomplete),
    ),
    _signing(
        "tag-changes-for-ever",
        "The tag of signatures has another content at every read.",
        _ever_changing,
        (*_WRITE,),
        waits=True,
    ),
    _signing(
        "fallback-holds-no-document",
        "There is no referrers API, and the fallback tag holds no document.",
        lambda stage: (_without_api(stage), _tag_holds(b"x", INDEX, "")(stage)),
        _WRITE,
    ),
    _signing(
        "fallback-is-a-login-page",
        "There is no referrers API, and the fallback tag is a login page.",
        lambda stage: (_without_api(stage), stage.answer(fallback, Answer(200, b"<html>"))),
        _WRITE,
    ),
    _signing(
        "referrers-fail-while-signing",
        "The referrers API fails while a signature is attached.",
        lambda stage: (
            stage.twist(written, lambda _r, own: Answer(own.status, own.body)),
            stage.answer(referrers, Answer(418)),
        ),
        _WRITE,
        harmless=True,
    ),
    _signing(
        "everything-busy-while-signing",
        "Everything is busy for ever.",
        lambda stage: stage.answer(anything, Answer(503, headers={"retry-after": "0"})),
        (Unreachable, DeadlineExceeded, AttachIncomplete),
        waits=True,
    ),
    Hostility(
        "sign-what-was-resolved",
        "A tag names another image at the second read, while the first is signed.",
        moving_tag(False),
        _WRITE,
        Work.SIGNING,
        harmless=True,
    ),
    *(
        Hostility(
            f"upload-to-{name}",
            f"A blob is to be uploaded to an address that nobody may be led to: {name}.",
            _uploads_to(place),
            (AttachIncomplete, *errors_for(name)),
            Work.SIGNING,
        )
        for name, place in ADDRESSES.items()
    ),
]
