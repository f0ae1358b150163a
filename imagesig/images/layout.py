"""Images in OCI layouts: a directory with `oci-layout`, `index.json` and `blobs/`.

Spec: OCI image-spec, image layout. Signatures lie beside the image as `cosign save` leaves them: the `.sig` manifest as
an entry of `index.json` that is marked with cosign's `kind` annotation, bundles as manifests with a `subject`.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import (
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
    TransportError,
    quote,
)
from imagesig.http import wait
from imagesig.images.image import Image
from imagesig.images.layout_index import (
    REF_NAME,
    entry_annotations,
    is_image,
    marked_for_cosign,
    saved_by_cosign,
    tag_of_entry,
)
from imagesig.images.merge import Merge, look
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import is_digest, sha256
from imagesig.oci.location import Location
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, OCI_MANIFEST, parse_manifest

_LAYOUT_VERSION = "1.0.0"
_TURN_SECONDS = 0.005
"""Between two looks at whether another writer of the layout is done."""


def layout(directory: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an OCI layout that a tag or digest names; without one, the only image there.

    Raises:
        InvalidArgument: no layout there, or several images and no tag.
        ImageNotFound: no image there.
    """
    home = Layout(Path(directory))
    place = Location("oci", path=os.path.realpath(directory))
    return Image(home, target or home.only_image(), home, None, timeout, place)


