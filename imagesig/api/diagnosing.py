"""`diagnose`: whether this installation, a key and an image work, and what to do if they do not.

Nothing is signed, stored or deleted. A step that fails is a diagnosis and not an error; the next step still runs if
it can.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING

from imagesig.api.doctor.diagnosis import Diagnosis, State, each, failed, grouped, unrepeated, within
from imagesig.api.doctor.repositories import Repository
from imagesig.api.doctor.servers import endpoint
from imagesig.api.inspecting import inspect
from imagesig.api.stored_signatures import ImageLike, resolve
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError, InvalidArgument, Unauthorized
from imagesig.external import external_call
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike, is_local
from imagesig.keys.endpoint import HasEndpoint
from imagesig.keys.provider import KeyProvider, ManagesKeys, TellsFacts
from imagesig.keys.uri import KEY_HOMES, KeySettings, default_settings, resolve_key
from imagesig.naming import PathLike
from imagesig.oci.reference import parse_reference
from imagesig.version import __version__

if TYPE_CHECKING:
    from imagesig.api.doctor.trust_data import DiagnosedTrust

_BASE = ("asn1crypto", "cbor2", "click", "cryptography", "httptools", "msgspec", "pynacl")
"""The packages that imagesig always needs. A test compares them, and the extras, with pyproject.toml."""
_EXTRAS = {home.extra: home.package for home in KEY_HOMES if home.extra} | {
    "workload": "pyyaml",
    "docker": "docker",
    "cel": "cel-expr-python",
}


@checks_arguments
def diagnose(
    key: str | PathLike = "",
    image: ImageLike = "",
    *,
    settings: KeySettings | None = None,
    transport: TransportLike | None = None,
    trust: DiagnosedTrust | None = None,
) -> Iterator[Diagnosis]:
    """Checks the installation, then the key and the image if they are given; each result comes as it is found.

    The key signs a harmless test message. The registry is asked whether this login may read, push and delete there,
    by requests that change nothing: an upload that is cancelled, and the deletion of something that does not exist.
    `transport` says how an image is reached that is given by name. With `trust`, the trust server of its repository is
    asked too (Docker Content Trust).
    """
    yield from grouped("imagesig", each("imagesig", _installation()))
    if key:
        yield from grouped("key", unrepeated(each("key", _key(key, settings or default_settings()))))
    if image:
        yield from grouped("image", each("image", _image(image, transport)))
    if trust is not None:
        yield from grouped("content trust", each("trust server", _trust(trust, image)))


def _trust(trust: DiagnosedTrust, image: ImageLike) -> Iterator[Diagnosis]:
    name = image.name if isinstance(image, Image) else parse_reference(image) if image and not is_local(image) else None
    if name is None:
        raise InvalidArgument("content trust: no repository of a registry is given, one is needed")
    return trust.steps(name)


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
        yield from each("key store", within(seconds, _server(provider, settings)))
        yield from each("key store", within(seconds, _facts(provider)))
        if name:
            yield from each("public key", within(seconds, _public_keys(provider, name)))
            yield from each("signing", within(seconds, _signing(provider, name)))
        else:
            yield from each("keys", within(seconds, _listed_keys(provider)))


def _server(provider: KeyProvider, settings: KeySettings) -> Iterator[Diagnosis]:
    if not isinstance(provider, HasEndpoint):
        return
    try:
        found = provider.endpoint()
    except ImagesigError:
        return  # the facts fail for the same reason, and say it
    if found is not None:
        yield from endpoint(found, settings.environ)


def _facts(provider: KeyProvider) -> Iterator[Diagnosis]:
    if not isinstance(provider, TellsFacts):
        return
    for area, fact in provider.facts():
        yield failed(area, fact) if isinstance(fact, ImagesigError) else Diagnosis(area, State.OK, fact)


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


def _image(given: ImageLike, transport: TransportLike | None) -> Iterator[Diagnosis]:
    with closing(ImageOpener(transport)) as opener:
        image = opener.open(given)
        of_image = f"image {image}"
        repository = Repository.of(image.home, image.timeout)
        yield from grouped(of_image, repository.reached())
        digests: list[str] = []
        yield from grouped(of_image, repository.steps.run("image", lambda: _resolved(image, digests, repository)))
        digest = digests[0] if digests else ""
        if image.signatures.identity == image.home.identity:
            yield from grouped(of_image, repository.used(digest))
        else:
            repository = Repository.of(image.signatures, image.timeout)
            signatures = (repository.reached(), repository.used(digest))
            yield from grouped(f"signature repository {image.signatures.name}", chain(*signatures))
        if digest:
            yield from grouped(of_image, repository.steps.run("signatures", lambda: _signatures(image)))


def _resolved(image: Image, digests: list[str], repository: Repository) -> Iterator[Diagnosis]:
    try:
        with deadline(image.timeout), external_call("image"):
            digests.append(resolve(image).digest)
    except Unauthorized as error:
        yield Diagnosis("image", State.FAILED, f"{error}; the login is {repository.login}", error.hint)
    else:
        yield Diagnosis("image", State.OK, f"{image}: {digests[0]}")


def _signatures(image: Image) -> Iterator[Diagnosis]:
    with deadline(image.timeout):
        found = inspect(image, recursive=False).signatures
    readable = [signature for signature in found if not signature.problem]
    formats = ", ".join(sorted({signature.format for signature in readable})) or "none"
    yield Diagnosis(
        "signatures", State.OK if readable else State.NOTE, f"{len(readable)} stored ({formats}), not verified"
    )
    for signature in found:
        if signature.problem:
            yield Diagnosis("signatures", State.NOTE, f"{signature.origin}: {signature.problem}")
