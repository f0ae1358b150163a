"""The names of signature formats: what people type, and which stored signatures each name counts.

This is the only table of them. `imagesig.formats` has what reads and writes each, policies and the command take their
choices from here, and a test compares the JSON Schema of policy files.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.text import quote


class FormatName(Struct, frozen=True):
    """One name.

    `family` is what a stored signature is: names of one family differ in what they write. With an `envelope` the name
    counts only the family's signatures in that envelope.
    """

    name: str
    family: str
    signs_by_default: bool = False
    envelope: str = ""

    @property
    def reader(self) -> str:
        """The name of the format that reads exactly what this name counts."""
        return self.name if self.envelope else self.family


NAMES = (
    FormatName("cosign", "cosign", signs_by_default=True),
    FormatName("cosign-x509", "cosign"),
    FormatName("bundle", "bundle", signs_by_default=True),
    FormatName("bundle-x509", "bundle"),
    FormatName("notation", "notation"),
    FormatName("notation-jws", "notation", envelope="jws"),
    FormatName("notation-cose", "notation", envelope="cose"),
)
READERS = tuple(dict.fromkeys(item.reader for item in NAMES))
"""The names that differ in what they count: those that a policy file can have."""
_BY_NAME = {item.name: item for item in NAMES}


def format_names(names: Iterable[object]) -> tuple[FormatName, ...]:
    """The table's entries for these names, each once.

    Raises:
        InvalidArgument: one of them is in no entry.
    """
    found: dict[FormatName, None] = {}
    for name in names:
        if type(name) is not str or name not in _BY_NAME:
            raise InvalidArgument(f"format {quote(name)} is unknown", hint=f"choose from {', '.join(_BY_NAME)}")
        found[_BY_NAME[name]] = None
    return tuple(found)


def families(names: Iterable[str]) -> frozenset[str]:
    """The families whose signatures these names count. Raises as `format_names` does."""
    return frozenset(item.family for item in format_names(names))
