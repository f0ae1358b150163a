"""Names that people type, of keys, images and files: what holds a private key is none, and is not shown."""

from __future__ import annotations

import re

from imagesig.errors import InvalidArgument
from imagesig.text import holds_key, may_hold_key

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(//)?", re.IGNORECASE)


def scheme_of(uri_or_path: str) -> str:
    """`file` for a path, else the scheme in lower case.

    A single letter before a colon is a drive, and only `pkcs11:` is a scheme without `//` (RFC 7512).
    """
    match = _SCHEME.match(uri_or_path)
    if match and match[1].lower() == "pkcs11":
        return "pkcs11"
    return match[1].lower() if match and match[2] and len(match[1]) > 1 else "file"


def is_key_uri(text: str) -> bool:
    """Whether this is a URI with a scheme, and not a path or an image reference."""
    return scheme_of(text) != "file" or text.lower().startswith("file:")


def refuse_key(text: str, what: str, hint: str) -> None:
    """Returns if the text can be a name. `what` says whose name it is to be, and `hint` how to give it.

    Raises:
        InvalidArgument: it is a private key, or has line breaks; neither message nor hint repeats it.
    """
    if not may_hold_key(text):
        return
    why = "this is a key, not the name of one" if holds_key(text) else "a text of several lines, a name has one"
    raise InvalidArgument(f"{what}: {why}", hint=hint)
