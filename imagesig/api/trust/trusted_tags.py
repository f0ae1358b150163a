"""The tags to migrate: those that verified trust data name, beside those that they do not name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from imagesig.content_trust.lookup import ADMINISTRATOR, Release, released, releases, signers_of
from imagesig.content_trust.metadata import FileHash
from imagesig.content_trust.role import ROOT
from imagesig.content_trust.server import notice
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.deadlines import deadline
from imagesig.errors import (
    Expired,
    ImagesigError,
    InvalidArgument,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotTrusted,
    Rejection,
    SignatureRejected,
    SubjectMismatch,
)
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, is_local
from imagesig.oci.reference import Reference, parse_reference
from imagesig.text import quote
from imagesig.trust import ContentTrust


class TrustedTag(Struct, frozen=True):
    """A released tag and its manifest. `expired` is the day its trust data expired; empty if they are valid."""

    tag: str
    manifest: FileHash
    signers: tuple[str, ...]
    expired: str = ""

    @property
    def digest(self) -> str:
        return self.manifest.digest


class TrustedRepository(Struct, frozen=True):
    """The tags of one repository: trusted ones by manifest, refused ones, and unsigned ones.

    `warnings` say which parts of the trust data are not used, and whose they are if nothing is pinned.
    """

    name: Reference
    home: Image
    trusted: dict[FileHash, list[TrustedTag]]
    refused: dict[str, NoSignatureAccepted]
    unsigned: tuple[str, ...]
    warnings: tuple[str, ...]
    source: str

    def check_size(self, tag: TrustedTag, size: int) -> None:
        """Returns if the manifest has the size that the trust data give.

        Raises:
            NoSignatureAccepted: it has another one, so one of the two statements is wrong.
        """
        if size != tag.manifest.length:
            said = f"the trust data give {tag.manifest.length} bytes for {tag.digest}, the manifest has {size}"
            name = f"{self.name.repository}:{tag.tag}"
            raise _refusal(name, self.source, SubjectMismatch(said), "let its signers publish the tag again")


class TrustReading(Struct, frozen=True):
    """How trust data are read: the same for all repositories of a run."""

    trust: ContentTrust
    servers: TrustServers
    opener: ImageOpener
    now: datetime
    accepts_expired: bool

    def read(self, given: object) -> TrustedRepository:
        """The tags of one repository, `REPOSITORY` or `REPOSITORY:TAG`.

        Raises:
            InvalidArgument: not a repository of a registry, or a file that cannot be used.
            NoSignatures: there are no trust data, or they release no such tag.
            NoSignatureAccepted: the trust data cannot be verified.
            TransportError: the trust server did not answer.
        """
        name = _repository(given)
        try:
            with deadline(self.opener.settings.timeout):
                strict, view = self._views(name)
        except (SignatureRejected, MalformedError) as error:
            raise NoSignatureAccepted(
                f"{name.repository}: its trust data cannot be verified: {error}",
                rejections=[Rejection(f"{self._source(name)} {name.repository}", error, self.trust.name)],
                hint=error.hint,
            ) from error
        if view is None:
            raise NoSignatures(
                f"{name.repository}: {self._source(name)} has no trust data for it",
                hint="check the name, and the trust server or folder",
            )
        return self._sorted(name, strict, view)

    def _source(self, name: Reference) -> str:
        return self.servers.source(self.trust, name)

    def _views(self, name: Reference) -> tuple[TrustData | None, TrustData | None]:
        """The trust data that are valid now, and those that were; they are the same if nothing has expired."""
        try:
            strict = self.servers.view(self.trust, name, self.now)
        except Expired:
            strict = None
        else:
            if strict is None or not strict.skipped:
                return strict, strict
        try:
            return strict, self.servers.view(self.trust, name, self.now, accepts_expired=True)
        except (SignatureRejected, MalformedError):
            if strict is None:
                raise
            return strict, strict  # the expired data cannot be verified either

    def _sorted(self, name: Reference, strict: TrustData | None, view: TrustData) -> TrustedRepository:
        trusted: dict[FileHash, list[TrustedTag]] = {}
        refused: dict[str, NoSignatureAccepted] = {}
        source = self._source(name)
        # A delegated role that has expired releases nothing, as in docker, unless that is accepted.
        names = releases(view) if strict is None else {**releases(view), **releases(strict)}
        for tag in names if not name.tag else [name.tag] if name.tag in names else []:
            valid = None if strict is None else released(strict, tag)
            if valid is not None and strict is not None:
                item = _tag(strict, valid, "")
            else:
                item = _tag(view, names[tag], _expiry(view, names[tag]))
            if error := self._refusal(f"{name.repository}:{tag}", source, item):
                refused[tag] = error
            else:
                trusted.setdefault(item.manifest, []).append(item)
        unsigned, problem = self._unsigned(name, names.keys())
        said = self._warnings(name, strict or view, problem)
        if not trusted and not refused and (name.tag or not unsigned):
            what = f"tag {quote(name.tag)} is not released" if name.tag else "no tag is released"
            raise NoSignatures(f"{name.repository}: {what} by its trust data at {source}")
        home = self.opener.open(name.repository)
        return TrustedRepository(name, home, trusted, refused, unsigned, said, source)

    def _refusal(self, name: str, source: str, item: TrustedTag) -> NoSignatureAccepted | None:
        """Why a released tag is not migrated; None if it is."""
        if item.expired and not self.accepts_expired:
            expired = Expired(f"the trust data that name {item.digest} expired on {item.expired}")
            again = "let its signers publish it again; or, if you trust the old data: accept_expired (--accept-expired)"
            return _refusal(name, source, expired, again)
        if missing := [signer for signer in self.trust.signer_names if signer not in item.signers]:
            unsigned = NotTrusted(f"released, but not signed by {' and '.join(missing)}")
            return _refusal(name, source, unsigned, "let them sign it, or migrate it without them")
        return None

    def _warnings(self, name: Reference, view: TrustData, problem: str) -> tuple[str, ...]:
        found = [notice(self.servers.url(self.trust, name)), *view.skipped, problem]
        if self.trust.first_use:
            keys = ", ".join(key.id for key in view.root.roles[ROOT].keys)
            found.append(f"its root key {keys} was trusted at first contact, and is not pinned")
        return tuple(f"{name.repository}: {text}" for text in found if text)

    def _unsigned(self, name: Reference, signed: Collection[str]) -> tuple[tuple[str, ...], str]:
        """The tags that the registry lists and the trust data do not name, or why they are not known."""
        if name.tag:
            return (), ""
        try:
            with deadline(self.opener.settings.timeout):
                tags = self.opener.client.repository(name).tags()
                return tuple(tag for tag in tags if tag not in signed), ""
        except ImagesigError as error:
            return (), f"tags that nobody signed are not known: {error}"


def _refusal(name: str, source: str, error: SignatureRejected, hint: str) -> NoSignatureAccepted:
    return NoSignatureAccepted(f"{name}: {error}", rejections=[Rejection(f"{source} {name}", error)], hint=hint)


def _repository(given: object) -> Reference:
    if not isinstance(given, str) or is_local(given):
        raise InvalidArgument(
            f"{quote(given)}: content trust is about repositories of registries", hint="give REPOSITORY[:TAG]"
        )
    name = parse_reference(given)
    if name.digest:
        raise InvalidArgument(f"{quote(given)}: a digest, trust data are about tags", hint="give REPOSITORY[:TAG]")
    return name


def _tag(view: TrustData, release: Release, expired: str) -> TrustedTag:
    signers = signers_of(view, release.tag, release.manifest) or (ADMINISTRATOR,)
    return TrustedTag(release.tag, release.manifest, signers, expired)


def _expiry(view: TrustData, release: Release) -> str:
    """The day on which the first of the files that name a tag, or a root certificate, expired."""
    files = (view.root, view.timestamp, view.snapshot, view.targets.targets, release.by.targets)
    certificates = (key.certificates[0].not_after for key in view.root.roles[ROOT].keys if key.certificates)
    return f"{min(*(item.document.expires for item in files), *certificates):%Y-%m-%d}"
