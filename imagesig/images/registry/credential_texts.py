"""Keeps credentials out of messages: the output of a helper that failed, and variables that name files. Pure."""

from __future__ import annotations

from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.text import quote

_SAID_BYTES = 512
_MAYBE_SECRET = regex(rb"[{=@]")
"""Characters of JSON, of a setting such as `password=…`, and of a URL with a login."""
_CONTENT = regex(r'\s*\{\s*["}]')
"""How the content of a credential file begins."""


def helper_words(output: bytes) -> str:
    """The first line in parentheses: the protocol has errors on stdout. Empty if the output may have a credential.

    A helper may print its answer and fail afterwards.
    """
    said = output[:_SAID_BYTES].decode("utf-8", "replace").strip().partition("\n")[0]
    return f" ({quote(said)})" if said and not _MAYBE_SECRET.search(output) else ""


def refuse_content(text: str, variable: str) -> None:
    """Raises `InvalidArgument` if a variable for a path has the content of a credential file: paths are shown.

    Other tools read `DOCKER_AUTH_CONFIG`, which has such content.
    """
    if _CONTENT.match(text):
        place = "its folder" if variable == "DOCKER_CONFIG" else "it"
        raise InvalidArgument(
            f"{variable}: it has the content of a credential file, a path is needed",
            hint=f"write its content to a file, and name {place} in {variable}",
        )
