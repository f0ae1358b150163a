"""The steps of `diagnose` for one repository of a registry, from its address to the permissions of the login."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from imagesig.api.doctor import servers
from imagesig.api.doctor.diagnosis import Diagnosis, State, Steps
from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError
from imagesig.http.handshake import Authorities
from imagesig.images.abilities import Allowance, Permission, Probe
from imagesig.images.source import ImageHome
from imagesig.text import quote
from imagesig.url import parse_url, redact

_LOGS_IN = "log in as a user who may push, or use another signature repository"


class Repository:
    """The steps for one home of images, each within so many seconds."""

    @classmethod
    def of(cls, home: ImageHome, seconds: float) -> Repository:
        """The steps for a repository; none for a local home."""
        probe = home.probe()
        return cls() if probe is None else RegistryRepository(probe, seconds)

    def __init__(self) -> None:
        self.steps = Steps()

    @property
    def login(self) -> str:
        """The user and the origin of the credentials; empty for a local home."""
        return ""

    def reached(self) -> Iterator[Diagnosis]:
        """How the home is reached."""
        return iter(())

    def used(self, digest: str) -> Iterator[Diagnosis]:
        """What this login may do there. `digest` is of the image, or empty."""
        return iter(())


class RegistryRepository(Repository):
    """The steps for one repository of a registry."""

    def __init__(self, probe: Probe, seconds: float) -> None:
        super().__init__()
        self._probe = probe
        self._seconds = seconds
        self._contact = probe.contact

    @property
    def login(self) -> str:
        return self._contact.login

    def reached(self) -> Iterator[Diagnosis]:
        """Address, proxy, TLS, first answer, clock and credentials: no request has a login."""
        run, contact = self.steps.run, self._contact
        yield from run("address", self._address, needed=True)
        yield from run(
            "proxy", lambda: servers.proxy("proxy", contact.url, lambda: contact.proxy, os.environ), needed=True
        )
        yield from run("TLS", self._tls, needed=True)
        yield from run("registry", self._registry, needed=True)
        yield from run("credentials", self._credentials, asks=False)

    def _address(self) -> Iterator[Diagnosis]:
        with deadline(self._seconds):
            url = self._contact.url
        plain = ": plain HTTP, nothing is encrypted" if url.startswith("http:") else ""
        yield Diagnosis("address", State.OK, f"{url}{plain}")

    def _tls(self) -> Iterator[Diagnosis]:
        contact = self._contact
        if contact.url.startswith("http:"):
            hint = "if the registry speaks TLS, leave out --plain-http"
            here = parse_url(contact.url).is_loopback
            yield Diagnosis("TLS", State.OK if here else State.NOTE, "not used", "" if here else hint)
            return
        with deadline(self._seconds):
            authorities = Authorities.of(contact.ca_file, os.environ)
            yield from tuple(servers.tls("", contact.url, contact.proxy, authorities))

    def _registry(self) -> Iterator[Diagnosis]:
        with deadline(self._seconds):
            greeting = self._probe.greet()
        wanted = f", a login is needed: {', '.join(greeting.logins)}" if greeting.logins else ""
        shown = f"answers with status {greeting.status}{wanted}"
        if greeting.status == 407:
            yield Diagnosis("registry", State.FAILED, f"the proxy {shown}", "check the user and password in HTTP_PROXY")
        elif greeting.status in (200, 401):
            yield Diagnosis("registry", State.OK, shown)
        else:
            hint = "check the host and port: a registry answers /v2/ with 200 or 401"
            yield Diagnosis("registry", State.NOTE, f"/v2/ {shown}", hint)
        yield servers.clock("clock", "the registry", greeting.server_time)

    def _credentials(self) -> Iterator[Diagnosis]:
        contact = self._contact
        with deadline(self._seconds):
            steps, login = contact.credential_steps, contact.login
        for step in steps:
            key = f", {step.key}" if step.key else ""
            yield Diagnosis(
                "credentials", State.OK if step.answered else State.NOTE, f"{step.file}{key}: {step.result}"
            )
        yield from _named_files()
        if os.environ.get("DOCKER_AUTH_CONFIG"):
            hint = "write its content to a file, and name it in REGISTRY_AUTH_FILE"
            yield Diagnosis("credentials", State.NOTE, "DOCKER_AUTH_CONFIG is set, and is not read", hint)
        hint = f"if the registry needs a login, run: docker login {contact.url.partition('://')[2]}"
        found = not login.startswith("anonymous")
        yield Diagnosis("login", State.OK if found else State.NOTE, f"as {login}", "" if found else hint)

    def used(self, digest: str) -> Iterator[Diagnosis]:
        """Referrers, permissions and token scopes. Without a digest, referrers are not asked for."""
        run = self.steps.run
        if digest:
            yield from run("referrers", lambda: self._referrers(digest))
        yield from run("push", lambda: self._allowed("push", self._probe.push, f"signing needs it: {_LOGS_IN}"))
        yield from run("token", self._token)
        yield from run("delete", self._delete)

    def _token(self) -> Iterator[Diagnosis]:
        asked = self._contact.token
        if asked is None:
            yield Diagnosis("token", State.OK, "the registry names no token server")
            return
        with deadline(self._seconds):
            decision = self._contact.proxy_for(asked.realm)
        through = f", through the proxy {decision.proxy}" if decision.proxy else ""
        service = f", service {quote(asked.service)}" if asked.service else ""
        scopes = ", ".join(map(quote, asked.scopes))
        detail = f"{redact(asked.realm)}{service}, asked for the scopes {scopes}{through}"
        if not asked.granted:
            yield Diagnosis("token", State.OK, detail)
            return
        granted = ", ".join(map(quote, asked.granted))
        missing = " and ".join(sorted(_actions(asked.scopes) - _actions(asked.granted)))
        hint = f"signing needs {missing}: {_LOGS_IN}" if missing else ""
        yield Diagnosis("token", State.NOTE if missing else State.OK, f"{detail}; the token grants {granted}", hint)

    def _referrers(self, digest: str) -> Iterator[Diagnosis]:
        with deadline(self._seconds):
            seen = self._probe.referrers(digest)
        if seen.api:
            yield Diagnosis("referrers", State.OK, "the registry has the API")
            return
        detail = f"no API: listed in a fallback tag that writers share (status {seen.status})"
        yield Diagnosis("referrers", State.NOTE, detail)
        if seen.problem:
            hint = "sign with --format cosign, or use --signature-repository"
            yield Diagnosis("fallback tag", State.FAILED, f"{seen.tag}: {seen.problem}", hint)
        else:
            yield Diagnosis("fallback tag", State.OK, f"{seen.tag}: {'stored' if seen.is_stored else 'not stored yet'}")

    def _delete(self) -> Iterator[Diagnosis]:
        try:
            yield from self._allowed("delete", self._probe.delete, "only removing signatures needs it")
        except ImagesigError as error:
            yield Diagnosis("delete", State.NOTE, f"unknown: {error}", "only removing signatures needs it")

    def _allowed(self, area: str, ask: Callable[[], Allowance], hint: str) -> Iterator[Diagnosis]:
        with deadline(self._seconds):
            seen = ask()
        if seen.permission is Permission.ALLOWED:
            yield Diagnosis(area, State.OK, seen.permission.value)
        else:
            detail = f"{seen.permission.value}{': ' if seen.answer else ''}{seen.answer}"
            yield Diagnosis(area, State.NOTE, detail, hint)


def _named_files() -> Iterator[Diagnosis]:
    """The variables for credential files that name nothing. Other files are read then, so that this is no failure."""
    named = os.environ.get("REGISTRY_AUTH_FILE", "")
    if named and not os.path.lexists(named):
        detail = f"REGISTRY_AUTH_FILE names {quote(named)}, and there is no such file"
        yield Diagnosis("credentials", State.NOTE, detail, "correct or unset REGISTRY_AUTH_FILE")
    folder = os.environ.get("DOCKER_CONFIG", "")
    if folder and not os.path.isdir(folder):  # noqa: PTH112 - False for what is no path at all
        what = "a folder with config.json is needed" if os.path.lexists(folder) else "and there is no such folder"
        detail = f"DOCKER_CONFIG names {quote(folder)}, {what}"
        yield Diagnosis("credentials", State.NOTE, detail, "correct or unset DOCKER_CONFIG")


def _actions(scopes: tuple[str, ...]) -> set[str]:
    """What signing needs of the actions in scopes such as `repository:team/app:pull,push`."""
    found = {action for scope in scopes for action in scope.rpartition(":")[2].split(",")}
    return found & {"pull", "push"}
