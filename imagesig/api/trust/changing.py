"""The steps and the result that all functions share that change trust data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct, field

from imagesig.api.outcome import document_of
from imagesig.content_trust.editing import Edition
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.publishing import Edit, Published, Publisher
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from imagesig.content_trust.server import notice
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.errors import InvalidArgument, NoSignatures
from imagesig.images.open import is_local
from imagesig.oci.reference import Reference, parse_reference
from imagesig.text import quote
from imagesig.trust import ContentTrust
from imagesig.trust.anchors import RootKeyId


class ChangedTrust(Struct, frozen=True):
    """What was published for a repository, read back and verified.

    `versions` has the new version of each role that was published. `root` has the ids of the root keys: pin one of
    them. `tag`, `digest` and `size` say what was signed; they are empty and 0 if nothing was.
    """

    repository: str
    versions: Mapping[str, int]
    root: tuple[str, ...]
    tag: str = ""
    digest: str = ""
    size: int = 0
    created: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def image(self) -> str:
        """The repository with the tag that was changed, if it was one."""
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the repository. It has JSON types only."""
        versions = [{"role": role, "version": version} for role, version in sorted(self.versions.items())]
        return {"image": self.image, **document_of(self), "versions": versions}


class TrustChange(Struct):
    """One change of one repository: where it is, whose present root is trusted, and the keys that sign.

    `needs_pin` says that no present root is trusted: the repository must be new.
    """

    image: Reference
    servers: TrustServers
    trust: ContentTrust
    keys: TrustKeys
    now: datetime
    needs_pin: bool = False
    is_new: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        name: str,
        keys: TrustKeys,
        trust: ContentTrust | None,
        server: str,
        now: datetime | None,
        servers: TrustServers | None,
        *,
        creates: bool = False,
        whole: bool = False,
    ) -> TrustChange:
        """The change, with checked arguments. With `creates`, a repository without trust data gets new ones.

        With `whole`, it is a change of a repository: a name with a tag or digest is refused, which it would ignore.

        Raises `InvalidArgument` if no present root is trusted; with `creates`, the edition raises it if there are
        trust data.
        """
        if is_local(name):
            raise InvalidArgument(f"{quote(name)}: content trust is about tags of registries", hint="give REPO:TAG")
        image, servers = parse_reference(name), servers or TrustServers()
        if whole and (image.tag or image.digest):
            raise InvalidArgument(
                f"{image}: keys and signers are those of a whole repository", hint=f"give {image.repository}"
            )
        found = trust if trust is not None else _trust(image, keys, server, servers)
        if found is None and not creates:
            raise _no_pin(image)
        trust = found or ContentTrust(server, first_use=True)
        return cls(
            image, servers, trust, keys.within(image.repository), now or datetime.now(UTC), needs_pin=found is None
        )

    def publish(self, edit: Edit) -> Published:
        """Publishes the change. Raises as `Publisher.publish`."""
        return Publisher(self.servers, self.trust, self.image, self.keys, self.now).publish(edit)

    def present(self, view: TrustData | None) -> Edition:
        """The edition of present trust data. Raises `NoSignatures` if there are none."""
        if view is None:
            raise NoSignatures(
                f"{self.image.repository}: {self.servers.url(self.trust, self.image)} has no trust data for it",
                hint="check the name and the trust server, or run: imagesig trust init",
            )
        return Edition.of(view)

    def present_or_new(self, view: TrustData | None) -> Edition:
        """The edition of present trust data, or of a new repository with a root key of ours."""
        if view is not None:
            if self.needs_pin:
                raise _no_pin(self.image)
            return Edition.of(view)
        server, name = self.servers.server(self.trust, self.image), self.image.repository
        self.is_new = True
        return Edition.new(
            {role: self.keys.for_new(role, name, self.now) for role in (ROOT, TARGETS)}
            | {role: server.public_key(name, role) for role in (SNAPSHOT, TIMESTAMP)}
        )

    def result(self, done: Published, *, tag: str = "", digest: str = "", size: int = 0) -> ChangedTrust:
        """The result of the function."""
        url = self.servers.url(self.trust, self.image)
        root = tuple(key.canonical_id for key in done.view.root.roles[ROOT].keys)
        warnings = tuple(dict.fromkeys(filter(None, (notice(url), *self.notes, *done.notes))))
        return ChangedTrust(self.image.repository, done.versions, root, tag, digest, size, self.is_new, warnings)


def _trust(image: Reference, keys: TrustKeys, server: str, servers: TrustServers) -> ContentTrust | None:
    """The trust in the present root without a pin: it is remembered, or a root key of the user signed it."""
    remembered = ContentTrust(server, first_use=True)
    if servers.remembers(remembered, image):
        return remembered
    if ids := keys.root_ids():
        return ContentTrust(server, pin=tuple(map(RootKeyId, ids)))
    return None


def _no_pin(image: Reference) -> InvalidArgument:
    return InvalidArgument(
        f"{image.repository}: no root is pinned or remembered, and its root key is not available; the trust data "
        "cannot be verified",
        hint="give the root key's id, public key or certificate authority: --pin",
    )
