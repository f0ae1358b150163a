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
from imagesig.errors import InvalidArgument
from imagesig.images.files import chunks_of, locked
from imagesig.images.folder import Folder
from imagesig.images.image import Image
from imagesig.images.layout.index import (
    INDEX,
    MARKER,
    IndexChange,
    new_documents,
    with_referrer,
    with_tagged,
    without,
)
from imagesig.images.layout.reader import LayoutReader
from imagesig.images.local_path import local_path
from imagesig.images.merge import Merge
from imagesig.images.source import ImageSource
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.oci.location import Location
from imagesig.oci.manifest import OCI_MANIFEST

_BLOBS = "blobs/sha256"


def layout(directory: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an OCI layout that a tag or digest names; without one, the only image there.

    Raises:
        InvalidArgument: no layout there, or several images and no tag.
        ImageNotFound: no image there.
    """

    def find() -> Image:
        home = Layout(local_path(directory))
        return Image(home, target or home.only_image(), home, place=Location("oci", path=os.path.realpath(directory)))

    return Image.opened(find, timeout)


class Layout(LayoutReader):
    """One layout directory; an `ImageHome`. Safe to use from several threads and processes: writers take turns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = Folder(directory, f"oci:{directory}")
        self._held = threading.local()
        self._check_version()

    @classmethod
    def create(cls, directory: Path) -> Layout:
        """Makes an empty layout, or opens the one that is there."""
        folder = Folder(directory, f"oci:{directory}")
        folder.make(_BLOBS)
        for name, content in new_documents().items():
            if not folder.has(name):
                folder.write(name, content)
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
        with self._folder.open(self._blob(descriptor.digest), links=True) as file:
            yield checked(chunks_of(file, what), descriptor, what)

    def _file(self, name: str, most: int) -> bytes:
        if name in (MARKER, INDEX):
            return self._folder.read(name, most, missing=self._is_none)
        return self._folder.read(name, most, links=True)

    def _is_none(self) -> InvalidArgument:
        hint = "write dir:DIRECTORY for that form" if self._folder.has("version") else "check the path"
        return InvalidArgument(f"{self.name}: no OCI layout there", hint=hint)

    def _holds(self, descriptor: Descriptor) -> bool:
        return self._folder.holds(self._blob(descriptor.digest), descriptor, links=True)

    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for name in self._folder.names(_BLOBS, most=limits.MANIFEST_BYTES):
            if is_digest(f"sha256:{name}"):
                yield f"sha256:{name}", lambda name=name: self._file(f"{_BLOBS}/{name}", limits.MANIFEST_BYTES)  # type: ignore[misc]

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
        with self._folder.replacing(self._blob(descriptor.digest)) as file:
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
            merged = merge(self._look(tag))
            if merged is not None:
                self.put_manifest(merged.content, merged.media_type, tag)
        return _nothing_to_settle

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        entry = self.put_blob(content, media_type).to_json()
        self._change_index(lambda entries: with_referrer(entries, entry, subject.digest))
        return _nothing_to_settle

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        self._check_refers(referrer, subject)
        self.delete_manifest(referrer.digest)
        return _nothing_to_settle

    def delete_manifest(self, digest: str) -> None:
        """Takes a manifest out of the layout. What only it named stays behind as unnamed blobs."""
        self._change_index(lambda entries: without(entries, digest))
        self._folder.remove(self._blob(digest))

    def _turn(self) -> AbstractContextManager[None]:
        return locked(self._directory, self.name, self._held)

    def _change_index(self, change: IndexChange) -> None:
        with self._turn():
            self._folder.write(INDEX, self._rewritten(INDEX, change(self._index())))


def _nothing_to_settle() -> None:
    """Writers of a layout take turns, so nothing that was written can be lost."""
