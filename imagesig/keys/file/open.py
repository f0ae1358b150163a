"""Resolves the path of a key file, a `file:` URI or `env://NAME` to a provider."""

from __future__ import annotations

import os
import re
from pathlib import Path

from imagesig.errors import InvalidArgument, KeyNotFound
from imagesig.keys.file.provider import FileProvider, MemoryProvider
from imagesig.keys.secrets import has_encoding
from imagesig.keys.uri import KeySettings
from imagesig.naming import scheme_of
from imagesig.patterns import regex
from imagesig.reading import is_folder
from imagesig.text import quote

_FILE_URI = regex(r"file:(?://(?P<host>[^/?#]*))?(?P<path>[^?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_VARIABLE_URI = regex(r"env://([A-Za-z_][A-Za-z0-9_]*)", re.IGNORECASE)


def names_private_key(uri: str, settings: KeySettings) -> bool:
    """Whether this is the path, `file:` URI or `env:` URI of a private key. Raises as `provider_from_uri` does."""
    if scheme_of(uri) not in ("file", "env"):
        return False
    provider, name = provider_from_uri(uri, settings)
    return provider.is_private(name)


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[FileProvider | MemoryProvider, str]:
    """The provider for a path, `file:///PATH` (RFC 8089, `%XX` decoded) or `env://NAME` (PEM text in a variable).

    For the path of a folder the name is empty, for `list`.

    Raises:
        InvalidArgument: another `file:` or `env:` URI.
        KeyNotFound: the variable is not set.
    """
    if scheme_of(uri) == "env":
        return _from_environ(uri, settings), uri
    path = _path_of(uri)
    with_folder = is_folder(path)
    provider = FileProvider(
        path if with_folder else path.parent,
        secrets=settings.secrets,
        allow_open_permissions=settings.allow_open_permissions,
    )
    return provider, "" if with_folder else path.name


def _from_environ(uri: str, settings: KeySettings) -> MemoryProvider:
    match = _VARIABLE_URI.fullmatch(uri)
    if match is None:
        raise InvalidArgument(f"key URI {quote(uri)}: not the name of a variable", hint="write env://NAME")
    if match[1] not in settings.environ:
        raise KeyNotFound(f"{uri}: the variable is not set", hint=f"put the PEM text of the key into {match[1]}")
    value = settings.environ[match[1]]
    if not has_encoding(value, "surrogateescape"):
        raise InvalidArgument(f"{match[1]}: its value cannot be encoded")
    content = value.encode("utf-8", "surrogateescape")
    return MemoryProvider({uri: content}, secrets=settings.secrets)


def _path_of(uri: str) -> Path:
    match = _FILE_URI.fullmatch(uri)
    if match is None:
        return Path(uri)
    from urllib.parse import unquote_to_bytes  # speed: most keys are given as a path (benchmarks/test_start.py)

    # The command line gives bytes that are not UTF-8 as surrogates.
    decoded = os.fsdecode(unquote_to_bytes(os.fsencode(match["path"])))
    is_here = (match["host"] or "localhost").lower() == "localhost"
    if not is_here or not decoded.startswith("/") or match["rest"] or "\0" in decoded:
        raise InvalidArgument(
            f"key URI {quote(uri)}: not the file URI of an absolute path",
            hint="write the path, or file:///folder/name",
        )
    return Path(decoded)
