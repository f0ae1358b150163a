"""`imagesig doctor`: one row for each fault of the field, with the step that finds it and the words that it needs."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import socket
import ssl
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec import Struct

from imagesig.testing import Answer, InMemoryRegistry, Request, ScriptedKms, ScriptedVault
from tests.attacks.network import OUTSIDE, Network, head_of, scripted
from tests.cli.test_canaries import CANARIES, found_in
from tests.commands import run_here
from tests.makers import private_key
from tests.tls import tls_front, trusted

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

LOGIN = ("user", CANARIES["registry password"])
Fault = Callable[[Request], Answer | None]
OLD = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Rig:
    """What a row sets up: servers, the environment, files, and a network whose names are its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack, authority: trustme.CA) -> None:
        self.folder, self.monkeypatch, self.stack, self.authority = folder, monkeypatch, stack, authority
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"):
            monkeypatch.delenv(name, raising=False)
        for name in [name for name in os.environ if name.startswith(("AWS_", "VAULT_", "BAO_", "XDG_"))]:
            monkeypatch.delenv(name)
        self.env(HOME=str(folder))

    def env(self, **values: str) -> None:
        for name, value in values.items():
            self.monkeypatch.setenv(name, value)

    def registry(self, *faults: Fault, **options: Any) -> InMemoryRegistry:
        server = self.stack.enter_context(InMemoryRegistry(**options))
        server.add_image("team/app:1.0")
        server.faults.extend(faults)
        return server

    def image(self, *faults: Fault, **options: Any) -> str:
        return f"{self.registry(*faults, **options).host}/team/app:1.0"

    def tls(self, *names: str, to: str = "", **options: Any) -> str:
        """A registry with TLS on this machine: the reference of its image."""
        front = self.stack.enter_context(tls_front(to or self.registry().host, self.authority, *names, **options))
        return f"{front.host}/team/app:1.0"

    def trust(self) -> None:
        self.env(SSL_CERT_FILE=str(trusted(self.authority, self.folder)))

    def outside(self, to: str | None = None) -> str:
        """A registry with a name, outside of this machine. Without `to`, nothing answers there."""
        Network({"r.example": [OUTSIDE]}, {OUTSIDE: to, "127.0.0.1": to}).installed(self.monkeypatch)
        return "r.example/team/app:1.0"

    def logins(self, content: object, name: str = ".docker/config.json") -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Acme Roots")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA) -> Iterator[Rig]:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Rig(tmp_path, monkeypatch, stack, authority)


class Step(Struct, frozen=True):
    area: str
    state: str
    detail: str
    hint: str


def doctor(*names: str) -> tuple[int, list[Step]]:
    """Exit status and steps. The JSON and the text have the same, and no secret."""
    done = run_here("doctor", "--timeout", "20", "--output", "json", *names)
    assert not found_in(done.output), done.output
    findings = json.loads(done.stdout)["findings"]
    assert all(finding.keys() == {"area", "state", "detail", "hint"} for finding in findings)
    return done.exit_code, [Step(**finding) for finding in findings]


def answers(method: str, path: str, status: int, body: bytes = b"", **headers: str) -> Fault:
    """A fault: this answer to requests of this method with this text in their path."""
    made = Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return lambda request: made if request.method == method and path in request.path else None


# --- the rows: what is set up; the names for the command --------------------------------------------------------------


def expired(rig: Rig) -> list[str]:
    certificate = rig.authority.issue_cert("127.0.0.1", not_after=OLD.replace(year=2021), not_before=OLD)
    rig.monkeypatch.setattr(rig.authority, "issue_cert", lambda *_: certificate)
    rig.trust()
    return [rig.tls()]


def only_leaf(rig: Rig) -> list[str]:
    rig.trust()
    child = rig.authority.create_child_ca()
    certificate = child.issue_cert("127.0.0.1")
    leaf = certificate.private_key_pem.bytes() + certificate.cert_chain_pems[0].bytes()
    certificate.private_key_and_cert_chain_pem = trustme.Blob(leaf)
    rig.monkeypatch.setattr(rig.authority, "issue_cert", lambda *_: certificate)
    return [rig.tls()]


def without_authorities(rig: Rig) -> list[str]:
    rig.env(SSL_CERT_FILE="/nowhere/roots.pem")
    return [rig.tls()]


