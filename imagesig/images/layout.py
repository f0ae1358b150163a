"""Images in OCI layouts: a directory with `oci-layout`, `index.json` and `blobs/`.

Spec: OCI image-spec, image layout. Signatures lie beside the image as `cosign save` leaves them: the `.sig` manifest as
an entry of `index.json` that is marked with cosign's `kind` annotation, bundles as manifests with a `subject`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from imagesig import limits
from imagesig.errors import InvalidArgument, TransportError
from imagesig.images.files import chunks_of, locked, open_regular, read_file, replacing
from imagesig.images.image import Image
from imagesig.images.layout_index import (
    INDEX,
    MARKER,
    IndexChange,
    new_documents,
    with_referrer,
    with_tagged,
    without,
)
from imagesig.images.layout_reader import LayoutReader
from imagesig.images.local_path import local_path
from imagesig.images.merge import Merge, look
from imagesig.images.source import ImageSource
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.oci.location import Location
from imagesig.oci.manifest import OCI_MANIFEST


def layout(directory: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an OCI layout that a tag or digest names; without one, the only image there.

    Raises:
        InvalidArgument: no layout there, or several images and no tag.
        ImageNotFound: no image there.
    """
    home = Layout(local_path(directory))
    place = Location("oci", path=os.path.realpath(directory))
    return Image(home, target or home.only_image(), home, None, timeout, place)


class Layout(LayoutReader):
    """One layout directory; an `ImageHome`. Safe to use from several threads and processes: writers take turns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held = threading.local()
        self._check_version()

    @classmethod
    def create(cls, directory: Path) -> Layout:
        """Makes an empty layout, or opens the one that is there."""
        try:
            (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            for name, content in new_documents().items():
                if not (directory / name).exists():
                    with replacing(directory / name, f"oci:{directory}") as file:
                        file.write(content)
        except OSError as error:
            raise TransportError(f"oci:{directory}: cannot be created ({error.strerror})") from error
        return cls(directory)

    @property
    def name(self) -> str:
        return f"oci:{self._directory}"

    def __repr__(self) -> str:
        return f"Layout({str(self._directory)!r})"

    # --- reading -------------------------------------------------------------------------------------------------

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        what = f"{self.name}: {descriptor.digest}"
        with open_regular(self._directory / self._blob(descriptor.digest), what) as file:
            yield checked(chunks_of(file, what), descriptor, what)

    def _file(self, name: str, most: int) -> bytes:
        missing = self._is_none if name in (MARKER, INDEX) else None
        return read_file(self._directory / name, most, self.name, missing=missing)

    def _is_none(self) -> InvalidArgument:
        hint = "write dir:DIRECTORY for that form" if (self._directory / "version").exists() else "check the path"
        return InvalidArgument(f"{self.name}: no OCI layout there", hint=hint)

    def _size(self, name: str) -> int | None:
        try:
            return (self._directory / name).stat().st_size
        except OSError:
            return None

    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        directory = self._directory / "blobs" / "sha256"
        try:
            with os.scandir(directory) as entries:
                found = [
                    entry.name
                    for entry in entries
                    if is_digest(f"sha256:{entry.name}") and entry.stat().st_size <= limits.MANIFEST_BYTES
                ]
        except OSError as error:
            raise TransportError(f"{self.name}: blobs cannot be listed ({error.strerror})") from error
        for name in found:
            yield f"sha256:{name}", lambda name=name: self._file(f"blobs/sha256/{name}", limits.MANIFEST_BYTES)  # type: ignore[misc]

    # --- writing -------------------------------------------------------------------------------------------------

    def check_holds(self, *, referrers: bool) -> None:
        """See `ImageTarget`: a layout holds both."""

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        if not self.has_blob(descriptor):
            self.put_blob_stream(descriptor, (content,))
        return descriptor

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        with replacing(self._directory / self._blob(descriptor.digest), self.name) as file:
            for chunk in checked(chunks, descriptor, f"{self.name}: {descriptor.digest}"):
                file.write(chunk)

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        return False

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest; `index.json` lists it if it has a tag (the children of an index have none)."""
        descriptor = self.put_blob(content, media_type)
        if tag:
            self._change_index(lambda entries: with_tagged(entries, descriptor.to_json(), tag))
        return descriptor

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        with self._turn():
            merged = merge(look(self, tag))
            if merged is not None:
                self.put_manifest(merged.content, merged.media_type, tag)
        return _nothing_to_settle

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        entry = self.put_blob(content, media_type).to_json()
        self._change_index(lambda entries: with_referrer(entries, entry, subject.digest))
        return _nothing_to_settle

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        self.delete_manifest(referrer.digest)
        return _nothing_to_settle

    def delete_manifest(self, digest: str) -> None:
        """Takes a manifest out of the layout. What only it named stays behind as unnamed blobs."""
        path = self._directory / self._blob(digest)
        self._change_index(lambda entries: without(entries, digest))
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise TransportError(f"{self.name}: cannot delete {path.name} ({error.strerror})") from error

    def _turn(self) -> AbstractContextManager[None]:
        return locked(self._directory, self.name, self._held)

    def _change_index(self, change: IndexChange) -> None:
        with self._turn():
            content = self._rewritten(INDEX, change(self._index()))
            with replacing(self._directory / INDEX, self.name) as file:
                file.write(content)


def _nothing_to_settle() -> None:
    """Writers of a layout take turns, so nothing that was written can be lost."""
