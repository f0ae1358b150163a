"""A request for the verified trust data of a repository, with the remembered files: present ones must not be older."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from msgspec import Struct, field

from imagesig.content_trust.metadata import Document, parse_document
from imagesig.content_trust.role import TIMESTAMP, Role, check_expiry, check_signatures
from imagesig.errors import NotTrusted, SignatureRejected
from imagesig.trust.anchors import RootPin

FORGET = (
    "ask its owner; if it was created again, remove what is remembered of it in $XDG_STATE_HOME/imagesig/content-trust "
    "and in docker's folder trust/tuf"
)
"""The hint for a repository that is not the remembered one."""


def every_role(_name: str) -> bool:
    return True


class UpdateRequest(Struct, frozen=True):
    """The repository (its full name without tag), the pins, the time, and the remembered files by role.

    `seen` has the files that docker remembers, perhaps of another server. If none is remembered, the update starts from
    its root. Otherwise present files must not be older than these files, as far as the present keys signed them.
    Without pins, every root is trusted whose certificates are for the repository. `wanted` selects delegated roles to
    read. `renews` accepts expired files, except the timestamp, for an owner who signs them again: the timestamp proves
    that they are the newest ones. `accepts_expired` accepts every expired file, as for a server that has ended.
    """

    repository: str
    pins: tuple[RootPin, ...]
    now: datetime
    remembered: Mapping[str, bytes] = field(default_factory=dict)
    seen: Mapping[str, Document] = field(default_factory=dict)
    wanted: Callable[[str], bool] = every_role
    renews: bool = False
    accepts_expired: bool = False

    def every(self, role: str) -> Iterator[bytes]:
        """The different files of a role that are remembered or seen, remembered ones first."""
        remembered, seen = self.remembered.get(role), self.seen.get(role)
        if remembered is not None:
            yield remembered
        if seen is not None and seen.content != remembered:
            yield seen.content

    def first(self, role: str) -> bytes | None:
        """The remembered file of a role, else the one that was seen."""
        return next(self.every(role), None)

    def newest(self, role: str) -> bytes | None:
        """The file of a role with the highest version, by any signer."""
        return max(self.every(role), key=lambda content: parse_document(role, content).version, default=None)

    def known(self, role: Role) -> Document | None:
        """The newest file of a role that is known and that its present keys signed: others say nothing (TUF 5.3.11)."""
        newest: Document | None = None
        for content in self.every(role.name):
            seen = self.seen.get(role.name)
            earlier = seen if seen is not None and seen.content == content else parse_document(role.name, content)
            if newest is None or earlier.version > newest.version:
                with contextlib.suppress(SignatureRejected):
                    check_signatures(role, earlier)
                    newest = earlier
        return newest

    def check_rollback(self, role: Role, document: Document) -> None:
        """Raises `NotTrusted` if a newer file of the role is known."""
        earlier = self.known(role)
        if earlier is not None and earlier.version > document.version:
            raise rolled_back(earlier, f"version {document.version} is listed now")

    def check_expiry(self, document: Document) -> None:
        """Raises `Expired` if the file is no longer valid, unless that is accepted."""
        if not self.accepts_expired and (not self.renews or document.role == TIMESTAMP):
            check_expiry(document, self.now)


def rolled_back(earlier: Document, now: str) -> NotTrusted:
    """The error for a server that has an older file than the one that is known."""
    return NotTrusted(
        f"{earlier.role}.json: version {earlier.version} was seen before, and {now}: the server rolled it back",
        hint=FORGET,
    )
