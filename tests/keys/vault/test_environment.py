"""`VAULT_*` and `BAO_*`: which are read, in which order, and what values they may have."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderUnavailable, SecretRequired
from imagesig.keys import KeySettings, open_key, resolve_key
from imagesig.keys.vault.open import provider_from_uri
from imagesig.testing import ScriptedVault
from imagesig.url import parse_url
from tests.makers import private_key

TOKEN = "hvs.s3cret-token"


@pytest.fixture
def vault() -> Iterator[ScriptedVault]:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN) as running:
        yield running


@pytest.fixture
def other() -> Iterator[ScriptedVault]:
    """Another server, with another key of the same name."""
    with ScriptedVault({"app": [private_key(number=1)]}, token="hvs.other") as running:
        yield running


def signs(uri: str, **environ: str) -> int:
    """The number of the key that signs."""
    with open_key(uri, settings=KeySettings(environ)) as key:
        key.sign(b"message")
        return [private_key(number=number).public_key for number in range(2)].index(key.info.public_key)


def test_openbao_reads_its_own_variables_first_and_then_those_of_vault(
    vault: ScriptedVault, other: ScriptedVault
) -> None:
    ours = {"BAO_ADDR": vault.address, "BAO_TOKEN": TOKEN}
    others = {"VAULT_ADDR": other.address, "VAULT_TOKEN": "hvs.other"}
    assert signs("openbao://app", **ours, **others) == 0
    assert signs("hashivault://app", **ours, **others) == 1
    assert signs("openbao://app", **others) == 1
    assert signs("hashivault://app", **ours) == 0
    assert signs("openbao://app", BAO_ADDR=vault.address, VAULT_TOKEN=TOKEN) == 0


def test_the_namespace_of_openbao_decides_which_key_signs(other: ScriptedVault) -> None:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN, namespace="team") as vault:
        ours = {"BAO_ADDR": vault.address, "BAO_TOKEN": TOKEN}
        assert signs("openbao://app", **ours, BAO_NAMESPACE="team") == 0
        assert signs("openbao://app", **ours, VAULT_NAMESPACE="team/") == 0
        assert signs("openbao://app", **ours, BAO_NAMESPACE="team", VAULT_NAMESPACE="another") == 0
        assert signs("hashivault://app", **ours, BAO_NAMESPACE="team") == 0
        for namespaces in ({}, {"BAO_NAMESPACE": "", "VAULT_NAMESPACE": "team"}, {"BAO_NAMESPACE": "a"}):
            with pytest.raises(ImagesigError, match="not found"):
                signs("openbao://app", **ours, **namespaces)


@pytest.mark.parametrize("prefix", ["BAO", "VAULT"])
def test_every_tls_variable_has_both_names(prefix: str, tmp_path: Path) -> None:
    scheme = "openbao" if prefix == "BAO" else "hashivault"
    base = {f"{prefix}_ADDR": "https://127.0.0.1:1", f"{prefix}_TOKEN": TOKEN}
    for name in ("CACERT", "CAPATH", "CLIENT_CERT", "CLIENT_KEY"):
        given = {f"{prefix}_CLIENT_KEY": "x"} if name == "CLIENT_CERT" else {}
        with pytest.raises(InvalidArgument, match=f"{prefix}_{name}"):
            resolve_key(f"{scheme}://app", KeySettings(base | given | {f"{prefix}_{name}": str(tmp_path / "none")}))
    for name, value in (("CACERT_BYTES", "rubbish"), ("SKIP_VERIFY", "maybe"), ("TLS_SERVER_NAME", "a b")):
        with pytest.raises(InvalidArgument, match=f"{prefix}_{name}"):
            resolve_key(f"{scheme}://app", KeySettings(base | {f"{prefix}_{name}": value}))


def test_the_ids_and_lists_of_openbao_open_the_same_key_again(vault: ScriptedVault) -> None:
    settings = KeySettings({"BAO_ADDR": vault.address, "BAO_TOKEN": TOKEN})
    provider, _ = resolve_key("openbao://", settings)
    with provider:
        assert provider.open("app").info.key_id == "openbao://app?version=1"
        (listed,) = provider.list()  # type: ignore[attr-defined]
        assert listed.uri == "openbao://app"


def test_a_listed_uri_opens_the_same_key_without_variables() -> None:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN, namespace="team/a", mount="x/y") as vault:
        settings = KeySettings({"VAULT_TOKEN": TOKEN})
        provider, _ = resolve_key(f"hashivault://?namespace=team/a/&mount=x/y/&address={vault.address}", settings)
        with provider:
            (listed,) = provider.list()  # type: ignore[attr-defined]
        with open_key(listed.uri, settings=settings) as key:
            assert key.sign(b"message")


UNUSABLE = {
    "ADDR": ["https://127.0.0.1:1\nx", "https://vault .example", "“https://127.0.0.1:1”", '"https://127.0.0.1:1"', "x"],
    "TOKEN": ["s3c\nret", "s3c ret", "“s3cret”", '"s3cret"', "'s3cret'", "s3c\u2019ret"],
    "NAMESPACE": ["s3c\nret", "s3c ret", "“s3cret”", '"s3cret"', "s3cr\u00e9t"],
    "CACERT": ["/nonexistent/s\nx", '"/nonexistent"', "“/nonexistent”"],
    "CAPATH": ['"/nonexistent"', "/nonexistent"],
    "CACERT_BYTES": ["rubbish", '"'],
    "CLIENT_CERT": ['"/nonexistent"', "/nonexistent"],
    "CLIENT_KEY": ['"/nonexistent"', "/nonexistent"],
    "TLS_SERVER_NAME": ["a b", "a\nb", '"a"', "“a”", "https://a"],
    "SKIP_VERIFY": ["maybe", '"true"', "“true”", "2"],
    "AGENT_ADDR": ["x", '"http://127.0.0.1:1"', "unix://", "unix:///" + "s" * 107],
}


@pytest.mark.parametrize("prefix", ["VAULT", "BAO"])
@pytest.mark.parametrize(("name", "value"), [(name, value) for name in UNUSABLE for value in UNUSABLE[name]])
def test_a_value_that_cannot_be_used_names_its_variable_and_nothing_is_sent(
    vault: ScriptedVault, prefix: str, name: str, value: str
) -> None:
    environ = {f"{prefix}_ADDR": vault.address, f"{prefix}_TOKEN": TOKEN, f"{prefix}_{name}": value}
    if name == "CLIENT_CERT":
        environ[f"{prefix}_CLIENT_KEY"] = "/nonexistent"
    with pytest.raises(InvalidArgument, match=f"{prefix}_{name}") as refused:
        open_key(f"{'openbao' if prefix == 'BAO' else 'hashivault'}://app", settings=KeySettings(environ))
    assert not refused.value.retryable
    assert not vault.requests
    assert "s3c" not in f"{refused.value!r} {refused.value.hint}"


@pytest.mark.parametrize("name", [*UNUSABLE, "TRANSIT_SECRET_ENGINE_PATH", "IMAGESIG_VAULT_AUTH"])
@pytest.mark.parametrize("value", ["", " ", "\n", "\t \r\n"])
def test_an_empty_or_blank_variable_is_one_that_is_not_set(
    vault: ScriptedVault, name: str, value: str, tmp_path: Path
) -> None:
    (tmp_path / ".vault-token").write_text(TOKEN + "\n")
    environ = {"VAULT_ADDR": vault.address, "HOME": str(tmp_path)}
    environ |= {name if name[:3] in ("TRA", "IMA") else f"VAULT_{name}": value}
    if name == "ADDR":
        with pytest.raises(InvalidArgument, match="no address"):
            resolve_key("hashivault://app", KeySettings(environ))
    else:
        assert signs("hashivault://app", **environ) == 0


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{} "])
@pytest.mark.parametrize("name", ["ADDR", "TOKEN", "NAMESPACE", "TLS_SERVER_NAME", "SKIP_VERIFY"])
def test_blanks_and_line_breaks_around_a_value_are_removed(around: str, name: str) -> None:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN, namespace="team") as vault:
        values = {"ADDR": vault.address, "TOKEN": TOKEN, "NAMESPACE": "team"}
        values |= {"TLS_SERVER_NAME": "vault.example", "SKIP_VERIFY": "false"}
        values[name] = around.format(values[name])
        assert signs("hashivault://app", **{f"VAULT_{name}": value for name, value in values.items()}) == 0


@pytest.mark.parametrize("given", ["transit/", "/transit", "/transit/", "transit"])
def test_a_mount_is_taken_as_vault_prints_it(vault: ScriptedVault, given: str) -> None:
    environ = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN}
    assert signs(f"hashivault://app?mount={given}", **environ) == 0
    assert signs("hashivault://app", **environ, TRANSIT_SECRET_ENGINE_PATH=given) == 0


def test_a_mount_below_another_path_is_taken_with_its_slashes() -> None:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN, mount="team/transit") as vault:
        environ = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN}
        assert signs("hashivault://app?mount=team/transit/", **environ) == 0


@pytest.mark.parametrize("path", ["", "/", "//", "/gateway", "/gateway/", "/gateway//"])
def test_an_address_may_have_a_path_and_slashes_at_its_end(vault: ScriptedVault, path: str) -> None:
    prefix = path.rstrip("/")

    def behind_a_gateway(request):  # type: ignore[no-untyped-def]
        from msgspec.structs import replace

        assert request.path.startswith(f"{prefix}/v1/")
        return vault.own_answer(replace(request, path=request.path.removeprefix(prefix)))

    vault.faults.append(behind_a_gateway)
    assert signs("hashivault://app", VAULT_ADDR=vault.address + path, VAULT_TOKEN=TOKEN) == 0


def test_half_a_pair_of_client_certificate_and_key_is_refused() -> None:
    for name, missing in (("CLIENT_CERT", "CLIENT_KEY"), ("CLIENT_KEY", "CLIENT_CERT")):
        environ = {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": TOKEN, f"VAULT_{name}": __file__}
        with pytest.raises(InvalidArgument, match=f"VAULT_{missing}"):
            resolve_key("hashivault://app", KeySettings(environ))


# --- agents ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[ScriptedVault]:
    """An agent on a Unix socket; it adds its own token."""
    with ScriptedVault({"app": [private_key()]}, token="", unix=str(tmp_path / "agent.sock")) as running:
        yield running


def test_an_agent_on_a_unix_socket_signs(agent: ScriptedVault) -> None:
    assert agent.address.startswith("unix:///")
    assert signs("hashivault://app", VAULT_ADDR=agent.address) == 0
    assert signs("openbao://app", BAO_ADDR=agent.address) == 0
    assert signs("hashivault://app", VAULT_AGENT_ADDR=agent.address, VAULT_ADDR="https://127.0.0.1:1") == 0
    assert {request.headers["host"] for request in agent.requests} == {"localhost"}
    assert {request.headers["x-vault-request"] for request in agent.requests} == {"true"}


def test_an_agent_gets_the_token_of_the_user(agent: ScriptedVault) -> None:
    agent.tokens = {TOKEN}
    assert signs("hashivault://app", VAULT_ADDR=agent.address, VAULT_TOKEN=TOKEN) == 0


def test_no_proxy_is_asked_for_an_agent(agent: ScriptedVault) -> None:
    assert signs("hashivault://app", VAULT_ADDR=agent.address, HTTP_PROXY="http://127.0.0.1:1") == 0


@pytest.mark.parametrize("kind", ["missing", "file", "forsaken"])
def test_a_socket_without_an_agent_is_explained(kind: str, tmp_path: Path) -> None:
    import socket

    path = tmp_path / "agent.sock"
    if kind == "file":
        path.write_text("")
    if kind == "forsaken":
        with socket.socket(socket.AF_UNIX) as once:
            once.bind(str(path))
    with pytest.raises(KeyProviderUnavailable) as refused:
        signs("hashivault://app", VAULT_ADDR=f"unix://{path}", VAULT_TOKEN=TOKEN)
    expected = {"missing": "No such file", "file": "refused", "forsaken": "refused"}
    assert expected[kind] in str(refused.value)
    assert "agent" in refused.value.hint


def test_a_deadline_that_passes_before_the_socket_connects_leaves_none_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagesig.keys.vault.transport.seconds_left", lambda: -0.001)
    path = str(tmp_path / "agent.sock")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with ScriptedVault({"app": [private_key()]}, unix=path), pytest.raises(KeyProviderUnavailable):
            signs("hashivault://app", VAULT_ADDR=f"unix://{path}", VAULT_TOKEN=TOKEN)
        gc.collect()
    assert not [str(item.message) for item in said]


def test_only_an_agent_needs_no_token(vault: ScriptedVault) -> None:
    with pytest.raises(SecretRequired):
        signs("hashivault://app", VAULT_ADDR=vault.address)
    vault.tokens = {""}
    assert signs("hashivault://app", VAULT_AGENT_ADDR=vault.address) == 0


def test_the_variables_of_this_process_do_not_reach_a_program_that_gives_its_own(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hvac reads them when it is imported."""
    import hvac.v1

    for name in ("VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY", "VAULT_CACERT", "VAULT_CAPATH"):
        monkeypatch.setattr(hvac.v1, name, "/nonexistent/of-another")
        monkeypatch.setitem(os.environ, name, "/nonexistent/of-another")
    assert signs("hashivault://app", VAULT_ADDR=vault.address, VAULT_TOKEN=TOKEN) == 0


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/ui", "/ui/", "/ui/vault", "/prefix/v1"])
def test_an_address_of_the_api_or_of_the_pages_is_refused_with_the_variable(path: str) -> None:
    with pytest.raises(InvalidArgument, match="VAULT_ADDR") as caught:
        resolve_key("hashivault://app", KeySettings({"VAULT_ADDR": f"https://v.example{path}", "VAULT_TOKEN": TOKEN}))
    assert "https://HOST:8200" in caught.value.hint


