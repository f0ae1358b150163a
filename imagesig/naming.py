"""Names that people type, of keys, images and files: what holds a private key is none, and is not shown."""

from __future__ import annotations

from imagesig.errors import InvalidArgument
from imagesig.text import holds_key, may_hold_key


def refuse_key(text: str, what: str, hint: str) -> None:
    """Returns if the text can be a name. `what` says whose name it is to be, and `hint` how to give it.

    Raises:
        InvalidArgument: it is a private key, or has line breaks; neither message nor hint repeats it.
    """
    if not may_hold_key(text):
        return
    why = "this is a key, not the name of one" if holds_key(text) else "a text of several lines, a name has one"
    raise InvalidArgument(f"{what}: {why}", hint=hint)
