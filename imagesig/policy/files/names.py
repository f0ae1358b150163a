"""Names for the authorities of a policy that is written to a file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, field

from imagesig.crypto.certificate import Certificate
from imagesig.policy.authority import Authority


class Names(Struct):
    """The name that each authority of the rules has in the document; no two have the same."""

    signers: dict[Authority, str] = field(default_factory=dict)
    timestamps: dict[tuple[Certificate, ...], str] = field(default_factory=dict)

    def signer(self, authority: Authority) -> str:
        if authority not in self.signers:
            self.signers[authority] = _free(_simple(authority.name), self.signers.values())
        return self.signers[authority]

    def timestamp(self, certificates: tuple[Certificate, ...]) -> str:
        if certificates not in self.timestamps:
            self.timestamps[certificates] = _free("timestamps", self.timestamps.values())
        return self.timestamps[certificates]


def _simple(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return name
    if re.fullmatch(r"sha256:[0-9a-f]{64}", name):
        return f"key-{name[7:19]}"
    last = re.sub(r"\.(pub|pem|key)$", "", name.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._") or "key"


def _free(name: str, taken: Iterable[str]) -> str:
    used, number, free = set(taken), 1, name
    while free in used:
        number += 1
        free = f"{name}-{number}"
    return free
