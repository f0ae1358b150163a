"""One image in a directory, in the `dir:` form of containers/image: its files, and classic signatures as `signature-N`.

The signatures of a manifest are presented as the `.sig` manifest that a registry would have, so the code for registries
works here too. Referrers cannot be stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.errors import DigestMismatch, ImageNotFound, InvalidArgument, MalformedError, NotFound
from imagesig.images.directory.signature_file import signature_file
from imagesig.images.directory.signature_list import FILE_BYTES, SignatureList, signature_manifest
from imagesig.images.files import chunks_of, locked
from imagesig.images.folder import Folder
from imagesig.images.image import Image
from imagesig.images.local_home import LocalHome
from imagesig.images.local_path import local_path
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_address, is_digest, sha256
from imagesig.oci.kind import kind_of
from imagesig.oci.listing import parse_contents, parse_layers
from imagesig.oci.manifest import OCI_MANIFEST
from imagesig.patterns import regex
from imagesig.signature import Part
from imagesig.text import quote

_VERSION = b"Directory Transport Version: "
_WRITTEN_VERSION = _VERSION + b"1.1\n"
_MANIFEST = "manifest.json"
_SIGNATURE_TAG = regex(r"sha256-([0-9a-f]{64})\.sig")
_OTHER_TAG = regex(r"sha256-[0-9a-f]{64}(\..+)?")


@checks_arguments
def directory(path: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in a `dir:` directory.

    `target` is the digest of a manifest in it; without one, the image itself.

    Raises:
        InvalidArgument: not such a directory.
        ImageNotFound: there is no image in it.
    """
    return Image.opened(lambda: Directory(local_path(path)).image(target), timeout)


