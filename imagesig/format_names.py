"""The one table of signature formats: what people type, what is stored, and what reads and writes it.

A further format is a module in `imagesig.formats` and a line in `FORMATS` for each of its names. Policies and the
command take their choices from here, and a test compares the JSON Schema of policy files.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.text import quote

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NOTATION = "application/vnd.cncf.notary.signature"


class Purpose(Enum):
    """What the artefacts of a format are for. An attestation is never accepted as a signature, nor the reverse."""

    SIGNATURE = "signature"
    ATTESTATION = "attestation"


class FormatName(Struct, frozen=True):
    """One name.

    `maker` is the module in `imagesig.formats` and what makes the format there. `family` is what a stored signature is:
    names of one family differ in what they write. With an `envelope` the name accepts only the family's signatures in
    that envelope. `artifact_type` is the one of its referrers, if it is stored as such.
    """

    name: str
    family: str
    maker: str
    signs_by_default: bool = False
    envelope: str = ""
    artifact_type: str = ""
    purpose: Purpose = Purpose.SIGNATURE

    @property
    def reader(self) -> str:
        """The name of the format that reads exactly what this name accepts."""
        return self.name if self.envelope else self.family


FORMATS = (
    FormatName("cosign", "cosign", "cosign:Cosign", signs_by_default=True),
    FormatName("cosign-x509", "cosign", "cosign:Cosign.certified"),
    FormatName("bundle", "bundle", "bundle:Bundle", signs_by_default=True, artifact_type=BUNDLE),
    FormatName("bundle-x509", "bundle", "bundle:Bundle.certified", artifact_type=BUNDLE),
    FormatName("notation", "notation", "notation:Notation", artifact_type=NOTATION),
    FormatName("notation-jws", "notation", "notation:notation_jws", envelope="jws", artifact_type=NOTATION),
    FormatName("notation-cose", "notation", "notation:notation_cose", envelope="cose", artifact_type=NOTATION),
)
NAMES = tuple(item for item in FORMATS if item.purpose is Purpose.SIGNATURE)
"""The formats of signatures: those that `sign` and `verify` know."""
READERS = tuple(dict.fromkeys(item.reader for item in NAMES))
"""The names that differ in what they accept: those that a policy file can have."""
ARTIFACT_TYPES = tuple(dict.fromkeys(item.artifact_type for item in FORMATS if item.artifact_type))


def format_names(names: Iterable[object], purpose: Purpose = Purpose.SIGNATURE) -> tuple[FormatName, ...]:
    """The table's entries for these names, each once.

    Raises:
        InvalidArgument: a name has no entry for this purpose.
    """
    known = {item.name: item for item in FORMATS if item.purpose is purpose}
    found: dict[FormatName, None] = {}
    for name in names:
        if type(name) is not str or name not in known:
            raise InvalidArgument(f"format {quote(name)} is unknown", hint=f"choose from {', '.join(known)}")
        found[known[name]] = None
    return tuple(found)


def families(names: Iterable[str]) -> frozenset[str]:
    """The families whose signatures these names accept. Raises as `format_names` does."""
    return frozenset(item.family for item in format_names(names))
