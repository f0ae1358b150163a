"""Every malformed, slow or wrong answer, in the place of each answer that a verification or a copy needs."""

from __future__ import annotations

from collections.abc import Callable

from imagesig.errors import (
    DeadlineExceeded,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    Unauthorized,
    UnexpectedResponse,
)
from imagesig.testing.hostile.kinds import Errors, Hostility, Script
from imagesig.testing.hostile.registries.copying import copying
from imagesig.testing.hostile.registries.endless import ENDLESS
from imagesig.testing.hostile.registries.endpoints import blob, image_manifest, referrers, signature_manifest, token
from imagesig.testing.hostile.registries.logins import OURS, challenged
from imagesig.testing.hostile.registries.misframed import MISFRAMED
from imagesig.testing.hostile.registries.other_protocols import OTHER_PROTOCOLS
from imagesig.testing.hostile.registries.stage import Stage
from imagesig.testing.hostile.registries.statuses import STATUSES
from imagesig.testing.hostile.registries.wire import Wire
from imagesig.testing.loopback_server import Request

_WIRES = (*ENDLESS, *MISFRAMED, *OTHER_PROTOCOLS, *STATUSES)
_ENDPOINTS: dict[str, tuple[str, Callable[[Request], bool], str, Errors]] = {
    "manifest": ("manifest of the image", image_manifest, "bundle", ()),
    "referrers": ("list of referrers", referrers, "bundle", (NoSignatureAccepted, LimitExceeded)),
    "signatures": (
        "manifest that lists signatures",
        signature_manifest,
        "cosign",
        (NoSignatureAccepted, LimitExceeded),
    ),
    "blob": ("blob of a signature", blob, "bundle", (NoSignatureAccepted, LimitExceeded)),
}
_NO_SUCH_API = frozenset({"status-406", "status-410", "status-415", "status-501"})
"""Statuses that mean that there is no referrers API: then the fallback tag decides."""
_COPIED = frozenset(
    {"endless-body", "endless-headers", "silent", "dripping-body", "closed-in-body", "closed-at-once"}
) | {
    *("length-of-5000-digits", "gzip", "http-1.0", "length-beside-chunks", "chunk-size-no-number", "http-2"),
    *("status-206", "status-204", "login-page", "503-0"),
}


def _places_of(wire: Wire) -> tuple[str, ...]:
    """Statuses matter in few places; other answers are tried in every place."""
    if wire.name.startswith(("429-", "503-")):
        return ("manifest", "token") if wire.name == "503-0" else ("manifest",)
    if wire.name.startswith("status-"):
        return ("manifest", "referrers")
    return (*_ENDPOINTS, "token")


def _script(endpoint: Callable[[Request], bool], form: str, wire: Wire) -> Script:
    def script(stage: Stage) -> None:
        stage.signed(form)
        stage.twist(endpoint, wire.twist)

    return script


def _at_token_server(wire: Wire) -> Script:
    def script(stage: Stage) -> None:
        challenged(OURS)(stage)
        stage.server.faults.insert(
            0, lambda request: wire.twist(request, stage.server.own_answer(request)) if token(request) else None
        )

    return script


def _transport() -> list[Hostility]:
    made = []
    for wire in _WIRES:
        for place, (words, endpoint, form, further) in _ENDPOINTS.items():
            if place not in _places_of(wire):
                continue
            missing = place == "referrers" and wire.name in _NO_SUCH_API
            expected = (*wire.expected, *further, *((NoSignatures,) if missing else ()))
            made.append(
                Hostility(
                    f"{place}-{wire.name}",
                    f"The {words} {wire.sentence}.",
                    _script(endpoint, form, wire),
                    expected,
                    harmless=wire.harmless,
                    waits=wire.waits,
                )
            )
        if "token" not in _places_of(wire):
            continue
        made.append(
            Hostility(
                f"token-{wire.name}",
                f"The answer of the token server {wire.sentence}.",
                _at_token_server(wire),
                (
                    *wire.expected,
                    Unauthorized,
                    UnexpectedResponse,
                    MalformedError,
                    DeadlineExceeded,
                ),
                waits=wire.waits,
            )
        )
    return [*made, *copying(tuple(wire for wire in _WIRES if wire.name in _COPIED))]


TRANSPORT = _transport()
