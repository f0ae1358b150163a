"""One image in a directory, as containers/image's `dir:` has it: its files, and classic signatures as `signature-N`.

The signatures of a manifest are shown as the `.sig` manifest that a registry would have, so that everything that reads
and writes those works here too. There is no place for referrers.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import (
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
    SignaturesUnsupported,
)
from imagesig.images.directory.signature_file import UNKNOWN, parse_signature_file, signature_file
from imagesig.images.files import chunks_of, locked
from imagesig.images.folder import Folder
from imagesig.images.image import Image
from imagesig.images.local_path import local_path
from imagesig.images.merge import Merge, look
from imagesig.images.signature_manifest import config_bytes
from imagesig.images.source import ImageSource
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest, sha256
from imagesig.oci.kind import kind_of
from imagesig.oci.listing import Listing
from imagesig.oci.location import Location
from imagesig.oci.manifest import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_CONFIG,
    OCI_MANIFEST,
    Manifest,
    parse_manifest,
)
from imagesig.signature import Part
from imagesig.text import quote

_VERSION = b"Directory Transport Version: "
_WRITTEN_VERSION = _VERSION + b"1.1\n"
_MANIFEST = "manifest.json"
_SIGNATURE_TAG = re.compile(r"sha256-([0-9a-f]{64})\.sig")
_OTHER_TAG = re.compile(r"sha256-[0-9a-f]{64}(\..+)?")
_FILE_BYTES = 2 * limits.PAYLOAD_BYTES
"""One signature file: its payload is in base64."""


def directory(path: str | os.PathLike[str], *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in a `dir:` directory.

    Raises:
        InvalidArgument: no such directory there.
        ImageNotFound: it holds no image.
    """
    home = Directory(local_path(path))
    place = Location("dir", path=os.path.realpath(path))
    return Image(home, home.only_image(), home, None, timeout, place)


