"""Which credential file a variable names, and which of its entries is for a repository. Pure.

Spec: containers-auth.json(5), and the docker CLI, which stored URLs as keys for years. A key with a scheme is for its
host, with any path. A key without a scheme is for a host, or for the repositories below its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagesig.redacted import RedactedStruct
from imagesig.url import redact, written_place

HUB_SERVER = "https://index.docker.io/v1/"
"""The key of Docker Hub in docker's files, and its name for credential helpers."""
_HUB = "docker.io"
_HUB_HOSTS = frozenset({_HUB, "index.docker.io", "registry-1.docker.io"})
_HUB_KEYS = (HUB_SERVER, "index.docker.io", _HUB, "registry-1.docker.io")
_API_PATHS = frozenset({"", "/v1", "/v2"})
"""Paths of the registry's API: a key with one of them is for the host, not for a repository."""
_STORE = "credsStore"


class InlineEntry(RedactedStruct, frozen=True):
    """One entry of `auths`, which has the credential itself. `key` is shown to people: without a login."""

    hidden = ("value",)

    key: str
    value: Mapping[str, object]


class Helper(RedactedStruct, frozen=True):
    """The helper for a host. `key` is its key in `credHelpers`, or `credsStore`. Without a helper, `name` is empty."""

    key: str = ""
    name: str = ""


def path_in(environ: Mapping[str, str], variable: str) -> str:
    """The path in a variable; empty if it is not set. Raises `InvalidArgument` if it has the content of a file."""
    text = environ.get(variable, "")
    if "{" in text:
        from imagesig.images.registry.credential_texts import refuse_content  # speed: for errors only

        refuse_content(text, variable)
    return text


def helper_for(document: Mapping[str, object], host: str) -> Helper:
    """The helper that a file names for a host. An empty name in `credHelpers` turns `credsStore` off for the host."""
    for key, name in _matching(member(document, "credHelpers"), _canonical(host)):
        if isinstance(name, str):
            return Helper(redact(key), name)
    store = member(document, _STORE)
    return Helper(_STORE, store) if isinstance(store, str) and store else Helper()


def inline_entries(document: Mapping[str, object], host: str, repository: str) -> Iterator[InlineEntry]:
    """The entries of `auths` for a repository: those for the longest path first, those for the whole host last."""
    parts = [_canonical(host), *(repository.split("/") if repository else ())]
    for count in range(len(parts), 0, -1):
        for key, value in _matching(member(document, "auths"), "/".join(parts[:count])):
            if isinstance(value, dict):
                yield InlineEntry(redact(key), value)


def member(document: Mapping[str, object], name: str) -> object:
    """A member of a credential file. As in Go, its name has no case; one in the usual spelling has priority."""
    found = (value for written, value in document.items() if written.lower() == name.lower())
    return document.get(name, next(found, None))


def server_of(host: str) -> str:
    """The name of a host for credential helpers."""
    return HUB_SERVER if host.lower() in _HUB_HOSTS else host


def _matching(members: object, name: str) -> list[tuple[str, object]]:
    """The members for a host or a path: first the one with the usual key, then the others in the order of the file."""
    if not isinstance(members, dict):
        return []
    usual = _HUB_KEYS if name == _HUB else (name,)
    found = [(key, value) for key, value in members.items() if _name_in(key) == name]
    return sorted(found, key=lambda member: usual.index(member[0]) if member[0] in usual else len(usual))


def _name_in(key: str) -> str:
    """The host, or host and path, that a key is for."""
    place, path = written_place(key)
    path = path.rstrip("/")
    return _canonical(place) + ("" if "://" in key or path in _API_PATHS else path)


def _canonical(host: str) -> str:
    return _HUB if host.lower() in _HUB_HOSTS else host.lower()
