"""`Image`: one image by name, and the home that it is read from and signed in."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig import limits
from imagesig.deadlines import deadline, remaining
from imagesig.errors import MalformedError
from imagesig.images.source import ImageHome
from imagesig.oci.location import Location
from imagesig.oci.reference import Reference


class Image(Struct, frozen=True):
    """An image that can be signed and verified, made by `registry()`, `layout()` and so on.

    `target` is the tag or digest that names it in its home. `name` is its reference, None outside registries.
    `signatures` is the home of its signatures: its own home, or another repository. `timeout` bounds each signing or
    verification, in seconds. `place` is its location outside registries. `described` are the digests in the second
    description of an archive; empty without one.
    """

    home: ImageHome
    target: str
    signatures: ImageHome
    name: Reference | None = None
    timeout: float = limits.OPERATION_SECONDS
    place: Location = field(default_factory=Location)
    described: frozenset[str] = frozenset()

    @property
    def location(self) -> Location:
        """Where it is, as policies name places."""
        return Location(reference=self.name) if self.name else self.place

    @classmethod
    def opened(cls, find: Callable[[], Image], timeout: float) -> Image:
        """The image that `find` gives. The time that finding takes is subtracted from its timeout.

        Raises:
            DeadlineExceeded: finding it took all the time.
        """
        started = time.monotonic()
        with deadline(timeout):
            found = find()
            remaining(f"{found}: opening")
        return replace(found, timeout=timeout - (time.monotonic() - started))

    def check_platform(self, digest: str) -> None:
        """Returns if every reader takes this manifest, which was chosen for a platform, from here.

        Raises:
            MalformedError: Docker's description of the archive names another manifest of the image.
        """
        if self.described and digest not in self.described:
            raise MalformedError(
                f"{self}: manifest.json, which skopeo and Docker's older store read, describes another platform than "
                f"that of {digest}: readers load different images",
                hint="save only that platform: docker save --platform",
            )

    def __str__(self) -> str:
        return str(self.name) if self.name else f"{self.home.name}{'@' if ':' in self.target else ':'}{self.target}"
