"""From what a person types as an image to an `Image`."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from imagesig import limits
from imagesig.errors import InvalidArgument
from imagesig.images.image import Image
from imagesig.images.local_path import local_path
from imagesig.images.registry.credentials import CredentialSource
from imagesig.images.source import ImageHome
from imagesig.naming import is_raw_key
from imagesig.oci.digest import is_digest
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.redacted import RedactedStruct
from imagesig.text import holds_key, quote

if TYPE_CHECKING:
    from imagesig.images.registry.connect import RegistryClient

LOCAL_PREFIXES = ("oci:", "oci-archive:", "docker-archive:", "dir:")


def is_local(text: str) -> bool:
    """Whether this names a file or directory and not a registry."""
    return text.startswith(LOCAL_PREFIXES)


def is_private_key(text: str) -> bool:
    """Whether a private key was given in place of an image: it is never shown."""
    path = text.partition(":")[2] if is_local(text) else text
    return holds_key(text) or (is_raw_key(path) and not os.path.lexists(path))


class Transport(RedactedStruct, frozen=True):
    """How images that are given by name are reached: the settings of `registry()`, which has their meaning.

    Pickles if its `credentials` do: workers in other processes open their own connections with it.
    """

    hidden = ("credentials",)

    plain_http: bool = False
    ca_file: Path | None = None
    credentials: tuple[str, str] | CredentialSource | None = None
    timeout: float = limits.OPERATION_SECONDS
    signature_repository: str = ""


class ImageOpener:
    """Opens images by name, all of them over one pool of connections and one set of logins. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._client: RegistryClient | None = None
        self._lock = threading.Lock()

    def open(self, text: str) -> Image:
        """Raises as `open_image` does."""
        given = self._transport
        if not isinstance(text, str) or is_local(text):
            return open_image(text, timeout=given.timeout)
        client = self._client or self._connect()
        return open_image(text, timeout=given.timeout, signature_repository=given.signature_repository, client=client)

    def _connect(self) -> RegistryClient:
        from imagesig.images.registry.connect import registry_client

        with self._lock:
            if self._client is None:
                given = self._transport
                self._client = registry_client(
                    plain_http=given.plain_http, ca_file=given.ca_file, credentials=given.credentials
                )
            return self._client

    def close(self) -> None:
        """Closes idle connections."""
        if self._client is not None:
            self._client.close()


def open_image(text: str, **transport: Any) -> Image:
    """`oci:DIRECTORY[:TAG|@DIGEST]`, `oci-archive:FILE[:TAG|@DIGEST]`, `docker-archive:FILE[:REFERENCE|@DIGEST]`,
    `dir:DIRECTORY`, or a reference to a registry.

    `transport` is passed to `registry()`.

    Raises:
        InvalidArgument: none of these, or what it names is not there.
        ImageNotFound: there is no image in it.
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"image {quote(text)}: a reference or an Image is needed")
    if not is_local(text):
        from imagesig.images.registry.connect import registry

        return registry(text, **transport)
    timeout = transport.get("timeout", limits.OPERATION_SECONDS)
    prefix, path, target = _split(text)
    if prefix == "oci:":
        from imagesig.images.layout.layout import layout

        return layout(path, target, timeout=timeout)
    if prefix == "oci-archive:":
        from imagesig.images.archive.archive import archive

        return archive(path, target, timeout=timeout)
    if prefix == "docker-archive:":
        from imagesig.images.archive.docker import docker_archive

        return docker_archive(path, target, timeout=timeout)
    from imagesig.images.directory.directory import directory

    return directory(path, timeout=timeout)


def open_source(text: str, **transport: Any) -> Image:
    """As `open_image`, for what is copied: an archive may have to be read as a whole before its image is known, which
    takes what time it takes. Only a deadline that is set already ends it.
    """
    opened = open_image(text, **(transport | {"timeout": float("inf")}))
    return replace(opened, timeout=transport.get("timeout", limits.OPERATION_SECONDS))


def check_destination(text: str) -> None:
    """Returns if the text names something that can be written; nothing is looked at.

    Raises:
        InvalidArgument: it does not.
    """
    if is_local(text):
        prefix, path, _ = _split(text)
        local_path(path)
        if prefix == "docker-archive:":
            raise InvalidArgument(
                f"{quote(text)}: this form is read, not written",
                hint="write oci-archive:FILE; docker load of Docker 25 and later reads it",
            )
    else:
        parse_reference(text)


def open_destination(text: str, **transport: Any) -> Image:
    """As `open_image`, for what need not be there yet. `target` is empty where the text names no tag.

    Raises:
        InvalidArgument: it cannot be written.
    """
    if not is_local(text):
        from imagesig.images.registry.connect import registry

        return registry(text, **transport)
    check_destination(text)
    prefix, path, target = _split(text)

    def find() -> Image:
        home = _created(prefix, Path(path))
        return Image(home, target, home, place=Location(prefix.rstrip(":"), path=os.path.realpath(path)))

    return Image.opened(find, transport.get("timeout", limits.OPERATION_SECONDS))


def _created(prefix: str, path: Path) -> ImageHome:
    if prefix == "oci:":
        from imagesig.images.layout.layout import Layout

        return Layout.create(path)
    if prefix == "oci-archive:":
        from imagesig.images.archive.archive import Archive

        return Archive(path, create=True)
    from imagesig.images.directory.directory import Directory

    return Directory(path, create=True)


def _split(text: str) -> tuple[str, str, str]:
    """The prefix, the path, and the tag, reference or digest, empty if there is none."""
    prefix, _, rest = text.partition(":")
    prefix += ":"
    path, target = rest, ""
    before, at, digest = rest.rpartition("@")
    if prefix == "dir:":
        pass
    elif at and before:
        if not is_digest(digest):
            raise InvalidArgument(f"image {quote(text)}: the part after @ is no sha256 digest")
        path, target = before, digest
    elif prefix == "docker-archive:":
        path, _, target = rest.partition(":")
    else:
        before, colon, tag = rest.rpartition(":")
        if colon and before and "/" not in tag:
            path, target = before, tag
    if not path:
        raise InvalidArgument(f"image {quote(text)}: the path is missing", hint=f"write {prefix}PATH")
    return prefix, path, target