@pytest.mark.parametrize("address", ["v.example:8200", "v.example", "tcp://v.example:8200", "//v.example"])
def test_an_address_without_a_scheme_is_helped(address: str) -> None:
    with pytest.raises(InvalidArgument, match="VAULT_ADDR") as caught:
        resolve_key("hashivault://app", KeySettings({"VAULT_ADDR": address, "VAULT_TOKEN": TOKEN}))
    assert "write https://HOST:8200 in VAULT_ADDR" in caught.value.hint


PROXY = "http://user:s3cret@proxy.example:3128"


@pytest.mark.parametrize(
    ("environ", "named_by"),
    [
        ({"VAULT_PROXY_ADDR": PROXY}, "VAULT_PROXY_ADDR"),
        ({"VAULT_HTTP_PROXY": PROXY}, "VAULT_HTTP_PROXY"),
        ({"VAULT_HTTP_PROXY": "http://other.example", "VAULT_PROXY_ADDR": PROXY}, "VAULT_PROXY_ADDR"),
        ({"VAULT_PROXY_ADDR": PROXY, "HTTPS_PROXY": "http://other.example"}, "VAULT_PROXY_ADDR"),
        ({"VAULT_PROXY_ADDR": PROXY, "NO_PROXY": "v.example"}, "VAULT_PROXY_ADDR"),
        ({"HTTPS_PROXY": PROXY}, ""),
    ],
    ids=str,
)
def test_vaults_own_variables_name_the_proxy_first(environ: dict[str, str], named_by: str) -> None:
    settings = KeySettings({"VAULT_ADDR": "https://v.example:8200", "VAULT_TOKEN": TOKEN, **environ})
    provider, _ = provider_from_uri("hashivault://app", settings)
    endpoint = provider.endpoint()
    assert endpoint is not None
    connection = provider._connection
    assert connection is not None
    assert (dict(connection.proxies), connection.proxy_from) == ({"https": PROXY}, named_by)
    if named_by:
        assert endpoint.proxies is not None
        decision = endpoint.proxies.decide(parse_url(endpoint.url))
        assert decision.reason == f"{named_by} is set"
        assert str(decision.proxy) == "http://proxy.example:3128"


def test_openbao_has_variables_for_the_proxy_too() -> None:
    environ = {"BAO_ADDR": "https://v.example", "BAO_TOKEN": TOKEN, "BAO_PROXY_ADDR": PROXY, "VAULT_PROXY_ADDR": "x"}
    provider, _ = provider_from_uri("openbao://app", KeySettings(environ))
    assert provider._connection is not None
    assert provider._connection.proxy_from == "BAO_PROXY_ADDR"


def test_vaults_own_proxy_is_not_asked_for_a_vault_on_this_machine(vault: ScriptedVault) -> None:
    assert (
        signs("hashivault://app", VAULT_ADDR=vault.address, VAULT_TOKEN=TOKEN, VAULT_PROXY_ADDR="http://p.example") == 0
    )


def test_a_proxy_that_cannot_be_read_is_named_by_its_variable_without_its_value() -> None:
    environ = {"VAULT_ADDR": "https://v.example", "VAULT_TOKEN": TOKEN, "VAULT_PROXY_ADDR": "socks5://me:s3cret@p"}
    with pytest.raises(InvalidArgument, match="VAULT_PROXY_ADDR") as caught:
        resolve_key("hashivault://app", KeySettings(environ))
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