def odd_authorities(rig: Rig) -> list[str]:
    (rig.folder / "roots.pem").write_text("not a certificate\n")
    rig.env(SSL_CERT_FILE=str(rig.folder / "roots.pem"))
    return [rig.tls()]


def other_host(rig: Rig) -> list[str]:
    rig.trust()
    return [rig.tls("registry.internal.example")]


def wants_a_client(rig: Rig) -> list[str]:
    rig.trust()
    return [rig.tls(clients=trustme.CA())]


def plain_where_tls_is_named(rig: Rig) -> list[str]:
    return ["--registry-ca", str(trusted(rig.authority, rig.folder)), rig.image()]


def plain_to_tls(rig: Rig) -> list[str]:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        words = b"Client sent an HTTP request to an HTTPS server.\n"
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%s" % (len(words), words))

    return ["--plain-http", f"{rig.stack.enter_context(scripted(serve))}/team/app:1.0"]


def no_authority_file(rig: Rig) -> list[str]:
    return ["--registry-ca", str(rig.folder / "missing.pem"), "r.example/app:1"]


def proxy_of_odd_form(rig: Rig) -> list[str]:
    rig.env(HTTPS_PROXY="http://user:proxy-K4narie/#+%'\"é@proxy.example")
    return [rig.outside()]


def proxy_is_away(rig: Rig) -> list[str]:
    rig.env(HTTPS_PROXY="http://proxy.example:3128", NO_PROXY="10.0.0.0/8,.corp.example")
    return [rig.outside()]


def proxy_refuses(rig: Rig) -> list[str]:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    place = rig.stack.enter_context(scripted(serve))
    rig.env(HTTPS_PROXY="http://user:proxy-K4narie@proxy.example:3128")
    name = rig.outside()
    Network({"proxy.example": ["10.0.0.1"]}, {"10.0.0.1": place}).installed(rig.monkeypatch)
    return [name]


def no_proxy_decides(rig: Rig) -> list[str]:
    rig.env(https_proxy="http://proxy.example:3128", no_proxy="10.0.0.0/8,.example:443")
    return [rig.outside()]


def no_proxy_of_odd_form(rig: Rig) -> list[str]:
    rig.env(HTTPS_PROXY="http://proxy.example", NO_PROXY="https://r.example,a.example b.example")
    return [rig.outside()]


def not_a_credential_file(rig: Rig) -> list[str]:
    rig.logins('{"auths": {')
    return [rig.image()]


def odd_entry(rig: Rig) -> list[str]:
    name = rig.image()
    rig.logins({"auths": {f"http://{name.partition('/')[0]}/": {"auth": "%%%"}}})
    return [name]


def no_helper(rig: Rig) -> list[str]:
    rig.logins({"credsStore": "nowhere"})
    return [rig.image()]


def refused_login(rig: Rig) -> list[str]:
    name = rig.image(basic=("user", "other"))
    encoded = base64.b64encode(":".join(LOGIN).encode()).decode()
    rig.logins({"auths": {f"{name.partition('/')[0]}/team": {"auth": encoded}}}, ".config/containers/auth.json")
    return [name]


def two_scopes(rig: Rig) -> list[str]:
    server = rig.registry()
    own = InMemoryRegistry.own_answer

    def challenge(request: Request) -> Answer | None:
        if request.path == "/token":
            return Answer(403)
        if request.headers.get("authorization"):
            return own(server, request)
        realm = f'Bearer realm="http://{server.host}/token",service="gateway",scope="repository:upstream/app:pull"'
        return Answer(401, headers={"www-authenticate": realm})

    server.faults.append(challenge)
    return [f"{server.host}/team/app:1.0"]


def narrow_token(rig: Rig) -> list[str]:
    """A token server that grants `pull` only, and says so in the token."""
    server = rig.registry()
    access = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]
    claims = base64.urlsafe_b64encode(json.dumps({"access": access}).encode()).decode().rstrip("=")

    def serve(request: Request) -> Answer | None:
        if request.path == "/token":
            return Answer(200, json.dumps({"token": f"e30.{claims}.{CANARIES['AWS secret key']}"}).encode())
        if request.headers.get("authorization") and request.method == "GET":
            return server.own_answer(request)
        realm = f'Bearer realm="http://{server.host}/token",service="s"'
        return Answer(401, headers={"www-authenticate": realm})

    server.faults.append(serve)
    rig.logins({"auths": {server.host: {"username": LOGIN[0], "password": LOGIN[1]}}})
    return [f"{server.host}/team/app:1.0"]


