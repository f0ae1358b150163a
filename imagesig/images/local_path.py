"""Paths of local images, as people and programs give them."""

from __future__ import annotations

import os
from pathlib import Path

from imagesig.naming import is_raw_key, refuse_key
from imagesig.text import holds_key


def local_path(given: str | os.PathLike[str]) -> Path:
    """The path. A text that looks like a private key is refused, unless a file of that name exists.

    Raises:
        InvalidArgument: it looks like a private key. The error does not repeat it.
    """
    text = os.fspath(given)
    if (holds_key(text) or is_raw_key(text)) and not os.path.lexists(text):
        refuse_key(text, "image", "give a reference, or the path of a local image", raw=True)
    return Path(text)
