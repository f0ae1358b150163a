"""The metadata file of buildx (`--metadata-file`), from `build` or `bake`: the images that it made, and their names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec import Struct

from imagesig import limits
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import InvalidArgument
from imagesig.oci.digest import is_digest
from imagesig.oci.reference import Reference, parse_reference
from imagesig.reading import read_bounded
from imagesig.text import quote

_DIGEST, _CONFIG, _NAMES = "containerimage.digest", "containerimage.config.digest", "image.name"
_UNNAMED = "moby-dangling@"
"""The name that the containerd image store gives to an image without a name."""


class BuiltImage(Struct, frozen=True):
    """One image of a build: the digest of its index or manifest, and its names, with their tags."""

    where: str
    digest: str
    names: tuple[Reference, ...]

    @property
    def pushed(self) -> tuple[str, ...]:
        """`REPOSITORY:TAG@DIGEST` for each name: signed by digest, with the tag in the signed name.

        Raises:
            InvalidArgument: it has no name.
        """
        if not self.names:
            raise InvalidArgument(
                f"{self.where}: the image has no name, one is needed to sign it in a registry",
                hint="name it (-t NAME) and push it (--push)",
            )
        return tuple(f"{name}@{self.digest}" for name in self.names)


def read_metadata(path: str | os.PathLike[str]) -> tuple[BuiltImage, ...]:
    """The images in a metadata file: one of `build`, one for each target of `bake` that made an image.

    Raises:
        InvalidArgument: it cannot be read, names no image, or an image in it was not pushed or exported.
        MalformedError: it is not strict JSON.
    """
    what = "buildx metadata"
    data = read_bounded(path, limits.BUILDX_METADATA_BYTES, what, streams=True)
    where = f"{what} {quote(os.fspath(path))}"
    document = parse_object(data, where, OURS, nodes=limits.BUILDX_METADATA_NODES)
    found = tuple(_images(document, where))
    if not found:
        raise InvalidArgument(
            f"{where}: no {_DIGEST}, an image is needed",
            hint="give the file that buildx build or bake wrote for --metadata-file, with --push",
        )
    return found


def _images(document: dict[str, object], where: str) -> Iterator[BuiltImage]:
    if _DIGEST in document:
        yield _image(document, where)
        return
    for target, entry in document.items():
        if isinstance(entry, dict) and _DIGEST in entry:
            yield _image(entry, f"{where}: target {quote(target)}")


def _image(entry: dict[str, object], where: str) -> BuiltImage:
    digest, names = entry[_DIGEST], entry.get(_NAMES, "")
    if not isinstance(digest, str) or not is_digest(digest):
        raise InvalidArgument(f"{where}: {_DIGEST} is {quote(digest)}, a sha256 digest is needed")
    if not isinstance(names, str):
        raise InvalidArgument(f"{where}: {_NAMES} is {quote(names)}, text is needed")
    if digest == entry.get(_CONFIG):
        raise InvalidArgument(
            f"{where}: {digest} is the image's id in the engine, the digest of a pushed image is needed",
            hint="build with --push, or with -o type=oci,dest=FILE in the containerd image store",
        )
    named = [] if names.startswith(_UNNAMED) else [text for text in names.split(",") if text]
    return BuiltImage(where, digest, tuple(dict.fromkeys(_name(text, digest, where) for text in named)))


def _name(text: str, digest: str, where: str) -> Reference:
    reference = parse_reference(text)
    if reference.digest not in ("", digest):
        raise InvalidArgument(f"{where}: {_NAMES} has {quote(text)}, but the image is {digest}")
    return Reference(reference.domain, reference.path, reference.tag)