def set_and_image(**variables: str) -> Callable[[Rig], list[str]]:
    def setup(rig: Rig) -> list[str]:
        rig.env(**variables)
        return [rig.image()]

    return setup


def tag_is_digest(rig: Rig) -> list[str]:
    server = rig.registry(referrers_api=False)
    manifest, media_type = server.manifest("team/app", "1.0")
    digest = server.put_manifest("team/app", manifest, media_type)
    server.put_manifest("team/app", manifest, media_type, digest.replace(":", "-"))
    return [f"{server.host}/team/app:1.0"]


def two_keys(rig: Rig) -> list[str]:
    (rig.folder / "x.key").write_bytes(private_key(number=1).to_pem(None) + private_key(number=2).to_pem(None))
    return [str(rig.folder / "x.key")]


def vault(rig: Rig, *faults: Fault, tls: bool = False) -> ScriptedVault:
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        rig.authority.issue_cert("127.0.0.1").configure_cert(context)
    server = rig.stack.enter_context(ScriptedVault({"release": [private_key()]}, tls=context))
    server.faults.extend(faults)
    rig.env(VAULT_ADDR=server.address, VAULT_TOKEN="hvs.scripted")
    return server


def vault_of_old(rig: Rig) -> list[str]:
    vault(
        rig,
        lambda item: Answer(200, b"{}", {"date": format_datetime(OLD, usegmt=True)}) if "seal" in item.path else None,
    )
    return ["hashivault://release"]


def vault_of_unknown_issuer(rig: Rig) -> list[str]:
    vault(rig, tls=True)
    other = trustme.CA()
    rig.env(VAULT_CACERT=str(trusted(other, rig.folder)))
    return ["hashivault://release"]


def vault_without_file(rig: Rig) -> list[str]:
    vault(rig)
    rig.env(VAULT_CACERT="/nowhere/vault.pem")
    return ["hashivault://release"]


def vault_without_tls(rig: Rig) -> list[str]:
    server = vault(rig)
    rig.env(VAULT_ADDR=server.address.replace("http://", "https://"))
    return ["hashivault://release"]


