"""Answers that change between two reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from imagesig.errors import ImageNotFound, NoSignatures, NotFound, Unauthorized, UnexpectedResponse
from imagesig.testing.hostile.kinds import Hostility, Script
from imagesig.testing.hostile.registries.endpoints import anything, blob, by_digest, fallback, image_manifest, referrers
from imagesig.testing.hostile.registries.stage import Stage, index_of, signed_with
from imagesig.testing.hostile.registries.wire import UNVERIFIED
from imagesig.testing.loopback_server import Answer, Request


def _in_turn(
    endpoint: Callable[[Request], bool], *twists: Callable[[Request, Answer], Answer]
) -> Callable[[Stage], None]:
    """The first answer gets the first twist, and so on; all further ones get the last."""

    def apply(stage: Stage) -> None:
        turns = iter(twists)
        last = [next(turns)]

        def twist(request: Request, own: Answer) -> Answer:
            now = last[0]
            last[0] = next(turns, now)
            return now(request, own)

        stage.twist(endpoint, twist)

    return apply


def _own(_request: Request, own: Answer) -> Answer:
    return own


def _gone(_request: Request, _own: Answer) -> Answer:
    return Answer(404, b"{}")


def _empty_list(_request: Request, _own: Answer) -> Answer:
    return index_of({"manifests": []})


def _swapped(_request: Request, own: Answer) -> Answer:
    return Answer(own.status, own.body.swapcase(), own.headers)


def moving_tag(first_signed: bool) -> Script:
    """A tag that names one image when it is read first and another one from then on."""

    def script(stage: Stage) -> None:
        make = (stage.signed, stage.push) if first_signed else (stage.push, stage.signed)
        make[0](tag="a", content=b"first")
        make[1](tag="b", content=b"second")
        reads = itertools.count()

        def fault(request: Request) -> Answer | None:
            if not image_manifest(request):
                return None
            content, media_type = stage.server.manifest("team/app", "a" if next(reads) == 0 else "b")
            return Answer(200, content, {"content-type": media_type})

        stage.fault(fault)

    return script


CHANGES = [
    Hostility(
        "tag-moves-to-an-unsigned-image",
        "A tag names a signed image at the first read and another one afterwards.",
        moving_tag(True),
        UNVERIFIED,
        harmless=True,
    ),
    Hostility(
        "tag-moves-to-a-signed-image",
        "A tag names an unsigned image at the first read and a signed one afterwards.",
        moving_tag(False),
        (NoSignatures,),
    ),
    Hostility(
        "list-becomes-empty",
        "The list of referrers is empty at the second read.",
        signed_with(_in_turn(referrers, _own, _empty_list)),
        (),
        harmless=True,
    ),
    Hostility(
        "list-becomes-an-error",
        "The list of referrers is an error at the second read.",
        signed_with(_in_turn(referrers, _own, lambda _r, _o: Answer(418))),
        (),
        harmless=True,
    ),
    Hostility(
        "list-is-empty-at-first",
        "The list of referrers is empty at the first read.",
        signed_with(_in_turn(referrers, _empty_list, _own)),
        (NoSignatures,),
    ),
    Hostility(
        "signature-manifest-is-deleted",
        "A listed signature is deleted before it is read.",
        signed_with(_in_turn(by_digest, _gone)),
        UNVERIFIED,
    ),
    Hostility(
        "signature-blob-is-deleted",
        "The blob of a signature is deleted before it is read.",
        signed_with(_in_turn(blob, _gone)),
        UNVERIFIED,
    ),
    Hostility(
        "signature-blob-changes",
        "The blob of a signature has other bytes at the second read.",
        signed_with(_in_turn(blob, _own, _swapped)),
        (),
        harmless=True,
    ),
    Hostility(
        "signature-blob-is-wrong-at-first",
        "The blob of a signature has other bytes at the first read.",
        signed_with(_in_turn(blob, _swapped, _own)),
        UNVERIFIED,
        harmless=True,
    ),
    Hostility(
        "image-is-deleted",
        "The image is deleted after its tag was read.",
        signed_with(_in_turn(by_digest, _own, _gone)),
        (NotFound,),
        harmless=True,
    ),
    Hostility(
        "image-was-never-there",
        "There is no such image.",
        lambda stage: (stage.signed(), stage.answer(image_manifest, Answer(404)))[1],
        (ImageNotFound,),
    ),
    Hostility(
        "everything-is-gone-after-the-tag",
        "Everything is gone after the tag was read.",
        signed_with(_in_turn(anything, _own, _gone)),
        (ImageNotFound,),
    ),
    Hostility(
        "everything-is-forbidden-after-the-tag",
        "Everything is forbidden after the tag was read.",
        signed_with(_in_turn(anything, _own, lambda _r, _o: Answer(403))),
        (Unauthorized,),
    ),
    Hostility(
        "no-api-and-no-fallback",
        "There is no referrers API, and the fallback tag fails.",
        signed_with(lambda stage: (stage.answer(referrers, Answer(404)), stage.answer(fallback, Answer(418)))),
        (UnexpectedResponse,),
    ),
    Hostility(
        "no-api-and-an-empty-fallback",
        "There is no referrers API and no fallback tag.",
        signed_with(lambda stage: stage.answer(referrers, Answer(404))),
        (NoSignatures,),
    ),
]