class Directory(LocalHome):
    """One directory; an `ImageHome`. Safe to use from several threads and processes: writers take turns."""

    stores_signature_files = True

    def __init__(self, path: Path, *, create: bool = False) -> None:
        super().__init__("dir", path)
        self._folder = Folder(path, self.name)
        self._in_memory: dict[
            str, bytes
        ] = {}  # not in files: payloads of signatures, and the manifests that present them
        self._held = threading.local()
        if create and not _is_filled(path):
            return  # made when the first file is written
        version = self._folder.read("version", limits.CONFIG_BYTES, missing=self._not_a_directory)
        if not version.startswith(_VERSION + b"1."):
            raise InvalidArgument(f"{self.name}: its version is not {quote(_WRITTEN_VERSION.decode().strip())}")

    @classmethod
    def create(cls, path: Path) -> Directory:
        return cls(path, create=True)

    # --- reading -------------------------------------------------------------------------------------------------

    def only_image(self) -> str:
        if not self._folder.has(_MANIFEST):
            raise ImageNotFound(f"{self.name}: has no image")
        return sha256(self._root())

    def resolve(self, tag_or_digest: str) -> Descriptor:
        if match := _SIGNATURE_TAG.fullmatch(tag_or_digest):
            return self._present_signatures(f"sha256:{match[1]}")
        if not is_digest(tag_or_digest):
            raise NotFound(f"{self.name}: has one image without tags, not {quote(tag_or_digest)}")
        content = self._manifest(tag_or_digest)
        return Descriptor.of(content, kind_of(content, (), f"{self.name}: {tag_or_digest}"))

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        what = f"{self.name}: {descriptor.digest}"
        if descriptor.digest in self._in_memory:
            yield iter((self._in_memory[descriptor.digest],))
            return
        with self._folder.open(_hex(descriptor.digest)) as file:
            yield checked(chunks_of(file, what), descriptor, what)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._in_memory or self._folder.matches(_hex(descriptor.digest), descriptor)

    def _manifest(self, digest: str) -> bytes:
        if digest in self._in_memory:
            return self._in_memory[digest]
        if self._is_root(digest):
            return self._root()
        content = self._folder.read(f"{_hex(digest)}.manifest.json", limits.MANIFEST_BYTES)
        if sha256(content) != digest:
            raise DigestMismatch(f"{self.name}: {digest} has other bytes, {sha256(content)}")
        return content

    def _root(self) -> bytes:
        return self._folder.read(_MANIFEST, limits.MANIFEST_BYTES)

    def _is_root(self, digest: str) -> bool:
        return self._folder.has(_MANIFEST) and sha256(self._root()) == digest

    def _present_signatures(self, digest: str) -> Descriptor:
        """The `.sig` manifest that a registry would have for these signature files."""
        files = self._signatures(digest).read()
        if not files:
            raise NotFound(f"{self.name}: no signature of {digest}")
        content, blobs = signature_manifest(files)
        shown = Descriptor.of(content, OCI_MANIFEST)
        self._in_memory |= blobs | {shown.digest: content}
        return shown

    def _signatures(self, digest: str, *, root: bool | None = None) -> SignatureList:
        """The signature files of a manifest. `root`: whether it is the image's own; None: find out."""
        if root is None:
            root = self._is_root(digest)
        return SignatureList(self._folder, f"{'' if root else f'{_hex(digest)}.'}signature-", self.name, digest)

    # --- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._begin()
        with locked(self._path, self.name, self._held):
            yield

    def _begin(self) -> None:
        if not self._folder.has("version"):
            self._folder.write("version", _WRITTEN_VERSION)

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        """Keeps the blob in memory until a manifest that names it is stored: a signature's payload has no own file."""
        descriptor = Descriptor.of(content, media_type)
        self._in_memory[descriptor.digest] = content
        return descriptor

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        self._begin()
        with self._folder.replacing(_hex(descriptor.digest)) as file:
            for chunk in checked(chunks, descriptor, f"{self.name}: {descriptor.digest}"):
                file.write(chunk)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest: with any tag as the image of this directory, without one as a child of it."""
        descriptor = Descriptor.of(content, media_type)
        with self._turn():
            if match := _SIGNATURE_TAG.fullmatch(tag):
                self._write_signatures(f"sha256:{match[1]}", content, media_type)
                return descriptor
            if _OTHER_TAG.fullmatch(tag):
                self._no_place(f"the manifest tagged {tag}")
            self._write_blobs(content, media_type)
            if tag:
                self._make_root(content, descriptor.digest)
            elif not self._is_root(descriptor.digest):
                self._folder.write(f"{_hex(descriptor.digest)}.manifest.json", content)
        return descriptor

    def _write_signatures(self, digest: str, content: bytes, media_type: str) -> None:
        files = []
        for layer in parse_layers(content, media_type, f"{self.name}: signatures").entries:
            part = Part(layer.media_type, self.read(layer, limit=FILE_BYTES), layer.annotations)
            files.append(signature_file(part))
        self._signatures(digest).replace(files)

    def _write_blobs(self, content: bytes, media_type: str) -> None:
        contents = parse_contents(content, media_type, f"{self.name}: manifest")
        for blob in (*contents.entries, *((contents.config,) if contents.config else ())):
            if blob.digest in self._in_memory and not self._folder.matches(_hex(blob.digest), blob):
                self._folder.write(_hex(blob.digest), self._in_memory[blob.digest])

    def _make_root(self, content: bytes, digest: str) -> None:
        """Replaces the image. Readers see the old or the new image, and never one with signatures of another."""
        if self._is_root(digest):
            return
        of_child, of_root = self._signatures(digest, root=False), self._signatures(digest, root=True)
        files = of_child.read()
        of_root.replace(())
        self._folder.write(_MANIFEST, content)
        of_root.replace(files)
        of_child.replace(())
        self._folder.remove(f"{_hex(digest)}.manifest.json")

    def delete_manifest(self, digest: str) -> None:
        """Does nothing: the `.sig` manifest is not a file, and the image itself is not deleted."""

    def _not_a_directory(self) -> InvalidArgument:
        hint = "write oci:DIRECTORY for an OCI layout" if self._folder.has("oci-layout") else "check the path"
        return InvalidArgument(f"{self.name}: not a directory of this form", hint=hint)


def _is_filled(path: Path) -> bool:
    """Whether this is a folder with something in it, or one that cannot be listed: reading it raises why."""
    try:
        return any(path.iterdir())
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True


def _hex(digest: str) -> str:
    """The file name of a blob. The digest is checked, because it becomes a path (CVE-2024-3727)."""
    if not is_address(digest):
        raise MalformedError(f"dir: digest {quote(digest)}, sha256: and 64 lower-case hex digits are needed")
    return digest.partition(":")[2]
