"""The client algorithm: verified trust data from the remembered files and those of the server.

Pure: `update` is a generator that asks for one file at a time and gets its bytes, or None if the server has none.
Spec: notary `client/tufclient.go`; TUF 1.0 section 5, whose stricter rules apply where notary is laxer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime

from msgspec import Struct

from imagesig import limits
from imagesig.content_trust.metadata import (
    Document,
    FileHash,
    Listing,
    Root,
    Targets,
    most_bytes,
    parse_document,
    parse_listing,
    parse_root,
    parse_targets,
)
from imagesig.content_trust.pin import check_root
from imagesig.content_trust.role import (
    RELEASES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Role,
    RoleSigner,
    check_signatures,
)
from imagesig.content_trust.update_request import FORGET, UpdateRequest, rolled_back
from imagesig.errors import (
    DigestMismatch,
    Expired,
    FormatViolation,
    LimitExceeded,
    MalformedError,
    NotTrusted,
    SignatureInvalid,
    SignatureRejected,
)


class File(Struct, frozen=True):
    """A file to fetch: its name below `tuf/`, its role, and the most bytes to read."""

    name: str
    role: str
    limit: int

    @classmethod
    def current(cls, role: str) -> File:
        return cls(f"{role}.json", role, most_bytes(role))


class SignedTargets(Struct, frozen=True):
    """A verified targets file, its role, and the keys that signed it."""

    role: Role
    targets: Targets
    signers: tuple[RoleSigner, ...]


class TrustData(Struct, frozen=True):
    """The verified trust data of one repository at one time.

    `delegated` has the roles below `targets` by name. `skipped` says which roles, keys and tags are not used, and why.
    """

    root: Root
    timestamp: Listing
    snapshot: Listing
    targets: SignedTargets
    delegated: Mapping[str, SignedTargets]
    skipped: tuple[str, ...]

    @property
    def expires(self) -> datetime:
        """When the first of the files expires."""
        return min(document.expires for document in self._documents)

    @property
    def files(self) -> dict[str, bytes]:
        """What to remember: the bytes of each file by role."""
        return {document.role: document.content for document in self._documents}

    @property
    def _documents(self) -> tuple[Document, ...]:
        targets = (item.targets.document for item in (self.targets, *self.delegated.values()))
        return (self.root.document, *targets, self.snapshot.document, self.timestamp.document)


Steps = Generator[File, bytes | None, TrustData | None]
_Targets = Generator[File, bytes | None, SignedTargets]
_Bytes = Generator[File, bytes | None, bytes]


def update(request: UpdateRequest) -> Steps:
    """The verified trust data; None if the server has none and none are remembered.

    Raises:
        SignatureRejected: they are not signed, expired, older than what is remembered, or another repository's.
        MalformedError: a file cannot be read, or is not the one that another file names.
    """
    remembered = request.first(ROOT)
    if remembered is None:
        content = yield File.current(ROOT)
        return None if content is None else (yield from _load(request, parse_root(content)))
    known = parse_root(remembered)
    try:
        return (yield from _load(request, known))
    except (MalformedError, SignatureRejected) as failure:
        newest = yield from _newest_root(known, failure)
        return (yield from _load(request, newest))


def _newest_root(known: Root, failure: MalformedError | SignatureRejected) -> Generator[File, bytes | None, Root]:
    """The newest root, by a chain of root files from the known one. Raises `failure` if there is none newer."""
    content = yield File.current(ROOT)
    if content is None:
        raise NotTrusted(
            f"root.json: the server has no trust data, but version {known.document.version} is remembered",
            hint=FORGET,
        ) from failure
    newest, version = parse_root(content), known.document.version
    if newest.document.version == version and content == known.document.content:
        raise failure
    if newest.document.version <= version:
        raise NotTrusted(
            f"root.json: the server has another root of version {newest.document.version}, version {version} is "
            "remembered: the repository was rolled back or replaced",
            hint=FORGET,
        ) from failure
    if newest.document.version - version > limits.TRUST_ROOT_ROTATIONS:
        raise LimitExceeded(
            f"root.json: version {newest.document.version}, at most {limits.TRUST_ROOT_ROTATIONS} after {version}"
        )
    for number in range(version + 1, newest.document.version):
        step = yield File(f"{number}.root.json", ROOT, most_bytes(ROOT))
        if step is None:
            raise NotTrusted(f"{number}.root.json: the server does not have it, so no chain leads to the new root")
        known = _next_root(known, parse_root(step), number)
    return _next_root(known, newest, newest.document.version)


def _next_root(old: Root, new: Root, version: int) -> Root:
    """The new root, if the old one's keys and its own signed it. The old certificates may have expired."""
    if new.document.version != version:
        raise MalformedError(f"{version}.root.json: it has version {new.document.version}")
    try:
        check_signatures(old.roles[ROOT], new.document)
    except SignatureInvalid as error:
        raise NotTrusted(
            f"root.json version {version}: the keys of version {old.document.version} did not sign it: {error}"
        ) from error
    check_signatures(new.roles[ROOT], new.document)
    return new


