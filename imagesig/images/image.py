"""`Image`: one image by name, and the home that it is read from and signed in."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct, field

from imagesig import limits
from imagesig.deadlines import deadline, remaining
from imagesig.images.source import ImageHome
from imagesig.oci.location import Location
from imagesig.oci.reference import Reference


class Image(Struct, frozen=True):
    """An image that can be signed and verified; made by `registry()` or `layout()`.

    `target` is the tag or digest that names it in its home; `name` is its reference in a registry, None in a layout.
    `signatures` is where its signatures live: the home itself, or another repository. `timeout` is in seconds and
    bounds each signing or verification as a whole. `place` is where it lies outside registries.
    """

    home: ImageHome
    target: str
    signatures: ImageHome
    name: Reference | None = None
    timeout: float = limits.OPERATION_SECONDS
    place: Location = field(default_factory=Location)

    @property
    def location(self) -> Location:
        """Where it was asked for, as policies name places."""
        return Location(reference=self.name) if self.name else self.place

    @classmethod
    def opened(cls, find: Callable[[], tuple[ImageHome, str]], place: Location, timeout: float) -> Image:
        """The image in the home, and under the tag or digest, that `find` gives. One deadline holds from its first byte
        on: the time that finding takes comes off that of what is then done with the image.

        Raises:
            DeadlineExceeded: finding it took all of the time.
        """
        started = time.monotonic()
        with deadline(timeout):
            home, target = find()
            remaining(f"{home.name}: opening")
        return cls(home, target, home, None, timeout - (time.monotonic() - started), place)

    def __str__(self) -> str:
        return str(self.name) if self.name else f"{self.home.name}{'@' if ':' in self.target else ':'}{self.target}"
