"""Opens images by the names that people type."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.arguments import check_fields
from imagesig.errors import InvalidArgument
from imagesig.images.image import Image
from imagesig.images.local_path import local_path
from imagesig.naming import is_raw_key
from imagesig.oci.digest import is_digest
from imagesig.oci.reference import parse_reference
from imagesig.redacted import RedactedStruct
from imagesig.text import holds_key, quote

if TYPE_CHECKING:
    from imagesig.images.registry.connect import RegistryClient
    from imagesig.images.registry.credential import CredentialSource
else:
    CredentialSource = NewType("CredentialSource", object)  # speed: for inspect.signature (benchmarks/test_cli.py)


def _path_alone(rest: str) -> tuple[str, str]:
    return rest, ""


def _path_and_reference(rest: str) -> tuple[str, str]:
    # The path ends at the first colon, as in skopeo: podman names images of layouts `localhost/app:1.0`.
    path, _, reference = rest.partition(":")
    return path, reference


class _Form(Struct, frozen=True):
    """How one form of local image is opened, and how the text after `form:` is split into path and target.

    `module` has the function `opener`, which takes path, target and timeout, and the class `home`, whose `create` makes
    an `ImageHome` at a path. A form without a class is read only.
    """

    module: str
    opener: str
    home: str
    split: Callable[[str], tuple[str, str]]
    has_digests: bool = True


FORMS: Mapping[str, _Form] = {
    "oci": _Form("imagesig.images.layout.layout", "layout", "Layout", _path_and_reference),
    "oci-archive": _Form("imagesig.images.archive.archive", "archive", "Archive", _path_and_reference),
    "docker-archive": _Form("imagesig.images.archive.docker", "docker_archive", "", _path_and_reference),
    "dir": _Form("imagesig.images.directory.directory", "directory", "Directory", _path_alone, has_digests=False),
}
"""Every form of local image. A further one is a folder, and a line here."""
_DIGESTS = ("sha256", "sha384", "sha512")
"""How a digest starts. Another text after @ is a part of the path."""
_PREFIXES = tuple(f"{form}:" for form in FORMS)


def is_local(text: str) -> bool:
    """Whether the text names a file or directory, not an image in a registry."""
    return text.startswith(_PREFIXES)


def is_private_key(text: str) -> bool:
    """Whether a private key was given in place of an image: it is never shown."""
    path = text.partition(":")[2] if is_local(text) else text
    return holds_key(text) or (is_raw_key(path) and not os.path.lexists(path))


class Transport(RedactedStruct, frozen=True):
    """The settings for opening images by name. `registry()` explains them.

    It can be pickled if its `credentials` can: workers in other processes open their own connections with it.

    Raises:
        InvalidArgument: a setting of a wrong type.
    """

    hidden = ("credentials",)

    plain_http: bool = False
    ca_file: Path | None = None
    credentials: tuple[str, str] | CredentialSource | None = None
    timeout: float = limits.OPERATION_SECONDS
    signature_repository: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


class ImageOpener:
    """Opens images by name, with one pool of connections and one login for each registry. Thread-safe.

    `transport` are settings, or the connections and logins of a client or of another opener, which stay open when this
    one is closed. `timeout` replaces that of the settings and of images that are opened already.

    Raises:
        InvalidArgument: another kind of transport, or a timeout that is not a positive number.
    """

    def __init__(self, transport: TransportLike | None = None, timeout: float | None = None) -> None:
        if timeout is not None and (not isinstance(timeout, int | float) or not timeout > 0):
            raise InvalidArgument(f"timeout {quote(timeout)}: a positive number of seconds is needed")
        self._timeout = timeout
        self._parent: ImageOpener | None = None
        self._client: RegistryClient | None = None
        self._owns_client = True
        self._lock = threading.Lock()
        self.settings = Transport()
        if isinstance(transport, Transport):
            self.settings = transport
        elif isinstance(transport, ImageOpener):
            self.settings, self._parent, self._owns_client = transport.settings, transport, False
        elif transport is not None:
            self._client, self._owns_client = _client(transport), False
        if timeout is not None:
            self.settings = replace(self.settings, timeout=timeout)

    def open(self, image: str | Image) -> Image:
        """The image by this name, or the image itself. Raises as `open_image` does."""
        if isinstance(image, Image):
            return image if self._timeout is None else replace(image, timeout=self._timeout)
        return open_image(image, **self._arguments(image))

    def open_source(self, image: str | Image) -> Image:
        """Raises as `open_source` does."""
        return self.open(image) if isinstance(image, Image) else open_source(image, **self._arguments(image))

    def open_destination(self, image: str | Image, *, signatures_beside: bool) -> Image:
        """The image to write. With `signatures_beside` its signatures are never in another repository.

        Raises as `open_destination` does.
        """
        if isinstance(image, Image):
            return self.open(image)
        arguments = self._arguments(image)
        return open_destination(image, **(arguments | {"signature_repository": ""} if signatures_beside else arguments))

    def _arguments(self, text: str) -> dict[str, Any]:
        given = self.settings
        if not isinstance(text, str) or is_local(text):
            return {"timeout": given.timeout}
        return {
            "timeout": given.timeout,
            "signature_repository": given.signature_repository,
            "client": self._client or self.client,
        }

    @property
    def client(self) -> RegistryClient:
        """The connections and logins. They are made on first use."""
        if self._parent is not None:
            return self._parent.client
        from imagesig.images.registry.connect import registry_client

        with self._lock:
            if self._client is None:
                given = self.settings
                self._client = registry_client(
                    plain_http=given.plain_http, ca_file=given.ca_file, credentials=given.credentials
                )
            return self._client

    def close(self) -> None:
        """Closes idle connections, unless they belong to another opener or client."""
        if self._client is not None and self._owns_client:
            self._client.close()


TransportLike: TypeAlias = "Transport | RegistryClient | ImageOpener"
"""How images are reached that are given by name: settings, or a client's connections and logins."""