def _load(request: UpdateRequest, root: Root) -> Generator[File, bytes | None, TrustData]:
    check_root(root, request.repository, request.pins, request.now, accepts_expired=request.accepts_expired)
    request.check_rollback(root.roles[ROOT], root.document)
    request.check_expiry(root.document)
    content = yield File.current(TIMESTAMP)
    if content is None:
        raise NotTrusted("timestamp.json: the server does not have it, although there is a root")
    timestamp = parse_listing(TIMESTAMP, content, (SNAPSHOT,))
    _check(request, root.roles[TIMESTAMP], timestamp.document)
    content = yield from _listed(request, SNAPSHOT, timestamp.files[SNAPSHOT])
    snapshot = parse_listing(SNAPSHOT, content, (ROOT, TARGETS))
    _check(request, root.roles[SNAPSHOT], snapshot.document)
    _check_hash(root.document.content, ROOT, snapshot.files[ROOT])
    targets = yield from _targets(request, root.roles[TARGETS], snapshot)
    found = _Delegated({}, list(targets.targets.skipped))
    yield from _delegations(request, targets, snapshot, found)
    return TrustData(root, timestamp, snapshot, targets, found.roles, tuple(found.skipped))


class _Delegated(Struct):
    """The delegated roles that were read, the reasons for others, and how many were asked for."""

    roles: dict[str, SignedTargets]
    skipped: list[str]
    asked: int = 0


def _delegations(
    request: UpdateRequest, parent: SignedTargets, snapshot: Listing, found: _Delegated, reserved: int = 0
) -> Generator[File, bytes | None, None]:
    """Adds the delegated roles, depth first. One that expired or is not signed is skipped, as in notary.

    So is one that cannot be read: its signer must not stop the others, nor the owner who removes this signer. Of too
    many roles those that signers delegate to are skipped; `reserved` is the number of `targets`' own that follow.
    """
    is_top = parent.role.name == TARGETS
    for number, role in enumerate(parent.targets.delegations, 1):
        if not request.wanted(role.name):
            continue
        known = request.known(role.narrowed(parent.role))
        if role.name not in snapshot.files:
            if known is not None:
                raise rolled_back(known, "none is listed now")
            continue  # a role without a file has signed nothing yet
        if not is_top and found.asked + reserved >= limits.TRUST_DELEGATIONS:
            found.skipped.append(f"{role.name} is not used: more than {limits.TRUST_DELEGATIONS} delegated roles")
            return
        found.asked += 1
        try:
            one = yield from _targets(request, role.narrowed(parent.role), snapshot)
        except (Expired, SignatureInvalid, FormatViolation) as error:
            if known is not None and not isinstance(error, Expired | _SignedNonsense):
                raise rolled_back(known, f"the one that is listed now is refused: {error}") from error
            found.skipped.append(f"{role.name} is not used: {error}")
            continue
        found.roles[role.name] = one
        found.skipped += one.targets.skipped
        left = len(parent.targets.delegations) - number if is_top else reserved
        yield from _delegations(request, one, snapshot, found, left)


def _targets(request: UpdateRequest, role: Role, snapshot: Listing) -> _Targets:
    listed = snapshot.files[role.name]
    is_whole = role.name in (TARGETS, RELEASES)  # without these two nothing can be said of any tag
    if not is_whole and listed.length > most_bytes(role.name):
        raise FormatViolation(f"{role.name}.json: {listed.length} bytes, at most {most_bytes(role.name)} are read")
    content = yield from _listed(request, role.name, listed)
    try:
        targets = parse_targets(role.name, content)
    except MalformedError as error:
        if is_whole:
            raise
        raise _why_unreadable(request, role, content, error) from error
    return SignedTargets(role, targets, _check(request, role, targets.document))


class _SignedNonsense(FormatViolation):
    """A delegated role's own keys signed a file that cannot be used: the server did not roll it back."""


def _why_unreadable(request: UpdateRequest, role: Role, content: bytes, error: MalformedError) -> FormatViolation:
    try:
        _check(request, role, parse_document(role.name, content))
    except (MalformedError, SignatureRejected):
        return FormatViolation(str(error))
    return _SignedNonsense(str(error))


def _listed(request: UpdateRequest, role: str, listed: FileHash) -> _Bytes:
    """The bytes of the file that another file names by its hash: remembered ones if they are the same."""
    if listed.length > most_bytes(role):
        raise LimitExceeded(f"{role}.json: {listed.length} bytes, at most {most_bytes(role)} are read")
    for content in request.every(role):
        if FileHash.of(content) == listed:
            return content
    fetched = yield File(f"{role}.{listed.sha256.hex()}.json", role, listed.length)
    if fetched is None:
        raise MalformedError(f"{role}.json: the server does not have the version that its other metadata name")
    _check_hash(fetched, role, listed)
    return fetched


def _check_hash(content: bytes, role: str, listed: FileHash) -> None:
    if FileHash.of(content) != listed:
        raise DigestMismatch(f"{role}.json: its length or hash is not the one that its other metadata name")


def _check(request: UpdateRequest, role: Role, document: Document) -> tuple[RoleSigner, ...]:
    """The signers of a file that is signed, not older than what is remembered, and not expired."""
    signers = check_signatures(role, document)
    request.check_rollback(role, document)
    request.check_expiry(document)
    return signers
