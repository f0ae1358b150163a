"""Redirects, and next pages on other servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from imagesig.testing.hostile.kinds import Hostility, Script
from imagesig.testing.hostile.registries.addresses import ADDRESSES, REFUSED, errors_for
from imagesig.testing.hostile.registries.endpoints import blob, image_manifest, referrers
from imagesig.testing.hostile.registries.stage import NAME, Stage
from imagesig.testing.hostile.registries.wire import LATE, dripping
from imagesig.testing.loopback_server import Answer, Pieces, Request


def _redirects(endpoint: Callable[[Request], bool], place: str, status: int = 307) -> Script:
    return lambda stage: (stage.signed(), stage.answer(endpoint, Answer(status, headers={"location": place})))[1]


def _ping_pong(stage: Stage) -> None:
    stage.signed()
    other = stage.another()
    other.faults.append(lambda request: Answer(307, headers={"location": f"{stage.url}{request.path}"}))
    stage.fault(
        lambda request: (
            Answer(307, headers={"location": f"http://{other.host}{request.path}"}) if image_manifest(request) else None
        )
    )


def _ever_new(stage: Stage) -> None:
    stage.signed()
    count = itertools.count()
    stage.fault(lambda _request: Answer(302, headers={"location": f"/v2/{NAME}/manifests/{next(count)}"}))


def _to_tls(content: Pieces) -> Script:
    def script(stage: Stage) -> None:
        stage.signed()
        listener = stage.listener(content)
        stage.fault(
            lambda request: (
                Answer(307, headers={"location": f"https://{listener}/"}) if image_manifest(request) else None
            )
        )

    return script


def _silent_place(stage: Stage) -> None:
    stage.signed()
    listener = stage.listener(lambda: (3600.0,))
    stage.answer(blob, Answer(307, headers={"location": f"http://{listener}/"}))


def _next_page_elsewhere(stage: Stage) -> None:
    stage.signed()
    other = stage.another()
    stage.twist(
        referrers, lambda _r, own: Answer(200, own.body, {**own.headers, "link": f'<http://{other.host}/>; rel="next"'})
    )


def _next_page(place: str) -> Script:
    def script(stage: Stage) -> None:
        stage.signed()
        stage.twist(referrers, lambda _r, own: Answer(200, own.body, {**own.headers, "link": f'<{place}>; rel="next"'}))

    return script


REDIRECTS = [
    *(
        Hostility(
            f"redirect-{where}-to-{name}",
            f"The {where} is redirected to an address that nobody may be led to: {name}.",
            _redirects(endpoint, place),
            errors_for(name),
        )
        for where, endpoint in {"manifest": image_manifest, "blob": blob}.items()
        for name, place in ADDRESSES.items()
    ),
    *(
        Hostility(
            f"redirect-{status}-loop",
            f"The manifest is redirected to itself with status {status}.",
            _redirects(image_manifest, f"/v2/{NAME}/manifests/1.0", status),
            REFUSED,
        )
        for status in (301, 302, 303, 307, 308)
    ),
    Hostility("redirect-between-two-servers", "Two servers redirect to each other.", _ping_pong, REFUSED),
    Hostility("redirect-to-ever-new-places", "Every answer is a redirect to a new place.", _ever_new, REFUSED),
    Hostility(
        "redirect-without-location",
        "A redirect names no place.",
        lambda stage: (stage.signed(), stage.answer(image_manifest, Answer(307)))[1],
        REFUSED,
    ),
    Hostility(
        "redirect-to-tls-that-drips",
        "A redirect leads to a server whose TLS comes byte by byte.",
        _to_tls(dripping(bytes.fromhex("16030340000200"))),
        LATE,
        waits=True,
    ),
    Hostility(
        "redirect-to-tls-that-is-silent",
        "A redirect leads to a server that never begins TLS.",
        _to_tls(lambda: (3600.0,)),
        LATE,
        waits=True,
    ),
    Hostility(
        "redirect-to-tls-that-is-none",
        "A redirect leads to a server that answers TLS with HTTP.",
        _to_tls(lambda: (b"HTTP/1.1 400 no\r\n\r\n",)),
        LATE,
        waits=True,
    ),
    Hostility(
        "redirect-to-a-silent-server",
        "The blob is redirected to a server that never answers.",
        _silent_place,
        LATE,
        waits=True,
    ),
    Hostility(
        "next-page-on-another-server",
        "The next page of referrers is on another server.",
        _next_page_elsewhere,
        REFUSED,
    ),
    *(
        Hostility(
            f"next-page-{name}",
            f"The next page of referrers is at an address that nobody may be led to: {name}.",
            _next_page(place),
            errors_for(name),
        )
        for name, place in ADDRESSES.items()
        if name != "empty"
    ),
]