class Layout:
    """One layout directory; an `ImageHome`. Safe to use from several threads and processes: writers take turns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        marker = self._read_file(directory / "oci-layout", limits.CONFIG_BYTES, InvalidArgument)
        version = parse_object(marker, f"{directory}/oci-layout").get("imageLayoutVersion")
        if version != _LAYOUT_VERSION:
            raise InvalidArgument(f"{self.name}: layout version {quote(version)}, {_LAYOUT_VERSION} is needed")

    @classmethod
    def create(cls, directory: Path) -> Layout:
        """Makes an empty layout, or opens the one that is there."""
        try:
            (directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            for name, document in (
                ("oci-layout", {"imageLayoutVersion": _LAYOUT_VERSION}),
                ("index.json", {"schemaVersion": 2, "manifests": []}),
            ):
                if not (directory / name).exists():
                    _write_atomically(directory / name, go_json(document))
        except OSError as error:
            raise TransportError(f"oci:{directory}: cannot be created ({error.strerror})") from error
        return cls(directory)

    @property
    def name(self) -> str:
        return f"oci:{self._directory}"

    def __repr__(self) -> str:
        return f"Layout({str(self._directory)!r})"

    # --- reading -------------------------------------------------------------------------------------------------

    def resolve(self, tag_or_digest: str) -> Descriptor:
        entries = self._entries()
        if is_digest(tag_or_digest):
            found = [entry for entry in entries if entry.digest == tag_or_digest]
            return found[0] if found else self._manifest_by_digest(tag_or_digest)
        found = [entry for entry in entries if tag_of_entry(entry) == tag_or_digest]
        distinct = {entry.digest: entry for entry in found}
        if len(distinct) > 1:
            raise MalformedError(f"{self.name}: the tag {tag_or_digest!r} names {len(distinct)} different manifests")
        if distinct:
            return next(iter(distinct.values()))
        saved = saved_by_cosign(entries, tag_or_digest)
        if saved is None:
            raise NotFound(f"{self.name}: no manifest is tagged {quote(tag_or_digest)}")
        return saved

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        if descriptor.size > limit:
            raise LimitExceeded(
                f"{self.name}: {descriptor.digest} has {descriptor.size} bytes, at most {limit} are read"
            )
        content = self._read_blob(descriptor.digest, descriptor.size)
        if len(content) != descriptor.size:
            raise DigestMismatch(f"{self.name}: {descriptor.digest} is not {descriptor.size} bytes long")
        return content

    def has(self, digest: str) -> bool:
        return self._blob_path(digest).is_file()

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Found in the blobs themselves: not every tool lists its referrers in `index.json` (cosign does not)."""
        found: dict[str, Descriptor] = {}
        for path in self._small_blobs():
            content = self._read_file(path, limits.MANIFEST_BYTES, NotFound)
            if digest.encode() not in content or b'"subject"' not in content:
                continue
            try:
                manifest = parse_manifest(content, OCI_MANIFEST, path.name)
            except MalformedError:
                continue  # a config, a layer or an index that mentions the digest
            if manifest.subject and manifest.subject.digest == digest:
                found[path.name] = Descriptor.of(content, OCI_MANIFEST)
            if len(found) > limits.REFERRERS:
                raise LimitExceeded(f"{self.name}: more than {limits.REFERRERS} referrers of {digest}")
        return tuple(found[name] for name in sorted(found))

    def only_image(self) -> str:
        """The digest of the one image here. Raises `InvalidArgument` or `ImageNotFound` if there is not exactly one."""
        images = {entry.digest: entry for entry in self._entries() if is_image(entry)}
        images = {digest: entry for digest, entry in images.items() if not self._has_subject(entry)}
        if not images:
            raise ImageNotFound(f"{self.name}: holds no image")
        if len(images) > 1:
            tags = ", ".join(quote(tag_of_entry(entry) or entry.digest) for entry in list(images.values())[:10])
            raise InvalidArgument(
                f"{self.name}: holds {len(images)} images ({tags})", hint=f"name one: {self.name}:TAG or @DIGEST"
            )
        return next(iter(images))

    def _has_subject(self, entry: Descriptor) -> bool:
        if entry.media_type not in MANIFEST_TYPES:
            return False
        content = self.read(entry, limit=limits.MANIFEST_BYTES)
        return parse_manifest(content, entry.media_type, entry.digest).subject is not None

    def _entries(self) -> list[Descriptor]:
        return [parse_descriptor(entry, f"{self.name}: index.json entry") for entry in self._index()]

    def _index(self) -> list[dict[str, object]]:
        content = self._read_file(self._directory / "index.json", limits.MANIFEST_BYTES, InvalidArgument)
        entries = parse_object(content, f"{self.name}: index.json").get("manifests")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise MalformedError(f"{self.name}: index.json has no list of manifests")
        return entries

    def _manifest_by_digest(self, digest: str) -> Descriptor:
        """A manifest that `index.json` does not list, such as the child of an index."""
        content = self._read_blob(digest, limits.MANIFEST_BYTES)
        document = parse_object(content, f"{self.name}: {digest}")
        media_type = document.get("mediaType", OCI_MANIFEST)
        if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            raise NotFound(f"{self.name}: {digest} is no manifest")
        return Descriptor.of(content, str(media_type))

    def _blob_path(self, digest: str) -> Path:
        if not is_digest(digest):  # a digest is a path here: CVE-2024-3727
            raise MalformedError(
                f"{self.name}: digest {quote(digest)}, sha256: and 64 lower-case hex digits are needed"
            )
        algorithm, _, hexadecimal = digest.partition(":")
        return self._directory / "blobs" / algorithm / hexadecimal

    def _small_blobs(self) -> Iterator[Path]:
        directory = self._directory / "blobs" / "sha256"
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if is_digest(f"sha256:{entry.name}") and entry.stat().st_size <= limits.MANIFEST_BYTES:
                        yield directory / entry.name
        except OSError as error:
            raise TransportError(f"{self.name}: blobs cannot be listed ({error.strerror})") from error

    def _read_blob(self, digest: str, most: int) -> bytes:
        content = self._read_file(self._blob_path(digest), most, NotFound)
        if sha256(content) != digest:
            raise DigestMismatch(f"{self.name}: the blob {digest} holds other bytes, {sha256(content)}")
        return content

    def _read_file(self, path: Path, most: int, missing: type[NotFound | InvalidArgument]) -> bytes:
        try:
            # Not blocking: somebody may have put a pipe there.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise MalformedError(f"{self.name}: {path.name} is no regular file")
                content = file.read(most + 1)
        except FileNotFoundError:
            what = "no OCI layout there" if missing is InvalidArgument else "it is not there"
            raise missing(f"{self.name}: {path.name}: {what}", hint="check the path") from None
        except OSError as error:
            raise TransportError(f"{self.name}: {path.name} cannot be read ({error.strerror})") from error
        if len(content) > most:
            raise LimitExceeded(f"{self.name}: {path.name} has more than {most} bytes")
        return content

    # --- writing -------------------------------------------------------------------------------------------------

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        path = self._blob_path(descriptor.digest)
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_atomically(path, content)
        except OSError as error:
            raise TransportError(f"{self.name}: cannot write {path.name} ({error.strerror})") from error
        return descriptor

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest; `index.json` lists it if it has a tag (the children of an index have none)."""
        descriptor = self.put_blob(content, media_type)
        if tag:
            with self._locked():
                self._list(descriptor, tag)
        return descriptor

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        with self._locked():
            merged = merge(look(self, tag))
            if merged is not None:
                self._list(self.put_blob(merged.content, merged.media_type), tag)
        return _nothing_to_settle

    def _list(self, descriptor: Descriptor, tag: str) -> None:
        """Makes `index.json` name the manifest by this tag; to be called by the writer whose turn it is."""
        entry = descriptor.to_json() | {"annotations": {REF_NAME: tag}}
        others = [other for other in self._index() if entry_annotations(other).get(REF_NAME) != tag]
        self._write_index(marked_for_cosign([*others, entry], entry))

    def add_referrer(self, content: bytes, subject: Descriptor) -> Callable[[], None]:
        entry = self.put_blob(content, OCI_MANIFEST).to_json()
        with self._locked():
            entries = self._index()
            if not any(other.get("digest") == entry["digest"] for other in entries):
                entries.append(entry)
            self._write_index(marked_for_cosign(entries, None, subject.digest))
        return _nothing_to_settle

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer of `index.json` at a time, across threads and processes."""
        try:
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise TransportError(f"{self.name}: cannot be opened ({error.strerror})") from error
        try:
            while not _took(descriptor):
                wait(_TURN_SECONDS, f"{self.name}: another writer's turn")
            yield
        finally:
            os.close(descriptor)

    def _write_index(self, entries: list[dict[str, object]]) -> None:
        document = parse_object(
            self._read_file(self._directory / "index.json", limits.MANIFEST_BYTES, InvalidArgument), "index.json"
        )
        content = go_json(document | {"manifests": entries})
        if len(content) > limits.MANIFEST_BYTES:
            raise LimitExceeded(f"{self.name}: index.json would grow over {limits.MANIFEST_BYTES} bytes")
        try:
            _write_atomically(self._directory / "index.json", content)
        except OSError as error:
            raise TransportError(f"{self.name}: cannot write index.json ({error.strerror})") from error


def _took(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _nothing_to_settle() -> None:
    """Writers of a layout take turns, so nothing that was written can be lost."""


def _write_atomically(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".imagesig-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).rename(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
