"""Where an image was asked for, as policies name places: a transport and a reference, or a transport and a path."""

from __future__ import annotations

from msgspec import Struct

from imagesig.oci.reference import Reference

REGISTRY = "docker"
"""containers/image's name of the transport that reaches registries."""


class Location(Struct, frozen=True):
    """One place. `reference` is None, and `path` absolute and free of symbolic links, outside registries.

    Spec: containers-transports(5) has the transports' names.
    """

    transport: str = REGISTRY
    reference: Reference | None = None
    path: str = ""

    def __str__(self) -> str:
        return str(self.reference) if self.reference else f"{self.transport}:{self.path}"
