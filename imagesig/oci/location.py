"""Where an image is, as policies name it: a transport with a reference or a path."""

from __future__ import annotations

from msgspec import Struct

from imagesig.oci.reference import Reference

REGISTRY = "docker"
"""The transport for registries, as containers/image calls it."""


class Location(Struct, frozen=True):
    """One place. Outside registries, `reference` is None and `path` is absolute, without symbolic links.

    Spec: containers-transports(5) has the transports' names.
    """

    transport: str = REGISTRY
    reference: Reference | None = None
    path: str = ""

    def __str__(self) -> str:
        return str(self.reference) if self.reference else f"{self.transport}:{self.path}"
