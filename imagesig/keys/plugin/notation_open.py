"""Resolves `notation-plugin://NAME/KEYID[?SETTING=VALUE&…]` to a plugin, its key and the plugin's configuration.

KEYID, settings and values are percent-decoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

from imagesig.errors import InvalidArgument
from imagesig.external import external_call
from imagesig.keys.plugin.notation import SCHEME, NotationPluginProvider
from imagesig.keys.plugin.process import plugin_environ
from imagesig.keys.uri import KeySettings
from imagesig.text import quote


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[NotationPluginProvider, str]:
    """See `imagesig.keys.uri.ProviderFactory`.

    As for notation, plugins are in `plugins` of NOTATION_LIBEXEC, else of notation's configuration folder.
    """
    match = re.fullmatch(r"[^:]*://([^/?#]*)/([^?]*)(?:\?(.*))?", uri, re.DOTALL)
    if match is None or not match[2]:
        raise InvalidArgument(f"key URI {quote(uri)}: not of the form {SCHEME}NAME/KEYID?SETTING=VALUE")
    provider = NotationPluginProvider(
        match[1],
        plugin_directory(settings.environ),
        config=_settings(match[3] or "", uri),
        environ=plugin_environ(settings.environ),
    )
    return provider, _percent_decoded(match[2], uri)


def plugin_directory(environ: Mapping[str, str]) -> Path:
    """The folder with notation's plugins."""
    if environ.get("NOTATION_LIBEXEC"):
        return Path(environ["NOTATION_LIBEXEC"]) / "plugins"
    config = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME') or '~'}/.config"
    with external_call("notation plugins", _no_home):
        return Path(config).expanduser() / "notation" / "plugins"


def _no_home(error: Exception) -> InvalidArgument | None:
    if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):
        return InvalidArgument("notation plugins: this user has no home folder", hint="set HOME or NOTATION_LIBEXEC")
    return None


def _settings(query: str, uri: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in query.split("&") if query else ():
        name, equals, value = item.partition("=")
        name = _percent_decoded(name, uri)
        if not name or not equals or name in found:
            raise InvalidArgument(f"key URI {quote(uri)}: {quote(item)} must be SETTING=VALUE, with each setting once")
        found[name] = _percent_decoded(value, uri)
    return found


def _percent_decoded(text: str, uri: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded or re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise InvalidArgument(f"key URI {quote(uri)}: percent-encoded UTF-8 without NUL bytes is needed")
    return decoded
