"""Publishes changes of trust data: signs them, stores them on the server in one step, reads and verifies them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.content_trust.canonical import canonical_json
from imagesig.content_trust.editing import Edition, Unsigned
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.metadata import parse_document, parse_root, serialized
from imagesig.content_trust.pin import check_root
from imagesig.content_trust.role import ROOT, SNAPSHOT, check_signatures
from imagesig.content_trust.servers import TrustServers, read_pins
from imagesig.content_trust.update import File, TrustData
from imagesig.deadlines import jitter, wait
from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    MalformedError,
    SignatureRejected,
    Stale,
    TransportError,
    UnexpectedResponse,
)
from imagesig.oci.reference import Reference
from imagesig.trust.anchors import ContentTrust, RootKeyId

_PAUSE = 0.05
"""Seconds before the second attempt; later ones wait longer."""
_REPAIRS = 2
"""How often files are published anew under the next version, because the server cannot serve what it stored."""

Edit = Callable[[TrustData | None], Edition]
"""Makes the change from the verified present files. It is called again after another writer was faster."""


class Published(Struct, frozen=True):
    """The verified trust data after a change, the new version of each role that was published, and warnings."""

    view: TrustData
    versions: Mapping[str, int]
    notes: tuple[str, ...] = ()


class Publisher(Struct, frozen=True):
    """Changes the trust data of one repository. `trust` says whose present root is accepted."""

    servers: TrustServers
    trust: ContentTrust
    image: Reference
    keys: TrustKeys
    now: datetime

    def publish(self, edit: Edit) -> Published:
        """Makes the change and publishes it. If another writer was faster, it tries again, a limited number of times.

        Raises:
            SignatureRejected, MalformedError: the present trust data cannot be verified; nothing is published.
            KeyProviderError: a role cannot be signed; nothing is published.
            Stale: other writers were faster each time.
            TransportError, DeadlineExceeded: the server did not answer, or refused. The error says if the change is
            stored, and only could not be read back.
        """
        for attempt in range(1, limits.TRUST_PUBLISH_ATTEMPTS + 1):
            base = self.servers.present(self.trust, self.image, self.now)
            try:
                return self._published(base, edit)
            except Stale:
                if attempt == limits.TRUST_PUBLISH_ATTEMPTS:
                    raise
                pause = _PAUSE * attempt
                wait(pause + jitter(pause), self.image.repository)
        raise AssertionError("the last attempt returns or raises")

    def _published(self, base: TrustData | None, edit: Edit) -> Published:
        failure: MalformedError | SignatureRejected | None = None
        for skip in range(_REPAIRS + 1):
            edition = edit(base)
            notes = tuple(edition.renew(self.now, self.keys.able))
            files = self._signed(edition, skip)
            if base is None:
                check_root(parse_root(files[ROOT]), self.image.repository, read_pins(self.trust), self.now)
            self._store(files)
            try:
                view = self._read_back(base, files)
            except (MalformedError, SignatureRejected) as error:
                failure = error
                continue
            except (TransportError, DeadlineExceeded) as error:
                raise self._unread(error) from error
            versions = {role: _version(role, content) for role, content in files.items()}
            return Published(view, versions, notes)
        assert failure is not None
        raise failure

    def _signed(self, edition: Edition, skip: int) -> dict[str, bytes]:
        """The bytes of the files to publish, each verified with the keys of its role."""
        floors = {role: self._floor(role) for role in edition.changed if edition.present(role) is None and edition.view}
        files = {item.role: self._sign(item) for item in edition.unsigned(self.now, floors, skip)}
        if self.keys.able(edition.role(SNAPSHOT)):  # else the server makes it
            files[SNAPSHOT] = self._sign(edition.snapshot(files, self.now, skip))
        return files

    def _sign(self, item: Unsigned) -> bytes:
        message = canonical_json(item.signed)
        made = {one.key_id: one for role in item.signers for one in self.keys.sign(role, message)}
        written = [(key, one.method, base64.b64encode(one.value).decode("ascii")) for key, one in made.items()]
        content = serialized(item.signed, written)
        document = parse_document(item.role, content)
        for role in item.signers:
            check_signatures(role, document)
        return content

    def _floor(self, role: str) -> int:
        """The version of a file that the server has and the present trust data do not use: its number is used up."""
        content = self.servers.server(self.trust, self.image).fetch(self.image.repository, File.current(role))
        return _version(role, content)

    def _store(self, files: Mapping[str, bytes]) -> None:
        server, repository = self.servers.server(self.trust, self.image), self.image.repository
        try:
            server.publish(repository, files)
        except (Stale, UnexpectedResponse) as error:
            found = {role: server.fetch(repository, File.current(role)) for role in files}
            # A request that is repeated after a broken connection may conflict with itself.
            if any(found[role] != content for role, content in files.items()):
                if any(_version(role, found[role]) >= _version(role, content) for role, content in files.items()):
                    raise Stale(str(error), hint="run the same again") from error  # of a root, notary says it otherwise
                raise

    def _read_back(self, base: TrustData | None, files: Mapping[str, bytes]) -> TrustData:
        """The verified trust data on the server, which have these files or later ones."""
        remembered = base.files if base is not None else {ROOT: files[ROOT]}
        root = parse_root(files.get(ROOT) or remembered[ROOT])
        pins = tuple(RootKeyId(key.id) for key in root.roles[ROOT].keys)
        for attempt in range(1, limits.TRUST_PUBLISH_ATTEMPTS + 1):
            view = self.servers.read_back(
                replace(self.trust, pin=pins, first_use=False), self.image, self.now, remembered
            )
            if all(_is_there(view, role, content) for role, content in files.items()):
                return view
            wait(_PAUSE * attempt, self.image.repository)  # a cache may still have the earlier files
        raise UnexpectedResponse("the server still gives earlier files")

    def _unread(self, error: TransportError | DeadlineExceeded) -> ImagesigError:
        """The same error, which says that the change is made: a rotated key must not be thrown away."""
        return type(error)(
            f"{self.image.repository}: the change is stored, but it could not be read back: {error}",
            hint="run: imagesig trust inspect; if it shows the change, all is well",
        )


def _version(role: str, content: bytes | None) -> int:
    """The version of a file; 0 without one."""
    return parse_document(role, content).version if content is not None else 0


def _is_there(view: TrustData, role: str, content: bytes) -> bool:
    found = view.files.get(role)
    if found is None:
        raise MalformedError(f"{role}.json: it was stored, but the trust data on the server do not use it")
    if found == content:
        return True
    seen, sent = _version(role, found), _version(role, content)
    if seen == sent:
        raise MalformedError(f"{role}.json version {sent}: the server gives other bytes than were stored")
    return seen > sent
