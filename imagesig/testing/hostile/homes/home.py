"""Signed images on disk, and how they change while a program reads them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imagesig.api.copying import copy
from imagesig.api.sign.signing import sign
from imagesig.errors import MalformedError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.testing.hostile.kinds import Errors, MadeHome
from imagesig.testing.hostile.registries.stage import signer

BLOBS = "blobs/sha256"
IDENTITY = "registry.example/app"
"""The repository that images on disk are signed for."""


class Home:
    """One signed image in a layout `image`, below a folder; `path` is the layout."""

    def __init__(self, folder: Path, *, name: str = "image", content: bytes = b"good", signed: bool = True) -> None:
        self.folder, self.path = folder, folder / name
        layout = Layout.create(self.path)
        self.digest = build_image(layout, {"bin/app": content}, PLATFORMS[0], "1.0").digest
        if signed:
            sign(f"oci:{self.path}:1.0", signer().key, formats=["cosign", "bundle"], identity=IDENTITY)

    @property
    def blob(self) -> Path:
        """The file of the image's manifest."""
        return self.blob_of(self.digest)

    @property
    def index(self) -> Path:
        return self.path / "index.json"

    def blob_of(self, digest: str) -> Path:
        return self.path / BLOBS / digest.removeprefix("sha256:")

    def document(self) -> dict[str, Any]:
        """The image's manifest."""
        loaded: dict[str, Any] = json.loads(self.blob.read_bytes())
        return loaded

    def listed(self) -> dict[str, Any]:
        """`index.json`, to be changed and written."""
        loaded: dict[str, Any] = json.loads(self.index.read_bytes())
        return loaded

    def made(self, text: str = "", during: contextlib.AbstractContextManager[object] | None = None) -> MadeHome:
        return MadeHome(text or f"oci:{self.path}:1.0", self.digest, during)

    def as_directory(self) -> Path:
        """The image as a `dir:` beside the layout."""
        path = self.folder / "directory"
        copy(f"oci:{self.path}:1.0", f"dir:{path}", signatures=False)
        sign(f"dir:{path}", signer().key, formats=["cosign"], identity=IDENTITY)
        return path

    def files(self) -> list[tuple[str, bytes]]:
        """The layout's files by name, for an archive."""
        found = sorted(path for path in self.path.rglob("*") if path.is_file())
        return [(str(path.relative_to(self.path)), path.read_bytes()) for path in found]


@contextlib.contextmanager
def again_and_again(*steps: Callable[[], object], pause: float = 0.0005) -> Iterator[None]:
    """Runs the steps in turn, in a thread, until the block ends."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            for step in steps:
                with contextlib.suppress(OSError):
                    step()
                over.wait(pause)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


BAD: Errors = (MalformedError,)
