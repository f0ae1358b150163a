"""Resolves `sigstore-kms://NAME/RESOURCE` to a plugin and its key."""

from __future__ import annotations

import re

from imagesig.errors import InvalidArgument
from imagesig.keys.plugin.process import plugin_environ
from imagesig.keys.plugin.sigstore import SCHEME, SigstorePluginProvider, find_plugin
from imagesig.keys.uri import KeySettings
from imagesig.text import quote


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[SigstorePluginProvider, str]:
    """See `imagesig.keys.uri.ProviderFactory`."""
    match = re.fullmatch(r"[^:]*://([^/]*)/(.+)", uri, re.DOTALL)
    if match is None:
        raise InvalidArgument(f"key URI {quote(uri)}: not of the form {SCHEME}NAME/RESOURCE")
    program = find_plugin(match[1], settings.environ.get("PATH", ""))
    return SigstorePluginProvider(program, environ=plugin_environ(settings.environ)), match[2]