def _client(given: object) -> RegistryClient:
    from imagesig.images.registry.connect import RegistryClient

    if not isinstance(given, RegistryClient):
        raise InvalidArgument(f"transport {quote(given)}: a Transport or a registry client is needed")
    return given


def open_image(text: str, **transport: Any) -> Image:
    """`oci:DIRECTORY[:TAG|:@NUMBER|@DIGEST]`, `oci-archive:FILE[:TAG|@DIGEST]`,
    `docker-archive:FILE[:REFERENCE|@DIGEST]`, `dir:DIRECTORY`, or a reference to a registry.

    `transport` are arguments of `registry()`.

    Raises:
        InvalidArgument: another form, or no such file or directory.
        ImageNotFound: there is no image in it.
    """
    _check_text(text)
    if not is_local(text):
        from imagesig.images.registry.connect import registry

        return registry(text, **transport)
    form, path, target = _split(text)
    opener = getattr(import_module(FORMS[form].module), FORMS[form].opener)
    opened: Image = opener(path, target, timeout=transport.get("timeout", limits.OPERATION_SECONDS))
    return opened


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise InvalidArgument(
            f"image {quote(text)}: a reference or an Image is needed", hint="for a file or directory: oci:PATH"
        )


def open_source(text: str, **transport: Any) -> Image:
    """As `open_image`, for the source of a copy. Opening has no time limit but the caller's deadline, because an
    archive may have to be read completely before its image is known.
    """
    opened = open_image(text, **(transport | {"timeout": float("inf")}))
    return replace(opened, timeout=transport.get("timeout", limits.OPERATION_SECONDS))


def check_destination(text: str) -> None:
    """Returns if the text names a form of image that can be written. No file is read.

    Raises:
        InvalidArgument: it cannot be written, or is not an image.
    """
    _check_text(text)
    if not is_local(text):
        parse_reference(text)
        return
    form, path, target = _split(text)
    local_path(path)
    if target.startswith("@"):
        raise InvalidArgument(f"{quote(text)}: {quote(target)} names an entry that exists, a tag is needed to write")
    if not FORMS[form].home:
        raise InvalidArgument(
            f"{quote(text)}: this form can only be read",
            hint="write oci-archive:FILE; docker load of Docker 25 and later reads it",
        )


def open_destination(text: str, **transport: Any) -> Image:
    """As `open_image`, for an image that need not exist yet. `target` is empty if the text names no tag.

    Raises:
        InvalidArgument: it cannot be written.
    """
    if not is_local(text):
        from imagesig.images.registry.connect import registry

        return registry(text, **transport)
    check_destination(text)
    form, path, target = _split(text)

    def find() -> Image:
        home = getattr(import_module(FORMS[form].module), FORMS[form].home).create(Path(path))
        return Image(home, target, home, place=home.location)

    return Image.opened(find, transport.get("timeout", limits.OPERATION_SECONDS))


def _split(text: str) -> tuple[str, str, str]:
    """The form, the path, and the tag, reference or digest (empty if there is none)."""
    form, _, rest = text.partition(":")
    before, at, digest = rest.rpartition("@")
    if at and before and FORMS[form].has_digests and digest.startswith(_DIGESTS):
        if not is_digest(digest):
            raise InvalidArgument(f"image {quote(text)}: the part after @ is not a sha256 digest")
        # The digest decides, as in a reference with a tag and a digest.
        path, target = FORMS[form].split(before)[0], digest
    else:
        path, target = FORMS[form].split(rest)
    if not path:
        raise InvalidArgument(f"image {quote(text)}: the path is missing", hint=f"write {form}:PATH")
    return form, path, target
