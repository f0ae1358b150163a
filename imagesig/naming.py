"""Names that people type, of keys, images and files. A private key in place of a name is refused and not shown."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.text import holds_key, may_hold_key, quote


@runtime_checkable
class PathLike(Protocol):
    """A path, as `os.PathLike` is one."""

    def __fspath__(self) -> str: ...


_SCHEME = regex(r"([a-z][a-z0-9+.-]*):(//)?", re.IGNORECASE)


def scheme_of(uri_or_path: str) -> str:
    """The scheme of a key URI in lower case; `file` for a path.

    One letter before a colon is a drive. Only `pkcs11:` is a scheme without `//` (RFC 7512).
    """
    match = _SCHEME.match(uri_or_path)
    if match and match[1].lower() == "pkcs11":
        return "pkcs11"
    return match[1].lower() if match and match[2] and len(match[1]) > 1 else "file"


def path_text(path: PathLike) -> str:
    """The path as text that is never read as a URI.

    Raises:
        InvalidArgument: the path is bytes.
    """
    text = path.__fspath__()
    if not isinstance(text, str):
        raise InvalidArgument(f"{quote(path)}: a path in text is needed", hint="call os.fsdecode")
    return text if scheme_of(text) == "file" and not text.lower().startswith("file:") else f"./{text}"


def is_key_uri(text: str) -> bool:
    """Whether this is a URI with a scheme, not a path or an image reference."""
    return scheme_of(text) != "file" or text.lower().startswith("file:")


_HEX = r"(?:0x)?[0-9a-f]{64}(?:[0-9a-f]{64})?"
_RAW_KEY = regex(_HEX, re.IGNORECASE)
"""An Ed25519 private key in hex, alone or followed by its public key. A digest has as many digits."""


def is_raw_key(name: str) -> bool:
    """Whether the whole name, without its scheme, may be a private key in hex.

    A digest, a tag and a path that only contain such digits are not.
    """
    return _RAW_KEY.fullmatch(name) is not None


def raw_keys_in(text: str) -> list[str]:
    """Every part of a URI that may be a private key in hex."""
    return [found[0] for found in _RAW_PART.finditer(text)]


_RAW_PART = regex(rf"(?<![0-9a-z:]){_HEX}(?![0-9a-z])", re.IGNORECASE)


def refuse_key(text: str, what: str, hint: str, *, raw: bool = False) -> None:
    """Returns if the text can be a name. `what` says whose name it is, and `hint` how to give it.

    `raw` refuses a private key in hex too: only for names that cannot be a digest.

    Raises:
        InvalidArgument: it is a private key, or has line breaks. Neither message nor hint shows it.
    """
    if raw and is_raw_key(text):
        raise InvalidArgument(f"{what}: this may be a private key, a name is needed", hint=hint)
    if not may_hold_key(text):
        return
    why = "this is a key, not the name of one" if holds_key(text) else "a text of several lines, one line is needed"
    raise InvalidArgument(f"{what}: {why}", hint=hint)
