"""The steps of `diagnose` for the trust data of one repository: from the address of its server to who can sign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from imagesig import limits
from imagesig.api.doctor import servers
from imagesig.api.doctor.diagnosis import Diagnosis, State, Steps
from imagesig.content_trust.editing import NEAR_EXPIRY
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Role
from imagesig.content_trust.server import TrustServer, notice
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.deadlines import deadline
from imagesig.http.handshake import Authorities
from imagesig.http.proxies import Proxies
from imagesig.http.tls_files import client_context
from imagesig.oci.reference import Reference
from imagesig.text import quote
from imagesig.trust import ContentTrust
from imagesig.url import parse_url, redact

_PREFIX = "trust "


class DiagnosedTrust(Struct, frozen=True):
    """What `diagnose` checks of content trust: how servers are reached, and the private keys of this user.

    Without `trust` the data are shown as the server gives them, with a note that they are not verified.
    """

    servers: TrustServers
    keys: TrustKeys
    trust: ContentTrust | None = None

    def steps(self, image: Reference) -> Iterator[Diagnosis]:
        """The results for the repository of an image, as they come."""
        steps, trust = Steps(), self.trust or ContentTrust(first_use=True)
        keys = self.keys.within(image.repository)
        reader = self.servers if self.trust is not None else self.servers.without_memory()
        views: list[TrustData] = []
        yield from steps.run("trust server", lambda: self._address(trust, image), needed=True)
        if steps.is_lost:
            return
        url, server = reader.url(trust, image), reader.server(trust, image)
        proxies = Proxies.from_environment(os.environ)
        parsed, area = parse_url(url), f"{_PREFIX}proxy"
        yield from steps.run(
            area, lambda: servers.proxy(area, url, lambda: proxies.decide(parsed), os.environ), needed=True
        )
        yield from steps.run(f"{_PREFIX}TLS", lambda: _tls(url, server, proxies), needed=True)
        yield from steps.run("trust data", lambda: self._data(reader, trust, image, views), needed=True)
        yield from steps.run(f"{_PREFIX}login", lambda: _login(server, image), asks=False)
        for view in views:
            yield from steps.run("root pin", lambda view=view: _pins(view), asks=False)  # type: ignore[misc]
            yield from steps.run("trust expiry", lambda view=view: _expiry(view), asks=False)  # type: ignore[misc]
            yield from steps.run("trust keys", lambda view=view: _keys(view, keys), asks=False)  # type: ignore[misc]

    def _address(self, trust: ContentTrust, image: Reference) -> Iterator[Diagnosis]:
        url = self.servers.url(trust, image)
        warning = notice(url)
        yield Diagnosis("trust server", State.NOTE if warning else State.OK, f"{redact(url)}", warning)

    def _data(
        self, reader: TrustServers, trust: ContentTrust, image: Reference, views: list[TrustData]
    ) -> Iterator[Diagnosis]:
        with deadline(limits.OPERATION_SECONDS):
            view = reader.view(trust, image, datetime.now(UTC))
        if view is None:
            hint = "to sign its tags, run: imagesig trust init"
            yield Diagnosis("trust data", State.NOTE, f"the server has none for {image.repository}", hint)
            return
        views.append(view)
        tags = len(view.targets.targets.tags) + sum(len(item.targets.tags) for item in view.delegated.values())
        shown = f"{len(view.files)} files, {tags} signed tags"
        if self.trust is None:
            hint = "give the root key that you trust: --pin"
            yield Diagnosis("trust data", State.NOTE, f"{shown}, consistent, but no root is pinned", hint)
        else:
            yield Diagnosis("trust data", State.OK, f"{shown}, verified")
        for note in view.skipped:
            yield Diagnosis("trust data", State.NOTE, note)


def _keys(view: TrustData, keys: TrustKeys) -> Iterator[Diagnosis]:
    delegated = [role for item in (view.targets, *view.delegated.values()) for role in item.targets.delegations]
    roles = [view.root.roles[name] for name in (ROOT, TARGETS)] + delegated
    able = [role.name for role in roles if keys.able(role)]
    unable = [role.name for role in roles if role.name not in able]
    if able:
        yield Diagnosis("trust keys", State.OK, f"keys that are here sign {', '.join(able)}")
    if unable:
        yield Diagnosis("trust keys", State.NOTE, f"no key that is here signs {', '.join(unable)}")
    for role in (view.root.roles[SNAPSHOT], view.root.roles[TIMESTAMP]):
        here = keys.able(role)
        yield Diagnosis(
            "trust keys", State.OK, f"{role.name}: signed {'with a key that is here' if here else _by(role)}"
        )


def _by(role: Role) -> str:
    return f"by the server, or with the key {', '.join(key.id for key in role.keys)}"


def _tls(url: str, server: TrustServer, proxies: Proxies) -> Iterator[Diagnosis]:
    parsed = parse_url(url)
    if parsed.scheme == "http":
        yield Diagnosis(f"{_PREFIX}TLS", State.OK, "not used")
        return
    authorities = Authorities.of(None, os.environ)
    if server.ca_files:
        files = ", ".join(map(str, server.ca_files))
        authorities = Authorities("--notary-ca, or docker's folder", files, client_context(*server.ca_files))
    with deadline(limits.OPERATION_SECONDS):
        yield from tuple(servers.tls(_PREFIX, url, proxies.decide(parsed), authorities))


def _login(server: TrustServer, image: Reference) -> Iterator[Diagnosis]:
    login, asked = server.login(image.repository)
    if asked is None:
        yield Diagnosis(f"{_PREFIX}login", State.OK, f"{login}; the server names no token server")
        return
    granted = f"; the token grants {', '.join(map(quote, asked.granted))}" if asked.granted else ""
    scopes = ", ".join(map(quote, asked.scopes))
    yield Diagnosis(
        f"{_PREFIX}login", State.OK, f"{login}; {redact(asked.realm)}, asked for the scopes {scopes}{granted}"
    )


def _pins(view: TrustData) -> Iterator[Diagnosis]:
    ids = ", ".join(key.canonical_id for key in view.root.roles[ROOT].keys)
    yield Diagnosis("root pin", State.OK, f"root version {view.root.document.version}: {ids}")


def _expiry(view: TrustData) -> Iterator[Diagnosis]:
    now = datetime.now(UTC)
    targets = (item.targets.document for item in (view.targets, *view.delegated.values()))
    for document in (view.root.document, *targets, view.snapshot.document, view.timestamp.document):
        soon = document.role != TIMESTAMP and document.expires - now < NEAR_EXPIRY
        hint = "sign anything in the repository: it is signed again, if its key is here" if soon else ""
        detail = f"{document.role}.json version {document.version}: until {document.expires:%Y-%m-%d}"
        yield Diagnosis("trust expiry", State.NOTE if soon else State.OK, detail, hint)
