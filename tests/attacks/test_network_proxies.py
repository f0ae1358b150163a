"""Every request follows Go's rules for proxies: registries, Vault, KMS, timestamps and answers about revocation."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesig import ImagesigError, SigningKey, open_key, registry, verify
from imagesig.errors import InvalidArgument
from imagesig.http.proxies import Proxies
from imagesig.testing import Answer, InMemoryRegistry
from imagesig.url import parse_url
from imagesig.witnesses import Query, online
from tests.attacks.network import Network
from tests.peers import binary

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

INSIDE = "10.1.2.3"


@pytest.fixture
def proxy() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        running.faults.append(lambda _request: Answer(400, b"{}"))
        yield running


@pytest.fixture
def direct() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        running.faults.append(lambda _request: Answer(400, b"{}"))
        yield running


def ask_registry(host: str, key: SigningKey) -> None:
    verify(registry(f"{host}/team/app:1.0", plain_http=True, credentials=("", ""), timeout=5), key)


def ask_vault(host: str, _key: SigningKey) -> None:
    open_key(f"hashivault://release?address=http://{host}")


def ask_kms(_host: str, _key: SigningKey) -> None:
    open_key("awskms:///alias/release")


def ask_witness(host: str, _key: SigningKey) -> None:
    online().fetcher.fetch(Query(f"http://{host}/", "*/*", 100, 5))


KINDS: dict[str, Callable[[str, SigningKey], None]] = {
    "registry": ask_registry,
    "Vault": ask_vault,
    "KMS": ask_kms,
    "witness": ask_witness,
}
DECISIONS = [
    ("service.example:81", "", True),
    ("service.example:81", "service.example", False),
    ("service.example:81", "*.example", False),
    ("service.example:81", ".example", False),
    ("service.example:81", ".service.example", True),
    ("service.example:81", "SERVICE.Example:81", False),
    ("service.example:81", "service.example:82", True),
    ("service.example:81", "ice.example", True),
    ("service.example:81", " other.example , * ", False),
    (f"{INSIDE}:81", "10.0.0.0/8", False),
    (f"{INSIDE}:81", "10.1.2.3:81", False),
    (f"{INSIDE}:81", "10.1.2.3:82", True),
    (f"{INSIDE}:81", "10.1.", True),
    ("[fd00::1]:81", "[fd00::1]:81", False),
    ("[fd00::1]:81", "fd00::/8", False),
    ("[fd00::1]:81", "[fd00::1]:82,fd01::/16", True),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("host", "bypass", "used"), DECISIONS)
def test_each_kind_of_request_goes_the_way_that_go_chooses(
    proxy: InMemoryRegistry,
    direct: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    host: str,
    bypass: str,
    used: bool,
) -> None:
    for name, value in settings(host).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@{proxy.host}")
    monkeypatch.setenv("NO_PROXY", bypass)
    places = {"127.0.0.1": proxy.host, INSIDE: direct.host, "fd00::1": direct.host}
    Network({"service.example": [INSIDE]}, places).installed(monkeypatch)
    with pytest.raises(ImagesigError):
        KINDS[kind](host, key)
    assert (bool(proxy.requests), bool(direct.requests)) == (used, not used)
    assert all(one.headers.get("proxy-authorization") == "Basic bWU6cEBzcw==" for one in proxy.requests)
    assert not any("proxy-authorization" in one.headers for one in direct.requests)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy"])
def test_a_proxy_for_everything_is_no_setting_as_in_go(
    proxy: InMemoryRegistry,
    direct: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    variable: str,
) -> None:
    for name, value in {**settings("service.example:81"), variable: f"http://{proxy.host}"}.items():
        monkeypatch.setenv(name, value)
    Network({"service.example": [INSIDE]}, {"127.0.0.1": proxy.host, INSIDE: direct.host}).installed(monkeypatch)
    with pytest.raises(ImagesigError):
        KINDS[kind]("service.example:81", key)
    assert direct.requests
    assert not proxy.requests


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_web_server_was_sent_is_a_setting_for_nobody(
    proxy: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sent = {"HTTP_PROXY": f"http://{proxy.host}", "REQUEST_METHOD": "POST"}
    for name, value in {**settings("service.example:81"), **sent}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidArgument, match="REQUEST_METHOD"):
        KINDS[kind]("service.example:81", key)
    assert not proxy.requests


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_on_this_machine_is_asked_without_a_proxy(
    proxy: InMemoryRegistry, direct: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for name, value in {**settings(direct.host), "HTTP_PROXY": f"http://{proxy.host}"}.items():
        monkeypatch.setenv(name, value)
    with contextlib.suppress(ImagesigError):
        KINDS[kind](direct.host, key)
    assert direct.requests
    assert not proxy.requests


def settings(host: str) -> dict[str, str]:
    """The environment in which each kind of service is at this host."""
    return {
        "AWS_ENDPOINT_URL_KMS": f"http://{host}",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "aws-s3cret",
        "AWS_REGION": "eu-central-1",
        "IMAGESIG_AWS_PLAIN_HTTP": "1",
        "IMAGESIG_VAULT_PLAIN_HTTP": "1",
        "VAULT_TOKEN": "vault-t0ken",
    }


# --- the reason -------------------------------------------------------------------------------------------------------

REASONS = [
    ({}, "https://r.example", "", "HTTPS_PROXY is not set"),
    ({"HTTP_PROXY": "p"}, "https://r.example", "", "HTTPS_PROXY is not set"),
    ({"HTTPS_PROXY": "p"}, "https://localhost:5000", "", "localhost is this machine"),
    (
        {"HTTPS_PROXY": "p", "NO_PROXY": "x, .Example"},
        "https://r.example",
        "",
        ".example in NO_PROXY names r.example:443",
    ),
    ({"HTTPS_PROXY": "p", "no_proxy": "10.0.0.0/8"}, "https://10.1.2.3:5000", "", "10.0.0.0/8 in no_proxy"),
    ({"HTTPS_PROXY": "p", "NO_PROXY": "*"}, "https://r.example", "", "* in NO_PROXY names r.example:443"),
    ({"HTTPS_PROXY": "p"}, "https://r.example", "http://p", "HTTPS_PROXY is set"),
    ({"https_proxy": "https://me:s3cret@p"}, "https://r.example", "https://p", "https_proxy is set"),
]


@pytest.mark.parametrize(("environ", "url", "proxy", "reason"), REASONS)
def test_a_decision_has_its_reason_and_no_secret(environ: dict[str, str], url: str, proxy: str, reason: str) -> None:
    decision = Proxies.from_environment(environ).decide(parse_url(url))
    assert str(decision.proxy or "") == proxy
    assert reason in decision.reason.replace("'", "")
    assert "s3cret" not in f"{decision!r}{decision.reason}"


def test_a_setting_that_cannot_be_read_is_named_as_it_is_written() -> None:
    with pytest.raises(InvalidArgument, match="the proxy in https_proxy"):
        Proxies.from_environment({"https_proxy": "socks5://p"}).decide(parse_url("https://r.example"))


# --- a peer -----------------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.parametrize(("host", "bypass", "used"), [row for row in DECISIONS if row[0].startswith(INSIDE)])
def test_cosign_goes_the_same_way(proxy: InMemoryRegistry, tmp_path: Path, host: str, bypass: str, used: bool) -> None:
    command = [str(binary("cosign3")), "triangulate", "--allow-http-registry", "-t", "1s", f"{host}/team/app:1.0"]
    environ = {"HTTP_PROXY": f"http://{proxy.host}", "HTTPS_PROXY": f"http://{proxy.host}", "NO_PROXY": bypass}
    subprocess.run(command, env={"HOME": str(tmp_path), **environ}, capture_output=True, timeout=20, check=False)
    assert bool(proxy.requests) is used
