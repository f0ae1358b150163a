"""The words of a credential helper that failed, without those that may be a credential. Pure."""

from __future__ import annotations

from imagesig.patterns import regex
from imagesig.text import quote

_SAID_BYTES = 512
_MAYBE_SECRET = regex(rb"[{=@]")
"""Characters of JSON, of a setting such as `password=…`, and of a URL with a login."""


def helper_words(output: bytes) -> str:
    """The first line in parentheses: the protocol has errors on stdout. Empty if the output may have a credential.

    A helper may print its answer and fail afterwards.
    """
    said = output[:_SAID_BYTES].decode("utf-8", "replace").strip().partition("\n")[0]
    return f" ({quote(said)})" if said and not _MAYBE_SECRET.search(output) else ""
