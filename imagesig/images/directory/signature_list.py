"""The signature files of one image, `signature-1` and so on, and the `.sig` manifest that a registry would have."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.images.directory.signature_file import UNKNOWN, parse_signature_file
from imagesig.images.folder import Folder
from imagesig.images.signature_manifest import config_bytes
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_CONFIG, Manifest
from imagesig.signature import Part

FILE_BYTES = 2 * limits.PAYLOAD_BYTES
"""One signature file: its payload is in base64."""


class SignatureList(Struct, frozen=True):
    """The files named `prefix` with a number from 1. A gap ends the list, as in containers/image.

    `home` and `digest` are for errors.
    """

    folder: Folder
    prefix: str
    home: str
    digest: str

    def read(self) -> list[bytes]:
        """The contents of the files. Raises `LimitExceeded` for too many files or bytes."""
        found: list[bytes] = []
        left = limits.SIGNATURE_BYTES_PER_IMAGE
        while self.folder.has(f"{self.prefix}{len(found) + 1}"):
            remaining(f"{self.home}: reading signatures")
            content = self.folder.read(f"{self.prefix}{len(found) + 1}", FILE_BYTES)
            found.append(content)
            left -= len(content)
            if left < 0:
                most = limits.SIGNATURE_BYTES_PER_IMAGE
                raise LimitExceeded(f"{self.home}: more than {most} bytes of signatures of {self.digest}")
            if len(found) > limits.SIGNATURE_LAYERS:
                raise LimitExceeded(f"{self.home}: more than {limits.SIGNATURE_LAYERS} signatures of {self.digest}")
        return found

    def replace(self, files: Sequence[bytes]) -> None:
        """Replaces the files by these. Equal files are not written again."""
        for number, content in enumerate(files, 1):
            name = f"{self.prefix}{number}"
            if not self.folder.has(name) or self.folder.read(name, FILE_BYTES) != content:
                self.folder.write(name, content)
        number = len(files) + 1
        while self.folder.has(f"{self.prefix}{number}"):
            self.folder.remove(f"{self.prefix}{number}")
            number += 1


def signature_manifest(files: Sequence[bytes]) -> tuple[bytes, dict[str, bytes]]:
    """The bytes of the `.sig` manifest for these files, and its blobs by digest."""
    layers: list[Descriptor] = []
    blobs: dict[str, bytes] = {}
    for number, content in enumerate(files, 1):
        try:
            part = parse_signature_file(content, f"signature-{number}")
        except MalformedError:
            part = Part(UNKNOWN, content)
        layer = Descriptor.of(part.content, part.media_type, part.annotations)
        layers.append(layer)
        blobs[layer.digest] = part.content
    content = config_bytes([layer.digest for layer in layers])
    config = Descriptor.of(content, OCI_CONFIG)
    blobs[config.digest] = content
    return Manifest(config, tuple(layers)).to_bytes(), blobs
