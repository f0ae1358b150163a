"""From what a person types as an image to an `Image`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagesig import limits
from imagesig.errors import InvalidArgument, quote
from imagesig.images.image import Image
from imagesig.oci.digest import is_digest

if TYPE_CHECKING:
    from imagesig.images.credentials import CredentialSource
    from imagesig.images.registry import RegistryClient

LAYOUT_PREFIX = "oci:"


@dataclass(frozen=True, slots=True)
class Transport:
    """How images that are given by name are reached: the settings of `registry()`, which has their meaning.

    Pickles if its `credentials` do: workers in other processes open their own connections with it.
    """

    plain_http: bool = False
    ca_file: Path | None = None
    credentials: tuple[str, str] | CredentialSource | None = field(default=None, repr=False)
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
        if text.startswith(LAYOUT_PREFIX):
            return open_image(text, timeout=given.timeout)
        client = self._client or self._connect()
        return open_image(text, timeout=given.timeout, signature_repository=given.signature_repository, client=client)

    def _connect(self) -> RegistryClient:
        from imagesig.images.registry import registry_client

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
    """`oci:DIRECTORY[:TAG|@DIGEST]`, or a reference to a registry.

    `transport` is passed to `registry()`.

    Raises:
        InvalidArgument: neither of the two.
        ImageNotFound: the layout holds no image.
    """
    if text.startswith(LAYOUT_PREFIX):
        from imagesig.images.layout import layout

        directory, target = _split_layout(text.removeprefix(LAYOUT_PREFIX))
        return layout(directory, target, **{k: v for k, v in transport.items() if k == "timeout"})
    from imagesig.images.registry import registry

    return registry(text, **transport)


def _split_layout(text: str) -> tuple[str, str]:
    directory, at, digest = text.rpartition("@")
    if at and directory:
        if not is_digest(digest):
            raise InvalidArgument(f"image {quote(LAYOUT_PREFIX + text)}: the part after @ is no sha256 digest")
        return directory, digest
    directory, colon, tag = text.rpartition(":")
    if colon and directory and "/" not in tag:
        return directory, tag
    if not text:
        raise InvalidArgument("image 'oci:': the directory is missing", hint="write oci:DIRECTORY[:TAG|@DIGEST]")
    return text, ""
