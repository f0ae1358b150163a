"""Scopes: which rule is for an image. The most specific one that has a rule wins, and it alone.

Spec: containers-policy.json(5), "transports"; `vectors/containers-image` holds its lookup table.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from imagesig.errors import InvalidArgument
from imagesig.oci.location import REGISTRY, Location
from imagesig.oci.reference import Reference, is_name_prefix, parse_reference
from imagesig.text import quote

LOCAL_TRANSPORTS = ("oci", "oci-archive", "docker-archive", "dir")
"""containers/image's names of the transports whose images are files. Spec: containers-transports(5)."""


class Scope(Struct, frozen=True):
    """Images of one transport: all of them (`name` empty) or those below a name.

    In a registry the name is `host[:port][/namespace…[/repository[:tag|@digest]]]` or `*.domain`; elsewhere it is the
    absolute path of a file or of a folder above it. An `exact` scope is one repository, with nothing below it.
    """

    transport: str
    name: str = ""
    exact: bool = False

    def __str__(self) -> str:
        return self.name if self.transport == REGISTRY and self.name else f"{self.transport}:{self.name}"


def parse_scope(text: str) -> Scope:
    """The scope that a policy writes: a registry, namespace, repository, tag or digest, `*.domain`, or a local place.

    `docker:` is every registry; `oci:/folder` every layout in or below it, `oci:` every layout.

    Raises:
        InvalidArgument: no scope, or one that no image could ever be in.
    """
    transport, colon, rest = text.partition(":")
    if colon and transport in LOCAL_TRANSPORTS and (not rest or rest.startswith("/")):
        return Scope(transport, _canonical_path(text, rest))
    if text == f"{REGISTRY}:":
        return Scope(REGISTRY)
    if text.startswith("*."):
        domain = text[2:]
        if "/" in domain or ":" in domain or "*" in domain or not is_name_prefix(domain):
            raise _no_scope(text, "after *. a domain is needed, without port and path")
        return Scope(REGISTRY, text)
    return Scope(REGISTRY, _name_in_registry(text))


def _canonical_path(text: str, path: str) -> str:
    if path == "/":
        raise _no_scope(text, f"for all images of the transport write {text[:-1]}")
    parts = path.split("/")[1:]
    if any(part in ("", ".", "..") for part in parts):
        raise _no_scope(text, "the path has a part that is empty, . or ..")
    return path


def _name_in_registry(text: str) -> str:
    # With a component more, a namespace and a host become names of repositories, whose rules then hold for them.
    last = text.rpartition("/")[2]
    whole = "@" in text or ("/" in text and ":" in last)
    written = text if whole else f"{text}/x" if "/" in text else f"{text}/x/x"
    try:
        reference = parse_reference(written)
    except InvalidArgument as error:
        why = str(error).rpartition(": ")[2] if whole else "no registry, namespace or repository is called so"
        raise _no_scope(text, why) from None
    if reference.tag and reference.digest:
        raise _no_scope(text, "a tag and a digest, only one of them can be a scope")
    if str(reference) != written:
        full = str(parse_reference(text)) if "/" in text or whole else f"docker.io/library/{text}"
        raise _no_scope(text, f"not a full name; for the image write {full}")
    return text


def _no_scope(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"scope {quote(text)}: {why}",
        hint="write HOST[:PORT][/NAMESPACE][/REPOSITORY[:TAG|@DIGEST]], *.DOMAIN, or a transport and an absolute path "
        "such as oci:/srv/images",
    )


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
