"""`diagnose`: whether this installation, a key and an image work, and what to do if they do not.

Nothing is signed, stored or deleted. A step that fails is a diagnosis and not an error; the next step still runs if
it can.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import version

from msgspec import Struct

from imagesig.api.inspecting import inspect
from imagesig.api.stored_signatures import ImageLike, resolve
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline
from imagesig.errors import DeadlineExceeded, ImagesigError, Unreachable
from imagesig.external import external_call
from imagesig.images.abilities import Permission
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener
from imagesig.images.source import ImageHome
from imagesig.keys.provider import KeyProvider, ManagesKeys, TellsFacts
from imagesig.keys.uri import KEY_HOMES, KeySettings, default_settings, resolve_key
from imagesig.naming import PathLike
from imagesig.version import __version__

_BASE = ("cryptography", "urllib3", "pynacl", "click", "asn1crypto", "cbor2")
_EXTRAS = {home.extra: home.package for home in KEY_HOMES if home.extra} | {"workload": "pyyaml"}
_CLOCK_SECONDS = 60


class State(Enum):
    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


class Diagnosis(Struct, frozen=True):
    """The result of one step: what was found and, unless it is fine, what to do."""

    area: str
    state: State
    detail: str
    hint: str = ""

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {"area": self.area, "state": self.state.value, "detail": self.detail, "hint": self.hint}


@checks_arguments
def diagnose(
    key: str | PathLike = "", image: ImageLike = "", *, settings: KeySettings | None = None
) -> Iterator[Diagnosis]:
    """Checks the installation, then the key and the image if they are given; each result comes as it is found.

    The key signs a harmless test message. The registry is asked whether this login may read, push and delete there,
    by requests that change nothing: an upload that is cancelled, and the deletion of something that does not exist.
    """
    yield from _each("imagesig", _installation())
    if key:
        yield from _each("key", _key(key, settings or default_settings()))
    if image:
        yield from _each("image", _image(image))


def _each(area: str, steps: Iterator[Diagnosis]) -> Iterator[Diagnosis]:
    """The results as they come. An exception of a step becomes the last result of its area."""
    try:
        with external_call(area):
            yield from steps
    except ImagesigError as error:
        yield _failed(area, error)


def _within(seconds: float, steps: Iterator[Diagnosis]) -> Iterator[Diagnosis]:
    """The results, within so many seconds; the time that the consumer takes between two of them does not count."""
    while True:
        start = time.monotonic()
        with deadline(seconds):
            step = next(steps, None)
        seconds -= time.monotonic() - start
        if step is None:
            return
        yield step


def _installation() -> Iterator[Diagnosis]:
    yield Diagnosis("imagesig", State.OK, f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    versions = {name: _version(name) for name in _BASE}
    unknown = [name for name, found in versions.items() if not found]
    yield Diagnosis(
        "packages",
        State.NOTE if unknown else State.OK,
        ", ".join(f"{name} {found or 'of unknown version'}" for name, found in versions.items()),
    )
    for extra, package in _EXTRAS.items():
        if found := _version(package):
            yield Diagnosis(f"extra {extra}", State.OK, f"{package} {found}")
        else:
            yield Diagnosis(
                f"extra {extra}", State.NOTE, "not installed", f"if needed, run: pip install 'imagesig[{extra}]'"
            )


def _version(package: str) -> str:
    """The version of an installed package; empty if it is not installed or its files have no version."""
    try:
        return str(version(package) or "")
    except Exception:  # noqa: BLE001 - it reads files of other packages
        return ""


def _key(uri: str | PathLike, settings: KeySettings) -> Iterator[Diagnosis]:
    provider, name = resolve_key(uri, settings)
    with provider:
        seconds = settings.timeout
        yield from _each("key's home", _within(seconds, _facts(provider)))
        if name:
            yield from _each("public key", _within(seconds, _public_keys(provider, name)))
            yield from _each("signing", _within(seconds, _signing(provider, name)))
        else:
            yield from _each("keys", _within(seconds, _listed_keys(provider)))


def _facts(provider: KeyProvider) -> Iterator[Diagnosis]:
    if not isinstance(provider, TellsFacts):
        return
    for area, fact in provider.facts():
        yield _failed(area, fact) if isinstance(fact, ImagesigError) else Diagnosis(area, State.OK, fact)


def _public_keys(provider: KeyProvider, name: str) -> Iterator[Diagnosis]:
    for number, public_key in enumerate(provider.public_keys(name)):
        area = "public key" if number == 0 else "older public key"
        yield Diagnosis(area, State.OK, f"{public_key.key_type.value} {public_key.fingerprint}")


def _signing(provider: KeyProvider, name: str) -> Iterator[Diagnosis]:
    with provider.open(name) as key:
        info = key.info
        yield Diagnosis("key", State.OK, f"{info.key_id}: {', '.join(map(str, info.algorithms))}")
        yield Diagnosis("signing", State.OK, key.check())


def _listed_keys(provider: KeyProvider) -> Iterator[Diagnosis]:
    if not isinstance(provider, ManagesKeys):
        return
    for item in provider.list():
        state = State.OK if item.key_type else State.NOTE
        kind = item.key_type.value if item.key_type else "unusable"
        yield Diagnosis("key", state, f"{item.uri}: {kind} {item.detail}".rstrip())


def _image(given: ImageLike) -> Iterator[Diagnosis]:
    image = ImageOpener().open(given)
    with deadline(image.timeout):
        digest = ""
        try:
            with external_call("image"):
                digest = resolve(image).digest
            yield Diagnosis("image", State.OK, f"{image}: {digest}")
        except ImagesigError as error:
            yield _failed("image", error)
            if isinstance(error, Unreachable | DeadlineExceeded):
                return
        yield from _each("registry", _registry(image.signatures, digest))
        if digest:
            yield from _each("signatures", _signatures(image))


def _registry(home: ImageHome, digest: str) -> Iterator[Diagnosis]:
    """What a registry can do and this login may do there; nothing for a local image."""
    seen = home.probe(digest)
    if seen is None:
        return
    yield Diagnosis("login", State.OK, f"as {seen.login}")
    yield _clock(seen.server_time)
    if seen.referrers_api is not None:
        detail = (
            "the registry has the API" if seen.referrers_api else "no API: listed in a fallback tag that writers share"
        )
        yield Diagnosis("referrers", State.OK if seen.referrers_api else State.NOTE, detail)
    yield _permission(
        "push", seen.push, "signing needs it: log in as a user who may push, or use another signature repository"
    )
    yield _permission("delete", seen.delete, "only removing signatures needs it")


def _permission(area: str, permission: Permission, hint: str) -> Diagnosis:
    allowed = permission is Permission.ALLOWED
    return Diagnosis(area, State.OK if allowed else State.NOTE, permission.value, "" if allowed else hint)


def _clock(server_time: datetime | None) -> Diagnosis:
    if server_time is None:
        return Diagnosis("clock", State.NOTE, "the registry sends no time")
    seconds = (datetime.now(UTC) - server_time).total_seconds()
    if abs(seconds) <= _CLOCK_SECONDS:
        return Diagnosis("clock", State.OK, "agrees with the registry's clock")
    direction = "ahead of" if seconds > 0 else "behind"
    return Diagnosis(
        "clock",
        State.FAILED,
        f"{abs(seconds):.0f} s {direction} the registry's clock: valid tokens and certificates may be refused",
        "set the clock, for example with chrony or systemd-timesyncd",
    )


def _signatures(image: Image) -> Iterator[Diagnosis]:
    found = inspect(image, recursive=False).signatures
    readable = [signature for signature in found if not signature.problem]
    formats = ", ".join(sorted({signature.format for signature in readable})) or "none"
    yield Diagnosis(
        "signatures", State.OK if readable else State.NOTE, f"{len(readable)} stored ({formats}), not verified"
    )
    for signature in found:
        if signature.problem:
            yield Diagnosis("signatures", State.NOTE, f"{signature.origin}: {signature.problem}")


def _failed(area: str, error: ImagesigError) -> Diagnosis:
    return Diagnosis(area, State.FAILED, str(error), error.hint)
