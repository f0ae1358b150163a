"""What a registry does to a program that copies an image from it."""

from __future__ import annotations

from collections.abc import Callable

from imagesig.errors import DeadlineExceeded, ImagesigError, LimitExceeded
from imagesig.testing.hostile.kinds import Hostility, Script, Work
from imagesig.testing.hostile.registries.changes import moving_tag
from imagesig.testing.hostile.registries.endpoints import blob
from imagesig.testing.hostile.registries.stage import Stage
from imagesig.testing.hostile.registries.wire import NO_USE, Wire
from imagesig.testing.loopback_server import Answer, Request

_LAYER_LIES: dict[str, tuple[str, Callable[[Request, Answer], Answer]]] = {
    "is-another": ("has other bytes", lambda _r, own: Answer(own.status, own.body.swapcase(), own.headers)),
    "is-longer": (
        "is longer than its descriptor says",
        lambda _r, own: Answer(own.status, own.body + b"x" * 1_000_000, own.headers),
    ),
    "is-shorter": (
        "is shorter than its descriptor says",
        lambda _r, own: Answer(own.status, own.body[:-1], own.headers),
    ),
    "is-empty": ("is empty", lambda _r, own: Answer(own.status, b"", own.headers)),
    "is-missing": ("is missing", lambda _r, _o: Answer(404)),
}


def copying(wires: tuple[Wire, ...]) -> list[Hostility]:
    """Each of these answers in the place of a layer, and lies about it, while an image is copied."""

    def apply(twist: Callable[[Request, Answer], Answer]) -> Script:
        def script(stage: Stage) -> None:
            stage.signed()
            stage.twist(blob, twist)

        return script

    errors: tuple[type[ImagesigError], ...] = (*NO_USE, LimitExceeded)
    made = [
        Hostility(
            f"copy-{wire.name}",
            f"While an image is copied, a blob {wire.sentence}.",
            apply(wire.twist),
            (*wire.expected, *errors, DeadlineExceeded),
            Work.COPYING,
            wire.harmless,
            wire.waits,
        )
        for wire in wires
    ]
    made += [
        Hostility(
            f"copied-layer-{name}", f"While an image is copied, a blob {sentence}.", apply(twist), errors, Work.COPYING
        )
        for name, (sentence, twist) in _LAYER_LIES.items()
    ]
    made.append(
        Hostility(
            "copy-what-was-resolved",
            "A tag names another image at the second read, while the first is copied.",
            moving_tag(True),
            errors,
            Work.COPYING,
            harmless=True,
        )
    )
    return made