class Directory:
    """One directory; an `ImageHome`. Safe to use from several threads and processes: writers take turns."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._folder = Folder(path, self.name)
        self._made: dict[str, bytes] = {}  # what no file holds: payloads of signatures and the manifests that show them
        self._held = threading.local()
        if create and not (path.is_dir() and any(path.iterdir())):
            return  # begun with the first file that is written
        version = self._folder.read("version", limits.CONFIG_BYTES, missing=self._is_none)
        if not version.startswith(_VERSION + b"1."):
            raise InvalidArgument(f"{self.name}: another version than {quote(_WRITTEN_VERSION.decode().strip())}")

    @property
    def name(self) -> str:
        return f"dir:{self._path}"

    def __repr__(self) -> str:
        return f"Directory({str(self._path)!r})"

    # --- reading -------------------------------------------------------------------------------------------------

    def only_image(self) -> str:
        """The digest of the image here."""
        if not self._folder.has(_MANIFEST):
            raise ImageNotFound(f"{self.name}: holds no image")
        return sha256(self._read(_MANIFEST, limits.MANIFEST_BYTES))

    def resolve(self, tag_or_digest: str) -> Descriptor:
        if match := _SIGNATURE_TAG.fullmatch(tag_or_digest):
            return self._show_signatures(f"sha256:{match[1]}")
        if not is_digest(tag_or_digest):
            raise NotFound(f"{self.name}: holds one image without tags, not {quote(tag_or_digest)}")
        content = self._manifest(tag_or_digest)
        return Descriptor.of(content, kind_of(content, (), f"{self.name}: {tag_or_digest}"))

    def pin(self, tag_or_digest: str) -> str:
        return self.resolve(tag_or_digest).digest

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        if descriptor.size > limit:
            raise LimitExceeded(
                f"{self.name}: {descriptor.digest} has {descriptor.size} bytes, at most {limit} are read"
            )
        if descriptor.digest in self._made:
            return self._made[descriptor.digest]
        if descriptor.media_type in (*MANIFEST_TYPES, *INDEX_TYPES):
            content = self._manifest(descriptor.digest)
            return b"".join(checked((content,), descriptor, f"{self.name}: {descriptor.digest}"))
        with self.open_blob(descriptor) as chunks:
            return b"".join(chunks)

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        what = f"{self.name}: {descriptor.digest}"
        if descriptor.digest in self._made:
            yield iter((self._made[descriptor.digest],))
            return
        with self._folder.open(_hex(descriptor.digest)) as file:
            yield checked(chunks_of(file, what), descriptor, what)

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        return Listing()

    def has(self, digest: str) -> bool:
        try:
            self._manifest(digest)
        except (NotFound, MalformedError):
            return False
        return True

    def has_blob(self, descriptor: Descriptor) -> bool:
        if descriptor.digest in self._made:
            return True
        return self._folder.holds(_hex(descriptor.digest), descriptor)

    def _read(self, name: str, most: int) -> bytes:
        return self._folder.read(name, most)

    def _manifest(self, digest: str) -> bytes:
        if digest in self._made:
            return self._made[digest]
        if self._is_root(digest):
            return self._read(_MANIFEST, limits.MANIFEST_BYTES)
        content = self._read(f"{_hex(digest)}.manifest.json", limits.MANIFEST_BYTES)
        if sha256(content) != digest:
            raise DigestMismatch(f"{self.name}: {digest} holds other bytes, {sha256(content)}")
        return content

    def _is_root(self, digest: str) -> bool:
        return self._folder.has(_MANIFEST) and sha256(self._read(_MANIFEST, limits.MANIFEST_BYTES)) == digest

    # --- signatures ----------------------------------------------------------------------------------------------

    def _show_signatures(self, digest: str) -> Descriptor:
        """The `.sig` manifest that a registry would have for these signature files."""
        layers = []
        for name, content in self._signature_files(digest):
            try:
                part = parse_signature_file(content, name)
            except MalformedError:
                part = Part(UNKNOWN, content)
            layer = Descriptor.of(part.content, part.media_type, part.annotations)
            self._made[layer.digest] = part.content
            layers.append(layer)
        if not layers:
            raise NotFound(f"{self.name}: no signature of {digest}")
        config = self.put_blob(config_bytes([layer.digest for layer in layers]), OCI_CONFIG)
        content = Manifest(config, tuple(layers)).to_bytes()
        shown = Descriptor.of(content, OCI_MANIFEST)
        self._made[shown.digest] = content
        return shown

    def _signature_files(self, digest: str) -> list[tuple[str, bytes]]:
        """`signature-1` and so on; a gap ends the list, as it does for containers/image."""
        found: list[tuple[str, bytes]] = []
        prefix, left = self._prefix(digest), limits.SIGNATURE_BYTES_PER_IMAGE
        while self._folder.has(f"{prefix}{len(found) + 1}"):
            remaining(f"{self.name}: reading signatures")
            name = f"{prefix}{len(found) + 1}"
            content = self._read(name, _FILE_BYTES)
            found.append((name, content))
            left -= len(content)
            if left < 0:
                most = limits.SIGNATURE_BYTES_PER_IMAGE
                raise LimitExceeded(f"{self.name}: more than {most} bytes of signatures of {digest}")
            if len(found) > limits.SIGNATURE_LAYERS:
                raise LimitExceeded(f"{self.name}: more than {limits.SIGNATURE_LAYERS} signatures of {digest}")
        return found

    def _prefix(self, digest: str) -> str:
        return "signature-" if self._is_root(digest) else f"{_hex(digest)}.signature-"

    def _write_signatures(self, digest: str, content: bytes, media_type: str) -> None:
        files = []
        for layer in parse_manifest(content, media_type, f"{self.name}: signatures").layers:
            part = Part(layer.media_type, self.read(layer, limit=_FILE_BYTES), layer.annotations)
            files.append(signature_file(part))
        self._replace_signatures(self._prefix(digest), files)

    def _replace_signatures(self, prefix: str, files: list[bytes]) -> None:
        for number, content in enumerate(files, 1):
            name = f"{prefix}{number}"
            if not self._folder.has(name) or self._read(name, _FILE_BYTES) != content:
                self._folder.write(name, content)
        number = len(files) + 1
        while self._folder.has(f"{prefix}{number}"):
            self._folder.remove(f"{prefix}{number}")
            number += 1

    # --- writing -------------------------------------------------------------------------------------------------

    def check_holds(self, *, referrers: bool) -> None:
        if referrers:
            self._no_place("bundles and other referrers")

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        return nullcontext(False)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._begin()
        with locked(self._path, self.name, self._held):
            yield

    def _begin(self) -> None:
        if not self._folder.has("version"):
            self._folder.write("version", _WRITTEN_VERSION)

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        """Kept in memory until a manifest is stored that names it: a signature's payload is no file of its own."""
        descriptor = Descriptor.of(content, media_type)
        self._made[descriptor.digest] = content
        return descriptor

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        self._begin()
        with self._folder.replacing(_hex(descriptor.digest)) as file:
            for chunk in checked(chunks, descriptor, f"{self.name}: {descriptor.digest}"):
                file.write(chunk)

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        return False

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest: under a tag, whichever, as the image of this directory, else as a child of it."""
        descriptor = Descriptor.of(content, media_type)
        with self._turn():
            if match := _SIGNATURE_TAG.fullmatch(tag):
                self._write_signatures(f"sha256:{match[1]}", content, media_type)
                return descriptor
            if _OTHER_TAG.fullmatch(tag):
                self._no_place(f"what lies under the tag {tag}")
            self._write_blobs(content, media_type)
            if tag:
                self._make_root(content, descriptor.digest)
            elif not self._is_root(descriptor.digest):
                self._folder.write(f"{_hex(descriptor.digest)}.manifest.json", content)
        return descriptor

    def _write_blobs(self, content: bytes, media_type: str) -> None:
        if media_type not in MANIFEST_TYPES:
            return
        manifest = parse_manifest(content, media_type, f"{self.name}: manifest")
        for blob in (manifest.config, *manifest.layers):
            if blob.digest in self._made and not self._folder.holds(_hex(blob.digest), blob):
                self._folder.write(_hex(blob.digest), self._made[blob.digest])

    def _make_root(self, content: bytes, digest: str) -> None:
        """A reader sees the old image, or the new one, and at no time an image with signatures it should not have."""
        if self._is_root(digest):
            return
        signatures = [content for _, content in self._signature_files(digest)]
        self._replace_signatures("signature-", [])
        self._folder.write(_MANIFEST, content)
        self._replace_signatures("signature-", signatures)
        self._replace_signatures(f"{_hex(digest)}.signature-", [])
        self._folder.remove(f"{_hex(digest)}.manifest.json")

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        with self._turn():
            merged = merge(look(self, tag))
            if merged is not None:
                self.put_manifest(merged.content, merged.media_type, tag)
        return _nothing_to_settle

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        self._no_place("bundles and other referrers")

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        raise NotFound(f"{self.name}: no referrer {referrer.digest}")

    def delete_manifest(self, digest: str) -> None:
        """Nothing to do for a manifest that only shows signature files; the image itself is not deleted."""

    def _no_place(self, what: str) -> NoReturn:
        raise SignaturesUnsupported(
            f"{self.name}: holds classic signatures only, there is no place for {what}",
            hint="sign with --format cosign, or use oci:DIRECTORY or oci-archive:FILE, which hold everything",
        )

    def _is_none(self) -> InvalidArgument:
        hint = "write oci:DIRECTORY for an OCI layout" if self._folder.has("oci-layout") else "check the path"
        return InvalidArgument(f"{self.name}: no directory of this form there", hint=hint)


def _hex(digest: str) -> str:
    """A blob's file. A digest is a path here: CVE-2024-3727."""
    if not is_digest(digest):
        raise MalformedError(f"dir: digest {quote(digest)}, sha256: and 64 lower-case hex digits are needed")
    return digest.removeprefix("sha256:")


def _nothing_to_settle() -> None:
    """Writers of a directory take turns, so nothing that was written can be lost."""
