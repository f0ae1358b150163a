"""Scopes: which rule applies to an image. Only the rule of its most specific scope applies.

Spec: containers-policy.json(5), "transports"; `vectors/containers-image` has its lookup table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument
from imagesig.oci.location import REGISTRY, Location
from imagesig.oci.reference import Reference, parse_reference
from imagesig.patterns import regex
from imagesig.policy.exact import check_kind
from imagesig.text import quote

LOCAL_TRANSPORTS = ("oci", "oci-archive", "docker-archive", "dir")
"""containers/image's names of the transports whose images are files. Spec: containers-transports(5)."""

_PORTS = range(1, 65536)
_LABEL_CHARACTERS = 63
"""The most characters of one part of a host's name. Spec: RFC 1035 section 2.3.4."""
_HOST_CHARACTERS = 253
_FILE_NAME_BYTES, _PATH_BYTES = 255, 4095
"""The longest that Linux opens: NAME_MAX, and PATH_MAX without its final zero."""
_ALIASES = {"index.docker.io": "docker.io", "registry-1.docker.io": "docker.io"}
_NUMBERS = regex(r"[0-9]{1,4}(\.[0-9]{1,4}){3}")
_TAGGED = regex(r".:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.DOTALL)


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


def check_scope(scope: Scope) -> None:
    """Returns if an image can be in the scope.

    Raises:
        InvalidArgument: no image can, or it is no scope.
    """
    check_kind(scope, (Scope,), "policy: scope")
    for value, kind in ((scope.transport, str), (scope.name, str), (scope.exact, bool)):
        check_kind(value, (kind,), "policy: scope")
    text = str(scope)
    if not scope.exact and parse_scope(text) != scope:
        raise _no_scope(text, f"its transport {quote(scope.transport)} is unknown")


@checks_arguments
def parse_scope(text: str) -> Scope:
    """The scope for a text in a policy: a registry, namespace, repository, tag, digest, `*.domain`, or local path.

    `docker:` is every registry, `oci:/folder` every layout in or below the folder, `oci:` every layout.

    Raises:
        InvalidArgument: it is no scope, or no image can be in it.
    """
    transport, colon, rest = text.partition(":")
    if colon and transport in LOCAL_TRANSPORTS and (not rest or rest.startswith("/")):
        _check_path(text, transport, rest)
        return Scope(transport, rest)
    if text == f"{REGISTRY}:":
        return Scope(REGISTRY)
    image = _image_in(text)
    _check_host(text, image.domain)
    return Scope(REGISTRY, text)


def _check_path(text: str, transport: str, path: str) -> None:
    if not path:
        return
    if path == "/":
        raise _no_scope(text, f"for all images of the transport write {text[:-1]}")
    parts = path.split("/")[1:]
    if any(part in ("", ".", "..") for part in parts):
        raise _no_scope(text, "the path has a part that is empty, . or ..")
    try:
        sizes = [len(part.encode("utf-8", "surrogateescape")) for part in (path, *parts)]
    except UnicodeEncodeError:
        raise _no_scope(text, "the path has characters that no file name has") from None
    if "\0" in path or sizes[0] > _PATH_BYTES or max(sizes[1:]) > _FILE_NAME_BYTES:
        raise _no_scope(text, "the path has a NUL byte, or is too long for a file")
    # A location ends before the tag or digest (`sha256:` reads like a tag): a rule for such a path would never apply.
    if (transport == "docker-archive" and ":" in path) or (transport != "dir" and _TAGGED.search(parts[-1])):
        raise _no_scope(text, "a local scope has no tag and no digest; it covers every image at its path")


def _image_in(text: str) -> Reference:
    """An image that is in the scope: the text itself, or the text with a repository appended."""
    candidates = [f"a.{text[2:]}/i"] if text.startswith("*.") else [text, f"{text}/image", f"{text}/i"]
    why = "no registry, namespace or repository has this name"
    for number, candidate in enumerate(candidates):
        try:
            image = parse_reference(candidate)
        except InvalidArgument as error:
            if number == 0 and ("@" in text or ("/" in text and ":" in text.rpartition("/")[2])):
                why = str(error).rpartition(": ")[2]
            continue
        if Scope(REGISTRY, text) in scopes_of(Location(reference=image)):
            return image
        if number == 0 and image.tag and image.digest:
            why = "a tag and a digest, only one of them can be a scope"
        elif number == 0 and not text.startswith("*."):
            why = f"not a full name; for the image write {image}"
    if text.startswith("*."):
        why = "after *. a domain is needed, without port and path"
    raise _no_scope(text, why)


def _check_host(text: str, domain: str) -> None:
    host, colon, port = domain.rpartition(":") if not domain.endswith("]") else (domain, "", "")
    if not colon:
        host = domain
    elif int(port[:6]) not in _PORTS or len(port) > 5:
        raise _no_scope(text, f"port {port}, 1 to {_PORTS[-1]} is needed")
    if host.startswith("["):
        from ipaddress import IPv6Address  # speed: few hosts are addresses (benchmarks/test_start.py)

        try:
            IPv6Address(host[1:-1])
        except ValueError:
            raise _no_scope(text, f"{quote(host)} is no IPv6 address") from None
    elif _NUMBERS.fullmatch(host) and any(int(label) > 255 for label in host.split(".")):
        raise _no_scope(text, f"{quote(host)} is no IPv4 address")
    elif len(host) > _HOST_CHARACTERS:
        raise _no_scope(text, f"a host of {len(host)} characters, at most {_HOST_CHARACTERS} are possible")
    elif any(len(label) > _LABEL_CHARACTERS for label in host.split(".")):
        raise _no_scope(text, f"a part of the host has more than {_LABEL_CHARACTERS} characters")


def _no_scope(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"scope {quote(text)}: {why}",
        hint="write HOST[:PORT][/NAMESPACE][/REPOSITORY[:TAG|@DIGEST]], *.DOMAIN, or a transport and an absolute path "
        "such as oci:/images/team",
    )


def lookup_order(location: Location) -> Iterator[Scope]:
    """The scopes to look up, the most specific first: an exact scope comes before the same repository as a scope."""
    for scope in scopes_of(location):
        if location.reference and scope.name == location.reference.repository:
            yield replace(scope, exact=True)
        yield scope


def as_one_name(scope: Scope) -> Scope:
    """The scope with its host in one form for all spellings: two scopes that are equal in this form are one place."""
    if scope.transport != REGISTRY:
        return scope
    host, slash, rest = scope.name.partition("/")
    return replace(scope, name=f"{one_host(host)}{slash}{rest}")


def one_host(domain: str) -> str:
    """The host in lower case, with its port in one form: without leading zeros, and left out if it is HTTPS's."""
    bracket, host, port = "", *domain.lower().partition(":")[::2]
    if domain.startswith("["):
        from ipaddress import IPv6Address

        bracket, host, port = "[", *domain[1:].partition("]")[::2]
        try:
            host = IPv6Address(host).compressed
        except ValueError:
            return domain
    port = port.lstrip(":0")
    host = f"[{host}]" if bracket else _ALIASES.get(host, host)
    return host if port in ("", "443") else f"{host}:{port}"


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
