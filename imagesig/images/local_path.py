"""Paths of local images, as people and programs give them."""

from __future__ import annotations

import os
from pathlib import Path

from imagesig.errors import InvalidArgument
from imagesig.naming import is_raw_key, refuse_key
from imagesig.text import holds_key, quote


def local_path(given: str | os.PathLike[str]) -> Path:
    """The path. A text that looks like a private key is refused, unless a file of that name exists.

    Raises:
        InvalidArgument: not a path, or it looks like a private key. The error does not repeat a key.
    """
    if not isinstance(given, str | os.PathLike):
        raise InvalidArgument(f"image {quote(given)}: a path is needed")
    text = os.fspath(given)
    if (holds_key(text) or is_raw_key(text)) and not os.path.lexists(text):
        refuse_key(text, "image", "give a reference, or the path of a local image", raw=True)
    if not _is_path(text):
        raise InvalidArgument(f"image {quote(text)}: not a path: it has a NUL character, or is not text")
    return Path(text)


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeError:  # half of a surrogate pair that encodes no byte
        return False
