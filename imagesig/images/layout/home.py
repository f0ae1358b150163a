"""Writing to a layout in a directory or an archive.

Spec: OCI image-spec, image layout.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import LimitExceeded, NotFound
from imagesig.images.layout.index import IndexChange, with_referrer, with_tagged, without
from imagesig.images.layout.reader import LayoutReader
from imagesig.images.merge import nothing_to_settle
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import INDEX_TYPES, OCI_MANIFEST, detect_media_type, parse_index, parse_manifest
from imagesig.oci.shapes import DOCUMENT


class LayoutHome(LayoutReader):
    """An `ImageHome` over the files of a layout."""

    @abstractmethod
    def _change_index(self, change: IndexChange) -> None:
        """Replaces the entries of `index.json` by what `change` makes of them."""

    @abstractmethod
    def _remove_blob(self, digest: str) -> None:
        """Removes the file of a blob, if it exists."""

    def check_holds(self, *, referrers: bool) -> None:
        """See `ImageTarget`. A layout holds both."""

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest. `index.json` lists it if it has a tag; the children of an index have none."""
        with self.transaction():
            descriptor = self.put_blob(content, media_type)
            if tag:
                self._change_index(lambda entries: with_tagged(entries, descriptor.to_json(), tag))
        return descriptor

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        with self.transaction():
            entry = self.put_blob(content, media_type).to_json()
            self._change_index(lambda entries: with_referrer(entries, entry, subject.digest))
        return nothing_to_settle

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        if self._subject_of(referrer.digest) != subject:
            raise NotFound(f"{self.name}: {referrer.digest} is not a referrer of {subject}")
        self.delete_manifest(referrer.digest)
        return nothing_to_settle

    def delete_manifest(self, digest: str) -> None:
        """Removes a manifest. Blobs that only it names stay."""
        with self._turn():
            self._change_index(lambda entries: without(entries, digest))
            self._remove_blob(digest)

    def _subject_of(self, digest: str) -> str:
        """The subject in the bytes of a manifest or index; empty if there is none."""
        content = self._manifest(digest)
        media_type = detect_media_type(content, digest)
        parse = parse_index if media_type in INDEX_TYPES else parse_manifest
        subject = parse(content, media_type, digest).subject
        return subject.digest if subject else ""

    def _rewritten(self, name: str, entries: list[dict[str, object]]) -> bytes:
        """The bytes of an index with these entries and its other members."""
        document = parse_object(self._file(name, limits.MANIFEST_BYTES), name, DOCUMENT)
        content = go_json(document | {"manifests": entries})
        if len(content) > limits.MANIFEST_BYTES:
            raise LimitExceeded(f"{self.name}: {name} would grow over {limits.MANIFEST_BYTES} bytes")
        return content
