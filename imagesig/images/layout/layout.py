"""Images in OCI layouts: a directory with `oci-layout`, `index.json` and `blobs/`.

Spec: OCI image-spec, image layout. Signatures are stored as `cosign save` does: the `.sig` manifest as an entry of
`index.json` with cosign's `kind` annotation, bundles as manifests with a `subject`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.errors import ImageNotFound, InvalidArgument
from imagesig.images.files import chunks_of, locked
from imagesig.images.folder import Folder
from imagesig.images.image import Image
from imagesig.images.layout.home import LayoutHome
from imagesig.images.layout.index import INDEX, MARKER, NEW_DOCUMENTS, IndexChange, read_entries
from imagesig.images.local_path import local_path
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.text import quote

_BLOBS = "blobs/sha256"


@checks_arguments
def layout(directory: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an OCI layout that a tag or digest names, or `@0` for the first entry; without one, the only image.

    Raises:
        InvalidArgument: not a layout, or several images and no tag.
        ImageNotFound: there is no image.
    """
    return Image.opened(lambda: Layout(local_path(directory)).image(target), timeout)


class Layout(LayoutHome):
    """One layout directory; an `ImageHome`. Safe to use from several threads and processes: writers take turns."""

    def __init__(self, directory: Path) -> None:
        super().__init__("oci", directory)
        self._folder = Folder(directory, self.name)
        self._held = threading.local()
        self._check_version()

    @classmethod
    def create(cls, directory: Path) -> Layout:
        """Makes an empty layout, or opens an existing one."""
        folder = Folder(directory, f"oci:{directory}")
        folder.make(_BLOBS)
        for name, content in NEW_DOCUMENTS.items():
            if not folder.has(name):
                folder.write(name, content)
        return cls(directory)

    def image(self, target: str = "") -> Image:
        """See `LocalHome.image`. `@0` is the first entry of `index.json`, as in skopeo."""
        return super().image(self._at(target) if target.startswith("@") else target)

    def _at(self, target: str) -> str:
        entries, number = self._index(), target.removeprefix("@")
        if not (number.isascii() and number.isdigit() and len(number) < len(str(limits.MANIFEST_BYTES))):
            raise InvalidArgument(f"{self.name}: {quote(target)} names no entry of index.json: @0 is the first one")
        if int(number) >= len(entries):
            raise ImageNotFound(f"{self.name}: there is no entry {quote(target)}, index.json has {len(entries)}")
        found = read_entries([entries[int(number)]], f"{self.name}: index.json entry")
        for unread in found.unread:
            raise unread.error
        return found.read[0].digest

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        what = f"{self.name}: {descriptor.digest}"
        with self._folder.open(self._blob(descriptor.digest), links=True) as file:
            yield checked(chunks_of(file, what), descriptor, what)

    def _file(self, name: str, most: int) -> bytes:
        if name in (MARKER, INDEX):
            return self._folder.read(name, most, missing=self._not_a_layout)
        return self._folder.read(name, most, links=True)

    def _not_a_layout(self) -> InvalidArgument:
        hint = "write dir:DIRECTORY for that form" if self._folder.has("version") else "check the path"
        return InvalidArgument(f"{self.name}: not an OCI layout", hint=hint)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self._folder.matches(self._blob(descriptor.digest), descriptor, links=True)

    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for name in self._folder.names(_BLOBS, most=limits.MANIFEST_BYTES):
            if is_digest(f"sha256:{name}"):
                yield f"sha256:{name}", partial(self._file, f"{_BLOBS}/{name}", limits.MANIFEST_BYTES)

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        with self._folder.replacing(self._blob(descriptor.digest)) as file:
            for chunk in checked(chunks, descriptor, f"{self.name}: {descriptor.digest}"):
                file.write(chunk)

    def _turn(self) -> AbstractContextManager[None]:
        return locked(self._path, self.name, self._held)

    def _change_index(self, change: IndexChange) -> None:
        with self._turn():
            self._folder.write(INDEX, self._rewritten(INDEX, change(self._index())))

    def _remove_blob(self, digest: str) -> None:
        self._folder.remove(self._blob(digest))