def kms_of_old(rig: Rig) -> list[str]:
    server = rig.stack.enter_context(ScriptedKms({"release": private_key()}))
    server.faults.append(answers("GET", "/", 404, date=format_datetime(OLD, usegmt=True)))
    credentials = {"AWS_ACCESS_KEY_ID": "AKIASCRIPTED", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    rig.env(AWS_ENDPOINT_URL=server.address, AWS_REGION=server.region, **credentials)
    return ["awskms:///alias/release"]


def kms_of(rig: Rig, **variables: str) -> list[str]:
    credentials = {"AWS_ACCESS_KEY_ID": "AKIASCRIPTED", "AWS_SECRET_ACCESS_KEY": "s3cret"}
    rig.env(**credentials | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"} | variables)
    return ["awskms:///alias/release"]


def vault_of(rig: Rig, **variables: str) -> list[str]:
    vault(rig, tls=True)
    rig.env(VAULT_CACERT=str(trusted(rig.authority, rig.folder)), **variables)
    return ["hashivault://release"]


def old_registry(rig: Rig) -> list[str]:
    return [rig.image(answers("GET", "/v2/", 401, date=format_datetime(OLD, usegmt=True)))]


class Row(Struct, frozen=True):
    setup: Callable[[Rig], list[str]]
    step: str
    words: tuple[str, ...]
    state: str = "failed"


def faulty(*faults: Fault, **options: Any) -> Callable[[Rig], list[str]]:
    return lambda rig: [rig.image(*faults, **options)]


ROWS = {
    "B1 an unknown issuer": Row(lambda rig: [rig.tls()], "TLS", ("Acme Roots", "--registry-ca FILE", "authorities in")),
    "B1 another host name": Row(other_host, "TLS", ("mismatch", "a host name that the server's certificate has")),
    "B1 its names": Row(other_host, "certificate", ("1 of 1", "registry.internal.example", "Acme Roots"), "ok"),
    "B1 an expired certificate": Row(expired, "TLS", ("expired", "SSL_CERT_FILE", "clock")),
    "B1 its dates": Row(expired, "certificate", ("to 2021-01-01", "it has expired", "UTC here", "renew")),
    "B1 the clock beside it": Row(expired, "clock", ("agrees",), "ok"),
    "B1 a missing intermediate": Row(only_leaf, "TLS", ("Testing CA", "let the server send its whole chain")),
    "B1 a file of authorities that is away": Row(without_authorities, "TLS", ("/nowhere/roots.pem", "SSL_CERT_FILE")),
    "B1 a file without authorities": Row(odd_authorities, "TLS", ("roots.pem", "SSL_CERT_FILE", "no certificate")),
    "B1 a client's certificate is wanted": Row(wants_a_client, "registry", ("a client's certificate",)),
    "B1 plain HTTP where TLS is named": Row(plain_where_tls_is_named, "TLS", ("no trusted TLS", "--plain-http")),
    "B1 plain HTTP to TLS": Row(plain_to_tls, "registry", ("speaks TLS", "leave out --plain-http")),
    "B1 no file of authorities": Row(no_authority_file, "image", ("missing.pem", "no file")),
    "B1 nothing answers": Row(lambda rig: [rig.outside()], "connection", ("no connection", "r.example")),
    "B2 a proxy of odd form": Row(proxy_of_odd_form, "proxy", ("HTTPS_PROXY", "%2F")),
    "B2 a proxy that is away": Row(proxy_is_away, "connection", ("proxy.example:3128", "HTTPS_PROXY", "NO_PROXY")),
    "B2 a proxy that refuses": Row(proxy_refuses, "connection", ("status 407", "user and password in HTTPS_PROXY")),
    "B2 the proxy that is used": Row(
        proxy_is_away, "proxy", ("http://proxy.example:3128", "HTTPS_PROXY is set", "add r.example to NO_PROXY"), "ok"
    ),
    "B2 the entry that decides": Row(no_proxy_decides, "proxy", ("none: '.example:443' in no_proxy names r.ex",), "ok"),
    "B2 entries that name nothing": Row(no_proxy_of_odd_form, "proxy", ("'https://r.example'", "by commas"), "note"),
    "B2 a blank between entries": Row(no_proxy_of_odd_form, "proxy", ("'a.example b.example'", "by commas"), "note"),
    "B2 a variable that is not read": Row(
        set_and_image(ALL_PROXY="http://p.example"), "proxy", ("ALL_PROXY", "set HTTPS_PROXY"), "note"
    ),
    "B2 two spellings": Row(
        set_and_image(HTTP_PROXY="http://p.example", http_proxy="http://q.example"),
        "proxy",
        ("unset http_proxy",),
        "note",
    ),
    "B2 this machine": Row(set_and_image(HTTP_PROXY="http://p.example"), "proxy", ("this machine", "direct"), "ok"),
    "B10 a variable that is not read": Row(
        set_and_image(DOCKER_AUTH_CONFIG="{}"), "credentials", ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE"), "note"
    ),
    "B10 a credential file that is not there": Row(
        set_and_image(REGISTRY_AUTH_FILE="/no/auth.json"),
        "credentials",
        ("'/no/auth.json'", "REGISTRY_AUTH_FILE"),
        "note",
    ),
    "B10 a folder of docker that is not there": Row(
        set_and_image(DOCKER_CONFIG="~/.docker"), "credentials", ("'~/.docker'", "unset DOCKER_CONFIG"), "note"
    ),
    "B10 a file in place of docker's folder": Row(
        set_and_image(DOCKER_CONFIG="/etc/hosts"), "credentials", ("a folder with config.json", "DOCKER_CONFIG"), "note"
    ),
    "B3 referrers are refused": Row(faulty(answers("GET", "/referrers/", 403)), "referrers", ("status 403", "log in")),
    "B3 referrers fail": Row(faulty(answers("GET", "/referrers/", 503)), "referrers", ("status 503",)),
    "B3 no such endpoint": Row(faulty(answers("GET", "/referrers/", 406)), "referrers", ("status 406",), "note"),
    "B3 HEAD is refused": Row(faulty(*(answers("HEAD", "/", 405),)), "image", ("sha256:",), "ok"),
    "B3 no registry there": Row(
        faulty(answers("GET", "/v2/", 404)), "registry", ("status 404", "host and port"), "note"
    ),
    "B4 a page in place of a list": Row(
        faulty(answers("GET", "/referrers/", 200, b"<html>")), "referrers", ("status 200", "login page")
    ),
    "B4 a malformed link": Row(
        faulty(answers("GET", "/referrers/", 200, b'{"manifests":[]}', link='<x>; rel="next')), "referrers", ("Link",)
    ),
    "B5 the tag is the image": Row(tag_is_digest, "fallback tag", ("the image itself", "--format cosign")),
    "B10 not a credential file": Row(not_a_credential_file, "credentials", (".docker/config.json", "fix or remove")),
    "B10 an entry that is not base64": Row(odd_entry, "credentials", (".docker/config.json", "entry 'http", "base64")),
    "B10 a helper that is away": Row(no_helper, "credentials", ("docker-credential-nowhere", "not on PATH")),
    "B10 the entry that was used": Row(refused_login, "credentials", ("auth.json", "/team: the entry has"), "ok"),
    "B10 a login that is refused": Row(
        refused_login, "image", ("status 401", "the login is user", "auth.json", "log in")
    ),
    "B11 a token is refused": Row(two_scopes, "image", ("requires a login", "docker login")),
    "B11 the scopes": Row(two_scopes, "token", ("upstream/app:pull", "team/app:pull", "service 'gateway'"), "ok"),
    "B11 a token that grants less": Row(
        narrow_token, "token", ("'repository:team/app:pull,push'", "grants 'repository:team/app:pull'", "push"), "note"
    ),
    "B12 an upload elsewhere": Row(
        faulty(answers("POST", "/uploads/", 202, location="http://169.254.169.254/x")), "push", ("169.254.169.254",)
    ),
    "B13 pushing is denied": Row(
        faulty(answers("POST", "/uploads/", 403, b'{"errors":[{"code":"DENIED","message":"immutable"}]}')),
        "push",
        ("immutable", "log in as a user who may push"),
        "note",
    ),
    "B14 a name of odd form": Row(lambda _rig: ["r.example/UPPER:1"], "image", ("UPPER",)),
    "B14 the registry's own words": Row(
        faulty(answers("GET", "/manifests/", 429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"pull limit"}]}')),
        "image",
        ("429", "pull limit", "try again later"),
    ),
    "B14 a signature repository with a tag": Row(
        lambda rig: ["--signature-repository", "r.example/s:1", rig.image()], "image", ("r.example/s:1",)
    ),
    "a registry with an old clock": Row(old_registry, "clock", ("ahead of the clock", "chrony")),
    "E Vault with an old clock": Row(vault_of_old, "Vault clock", ("ahead of the clock of Vault", "chrony")),
    "E1 an unknown issuer": Row(vault_of_unknown_issuer, "Vault TLS", ("VAULT_CACERT", "ca.pem", "Acme Roots")),
    "E1 a file that is away": Row(vault_without_file, "key", ("VAULT_CACERT", "/nowhere/vault.pem")),
    "E1 the authorities of a Vault": Row(lambda rig: vault_of(rig), "Vault TLS", ("ca.pem", "VAULT_CACERT"), "ok"),
    "E1 any certificate": Row(
        lambda rig: vault_of(rig, VAULT_SKIP_VERIFY="1"),
        "Vault TLS",
        ("every certificate", "VAULT_SKIP_VERIFY"),
        "note",
    ),
    "E2 a token with a line break": Row(
        lambda rig: vault_of(rig, VAULT_TOKEN=CANARIES["Vault token"] + "\nx"), "key", ("VAULT_TOKEN",)
    ),
    "E a proxy that Vault has none for": Row(
        lambda rig: vault_of(rig, HTTPS_PROXY="http://p.example"), "Vault proxy", ("none", "this machine"), "ok"
    ),
    "E a proxy that is not for https": Row(
        lambda rig: vault_of(rig, HTTP_PROXY="http://p.example"),
        "Vault proxy",
        ("HTTP_PROXY", "set HTTPS_PROXY"),
        "note",
    ),
    "E a proxy of Vault's own": Row(
        lambda rig: vault_of(rig, VAULT_ADDR="https://vault.example:8200", VAULT_PROXY_ADDR="http://127.0.0.1:1"),
        "Vault proxy",
        ("http://127.0.0.1:1", "VAULT_PROXY_ADDR is set", "unset VAULT_PROXY_ADDR"),
        "ok",
    ),
    "E1 https to a port without TLS": Row(vault_without_tls, "Vault TLS", ("http:// in the address of Vault",)),
    "E an address of Vault's pages": Row(
        lambda rig: vault_of(rig, VAULT_ADDR="https://vault.example:8200/ui/"), "key", ("VAULT_ADDR", "HOST:8200")
    ),
    "F2 no region": Row(kms_of, "key store", ("set AWS_REGION",)),
    "F2 a secret key with a line break": Row(
        lambda rig: kms_of(rig, AWS_REGION="eu-west-1", AWS_SECRET_ACCESS_KEY=CANARIES["AWS secret key"] + "\nx"),
        "key store",
        ("AWS_SECRET_ACCESS_KEY", "line break"),
    ),
    "F2 KMS with an old clock": Row(kms_of_old, "KMS clock", ("ahead of the clock of KMS", "chrony")),
    "G2 two private keys": Row(two_keys, "public key", ("x.key",)),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_step_at_fault_says_what_and_what_to_do(rig: Rig, name: str) -> None:
    row = ROWS[name]

    status, steps = doctor(*row.setup(rig))

    found = [step for step in steps if (step.area, step.state) == (row.step, row.state)]
    texts = [f"{step.detail} -> {step.hint}" for step in found]
    assert any(all(word in text for word in row.words) for text in texts), "\n".join(map(repr, steps))
    assert status == (1 if any(step.state == "failed" for step in steps) else 0)
    assert any(step.area == "packages" for step in steps)


def test_the_steps_of_a_registry_come_in_the_order_in_which_they_fail(rig: Rig) -> None:
    rig.trust()
    _, steps = doctor(rig.tls())
    areas = list(dict.fromkeys(step.area for step in steps))
    first = areas.index("address")
    assert areas[first:] == [
        *("address", "proxy", "TLS", "certificate", "registry", "clock", "credentials", "login", "image"),
        *("referrers", "push", "token", "delete", "signatures"),
    ]


def test_a_key_and_an_image_that_fail_do_not_hide_each_other(rig: Rig) -> None:
    status, steps = doctor("nosuch://key", "r.example/UPPER:1")
    assert status == 1
    assert [step.area for step in steps if step.state == "failed"] == ["key", "image"]


@pytest.mark.parametrize(
    "name", ["nope.key", "keys/nope.PEM", "nope.pub", "nope.p12", "./nope", "../nope", "/nowhere/nope", "~/nope"]
)
def test_the_name_of_a_key_file_that_is_missing_is_not_read_as_an_image(rig: Rig, name: str) -> None:
    status, steps = doctor(name)
    assert status == 1
    assert [(step.area, step.detail) for step in steps if step.state == "failed"] == [
        ("public key", f"{name.removeprefix('./')}: no such file")
    ]
    assert not [step for step in steps if step.area in ("address", "image")]


@pytest.mark.parametrize("name", ["nope.key:1.0", "r.example/nope.pub", "key", "oci:nope.key:1.0"])
def test_the_name_of_an_image_is_not_read_as_a_key(rig: Rig, name: str) -> None:
    _, steps = doctor(name)
    assert not [step for step in steps if step.area == "public key"]


def test_a_server_that_does_not_answer_fails_one_step_of_the_key(rig: Rig) -> None:
    """The clock is asked without a login, and has a message of its own."""
    _, steps = doctor(*vault_of(rig, VAULT_ADDR="http://127.0.0.1:1"))
    assert [step.area for step in steps if step.state == "failed"] == ["Vault clock", "Vault"]
    assert [step.area for step in steps if "fails as the step Vault does" in step.detail][:2] == [
        *("Vault login", "public key")
    ]


def test_a_signature_repository_is_examined_too(rig: Rig) -> None:
    _, steps = doctor("--signature-repository", f"{rig.registry().host}/signatures", rig.image())
    assert [step.area for step in steps].count("address") == 2
    assert [step.area for step in steps].count("push") == 1


def test_the_text_is_grouped_and_ends_with_what_failed(rig: Rig) -> None:
    image = rig.tls()
    done = run_here("doctor", image)
    assert done.exit_code == 1
    assert f"\nimage {image}\nok     address " in done.output
    assert done.output.endswith("\nfailed: TLS\n")
    done = run_here("doctor")
    assert done.output.startswith("imagesig\nok     imagesig ")
    assert done.output.endswith("\nno failures\n")


def test_a_registry_that_repeats_the_password_everywhere_does_not_get_it_shown(rig: Rig) -> None:
    server = rig.registry()
    secret = "registry-K4narie/#+%'"

    def repeat(request: Request) -> Answer | None:
        claims = {"access": [{"type": secret, "name": secret, "actions": [secret]}]}
        token = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"
        if request.path == "/token":
            return Answer(200, json.dumps({"token": token}).encode())
        if request.headers.get("authorization"):
            return Answer(403, json.dumps({"errors": [{"code": secret, "message": secret}]}).encode())
        realm = f'Bearer realm="http://{server.host}/token",service="{secret}",scope="{secret}"'
        return Answer(401, headers={"www-authenticate": realm})

    server.faults.append(repeat)
    rig.logins({"auths": {server.host: {"username": LOGIN[0], "password": secret}}})
    for output in ("json", "text"):
        done = run_here("doctor", "--output", output, f"{server.host}/team/app:1.0")
        assert done.output.count("(secret)") > 5
        assert "registry-K4narie" not in done.output, done.output


SEAMS = {
    "imagesig.images.registry.session.Contact.url": "address",
    "imagesig.images.registry.session.Contact.proxy": "proxy",
    "imagesig.api.doctor.servers.tls": "TLS",
    "imagesig.images.registry.permissions.RegistryProbe.greet": "registry",
    "imagesig.images.registry.session.Contact.credential_steps": "credentials",
    "imagesig.api.diagnosing.resolve": "image",
    "imagesig.images.registry.session.Contact.token": "token",
    "imagesig.images.registry.permissions.RegistryProbe.referrers": "referrers",
    "imagesig.images.registry.permissions.RegistryProbe.push": "push",
    "imagesig.images.registry.permissions.RegistryProbe.delete": "delete",
    "imagesig.api.diagnosing.inspect": "signatures",
}


@pytest.mark.parametrize("kind", [KeyError, OSError, MemoryError])
@pytest.mark.parametrize("seam", SEAMS)
def test_an_exception_of_any_kind_ends_one_step_only(rig: Rig, seam: str, kind: type[Exception]) -> None:
    def fail(*_: object, **__: object) -> object:
        raise kind(CANARIES["registry password"])

    rig.trust()
    image = rig.tls()
    rig.monkeypatch.setattr(seam, property(fail) if "Contact" in seam else fail)

    status, steps = doctor(image)

    failed = [step for step in steps if step.area == SEAMS[seam]]
    assert any(kind.__name__ in step.detail for step in failed)
    assert status == 1
    assert {"credentials", "image", "token", "push", "delete"} <= {step.area for step in steps}


PAGE = Path(__file__).parents[3] / "docs" / "howto" / "doctor.rst"


def test_the_page_shows_what_the_command_prints(rig: Rig) -> None:
    rig.env(XDG_RUNTIME_DIR=str(rig.folder / "run"), SSL_CERT_FILE=str(trusted(trustme.CA(), rig.folder)))
    image = rig.tls(to=rig.registry(basic=LOGIN).host)
    printed = run_here("doctor", image).output
    about_image = printed.partition("\n\n")[2]
    shown = about_image.replace(image.partition("/")[0], "registry.example").replace(str(rig.folder), "$HOME")
    shown = re.sub(r"OU=Testing cert #[^']*", "CN=registry.example", re.sub(r"OU=Testing CA #[^']*,", "", shown))
    shown = shown.replace("$HOME/ca.pem (SSL_CERT_FILE)", "/etc/ssl/certs/ca-certificates.crt (the system)")
    shown = shown.replace("$HOME/run", "$XDG_RUNTIME_DIR").replace(
        "'127.0.0.1', 'localhost', '::1'", "'registry.example'"
    )
    shown = shown.replace("team/app", "acme/app")

    (text,) = re.findall(r"code-block:: text\n\n((?:   .*\n|\n)*)", PAGE.read_text())
    assert textwrap.dedent(text).strip().splitlines() == shown.strip().splitlines()
