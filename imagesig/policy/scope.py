"""Scopes: which rule is for an image. The most specific one that has a rule wins, and it alone.

Spec: containers-policy.json(5), "transports"; `vectors/containers-image` holds its lookup table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from imagesig.oci.location import REGISTRY, Location
from imagesig.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Scope:
    """Images of one transport: all of them (`name` empty) or those below a name.

    In a registry the name is `host[:port][/namespace…[/repository[:tag|@digest]]]` or `*.domain`; elsewhere it is the
    absolute path of a file or of a folder above it. An `exact` scope is one repository, with nothing below it.
    """

    transport: str
    name: str = ""
    exact: bool = False

    def __str__(self) -> str:
        return self.name if self.transport == REGISTRY and self.name else f"{self.transport}:{self.name}"


def lookup_order(location: Location) -> Iterator[Scope]:
    """The scopes of which the first that has a rule counts: an exact one goes before the same repository as a scope."""
    for scope in scopes_of(location):
        if location.reference and scope.name == location.reference.repository:
            yield replace(scope, exact=True)
        yield scope


def scopes_of(location: Location) -> Iterator[Scope]:
    """The scopes that the image is in, the most specific first."""
    reference = location.reference
    for name in _names_of_path(location.path) if reference is None else _names_in_registry(reference):
        yield Scope(location.transport, name)
    yield Scope(location.transport)


def _names_in_registry(reference: Reference) -> Iterator[str]:
    if reference.digest:
        yield f"{reference.repository}@{reference.digest}"
    if reference.tag:
        yield f"{reference.repository}:{reference.tag}"
    name = reference.repository
    while name:
        yield name
        name = name.rpartition("/")[0]
    # `*.example.com` covers every port; an address or a name without a dot has no wildcard.
    domain = reference.domain.partition(":")[0] if not reference.domain.startswith("[") else ""
    _, dot, parent = domain.partition(".")
    while dot:
        yield f"*.{parent}"
        _, dot, parent = parent.partition(".")


def _names_of_path(path: str) -> Iterator[str]:
    while path and path != "/":
        yield path
        path = path.rpartition("/")[0]
