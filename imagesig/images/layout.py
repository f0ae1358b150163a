"""Images in OCI layouts: a directory with `oci-layout`, `index.json` and `blobs/`.

Spec: OCI image-spec, image layout. Signatures lie beside the image as `cosign save` leaves them: the `.sig` manifest as
an entry of `index.json` that is marked with cosign's `kind` annotation, bundles as manifests with a `subject`.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, MalformedError, NotFound, TransportError
from imagesig.images.image import Image
from imagesig.images.layout_index import with_referrer, with_tagged, without
from imagesig.images.layout_reader import INDEX, LAYOUT_VERSION, MARKER, LayoutReader
from imagesig.images.source import ImageSource
from imagesig.images.stream import CHUNK_BYTES, checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.oci.manifest import OCI_MANIFEST


def layout(directory: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an OCI layout that a tag or digest names; without one, the only image there.

    Raises:
        InvalidArgument: no layout there, or several images and no tag.
        ImageNotFound: no image there.
    """
    home = Layout(Path(directory))
    return Image(home, target or home.only_image(), home, None, timeout)


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
            for name, document in (
                (MARKER, {"imageLayoutVersion": LAYOUT_VERSION}),
                (INDEX, {"schemaVersion": 2, "manifests": []}),
            ):
                if not (directory / name).exists():
                    with replacing(directory / name) as file:
                        file.write(go_json(document))
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
        name = self._blob(descriptor.digest)
        with self._opened(name) as file:
            yield checked(_chunks(file, f"{self.name}: {name}"), descriptor, f"{self.name}: {descriptor.digest}")

    def _file(self, name: str, most: int) -> bytes:
        with self._opened(name) as file:
            try:
                content = file.read(most + 1)
            except OSError as error:
                raise TransportError(f"{self.name}: {name} cannot be read ({error.strerror})") from error
        if len(content) > most:
            raise LimitExceeded(f"{self.name}: {name} has more than {most} bytes")
        return content

    def _has_file(self, name: str) -> bool:
        return (self._directory / name).is_file()

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

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        try:
            # Not blocking: somebody may have put a pipe there.
            descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            if name in (MARKER, INDEX):
                raise InvalidArgument(f"{self.name}: {name}: no OCI layout there", hint="check the path") from None
            raise NotFound(f"{self.name}: {name}: it is not there", hint="check the path") from None
        except OSError as error:
            raise TransportError(f"{self.name}: {name} cannot be read ({error.strerror})") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise MalformedError(f"{self.name}: {name} is no regular file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    # --- writing -------------------------------------------------------------------------------------------------

    def check_holds(self, *, referrers: bool) -> None:
        """See `ImageTarget`: a layout holds both."""

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[None]:
        return nullcontext()

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        if not self.has_blob(descriptor):
            self.put_blob_stream(descriptor, (content,))
        return descriptor

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        path = self._directory / self._blob(descriptor.digest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                for chunk in checked(chunks, descriptor, f"{self.name}: {descriptor.digest}"):
                    file.write(chunk)
        except ImagesigError:
            raise  # of the pieces; a passed deadline is an OSError too
        except OSError as error:
            raise TransportError(f"{self.name}: cannot write {path.name} ({error.strerror})") from error

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        return False

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest; `index.json` lists it if it has a tag (the children of an index have none)."""
        descriptor = self.put_blob(content, media_type)
        if tag:
            self._change_index(lambda entries: with_tagged(entries, descriptor.to_json(), tag))
        return descriptor

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

    def _change_index(self, change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> None:
        with self._locked():
            document = parse_object(self._file(INDEX, limits.MANIFEST_BYTES), INDEX)
            content = go_json(document | {"manifests": change(self._index())})
            if len(content) > limits.MANIFEST_BYTES:
                raise LimitExceeded(f"{self.name}: index.json would grow over {limits.MANIFEST_BYTES} bytes")
            try:
                with replacing(self._directory / INDEX) as file:
                    file.write(content)
            except OSError as error:
                raise TransportError(f"{self.name}: cannot write index.json ({error.strerror})") from error

    def exclusive(self, tag: str) -> AbstractContextManager[None]:
        return self._locked()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer of `index.json` at a time, across threads and processes."""
        if getattr(self._held, "here", False):
            yield
            return
        try:
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise TransportError(f"{self.name}: cannot be opened ({error.strerror})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._held.here = True
            yield
        finally:
            self._held.here = False
            os.close(descriptor)


def _nothing_to_settle() -> None:
    """Writers of a layout take turns, so nothing that was written can be lost."""


def _chunks(file: BinaryIO, what: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise TransportError(f"{what} cannot be read ({error.strerror})") from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once the block is through, whole and on the disk; or never."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".imagesig-", delete=False) as file:
        try:
            yield file  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).rename(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
