from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from imagesig.content_trust.server import TrustServer, notice, server_url
from imagesig.content_trust.update import File
from imagesig.errors import InvalidArgument, LimitExceeded, Unauthorized, UnexpectedResponse, Unreachable
from imagesig.images.registry.credential import ANONYMOUS, Credential
from imagesig.oci.reference import parse_reference
from imagesig.testing.loopback_server import Answer, LoopbackServer, Request
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import GUN, TrustRepository
from tests.tls import server_context

ROOT = File.current("root")


@pytest.fixture
def trust() -> Iterator[Notary]:
    with notary() as server:
        server.repositories[GUN] = TrustRepository()
        yield server


@pytest.mark.parametrize(
    ("named", "variable", "image", "url"),
    [
        ("https://a.example/", "https://b.example", "registry.example/app", "https://a.example"),
        ("", "https://b.example:4443", "registry.example/app", "https://b.example:4443"),
        ("", "", "registry.example:5000/app", "https://registry.example:5000"),
        ("", "", "alpine", "https://notary.docker.io"),
    ],
)
def test_the_server_is_the_named_one_or_dockers(named: str, variable: str, image: str, url: str) -> None:
    assert server_url(named, parse_reference(image), {"DOCKER_CONTENT_TRUST_SERVER": variable}) == url


@pytest.mark.parametrize("text", ["http://a.example", "https://u:p@a.example", "https://a.example?x=1", "a.example"])
def test_a_server_that_is_no_https_url_is_refused(text: str) -> None:
    for named, variable in ((text, ""), ("", text)):
        with pytest.raises(InvalidArgument):
            server_url(named, parse_reference("registry.example/app"), {"DOCKER_CONTENT_TRUST_SERVER": variable})


def test_the_end_of_notary_docker_io_is_said() -> None:
    assert "2026-12-08" in notice("https://notary.docker.io")
    assert not notice("https://notary.docker.io.example")


def server(url: str, credential: Credential = ANONYMOUS, **more: Path) -> TrustServer:
    environ = {"DOCKER_CONFIG": str(more.pop("docker", "/nonexistent"))}
    return TrustServer(url, lambda _host: credential, ca_file=more.get("ca_file"), environ=environ)


def test_a_file_is_there_or_the_server_says_that_it_is_not(trust: Notary) -> None:
    assert server(trust.url).fetch(GUN, ROOT) == trust.repositories[GUN].files()["root.json"]
    assert server(trust.url).fetch("registry.example/other", ROOT) is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"404 page not found"),
        Answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        Answer(404, b'{"errors":"METADATA_NOT_FOUND"}'),
        Answer(200, b"x" * (ROOT.limit + 1)),
        Answer(204),
        Answer(301, headers={"location": "https://elsewhere.example/"}),
        Answer(403),
        Answer(400, b'{"errors":[{"code":"INVALID_GUN"}]}'),
    ],
    ids=["page", "registry", "odd", "large", "204", "redirect", "403", "400"],
)
def test_every_other_answer_is_an_error_and_never_a_missing_file(trust: Notary, answer: Answer) -> None:
    trust.answer = answer
    with pytest.raises((UnexpectedResponse, Unauthorized, LimitExceeded)):
        server(trust.url).fetch(GUN, ROOT)


def test_the_token_is_for_the_whole_name_and_the_registrys_login_gets_it() -> None:
    asked: list[tuple[set[str], str]] = []

    def answer(request: Request) -> Answer:
        if request.path == "/token":
            asked.append((set(request.query["scope"]), request.headers.get("authorization", "")))
            return Answer(200, json.dumps({"token": "t0ken"}).encode())
        if request.headers.get("authorization") == "Bearer t0ken":
            return Answer(200, b"{}")
        challenge = f'Bearer realm="http://{loopback.host}/token",service="notary",scope="repository:{GUN}:pull"'
        return Answer(401, headers={"www-authenticate": challenge})

    loopback = LoopbackServer(answer)
    loopback.start()
    try:
        found = server(f"http://{loopback.host}", Credential("user", "pass")).fetch(GUN, ROOT)
    finally:
        loopback.stop()

    assert found == b"{}"
    basic = "Basic " + base64.b64encode(b"user:pass").decode()
    assert asked == [({f"repository:{GUN}:pull"}, basic)]


def test_a_realm_elsewhere_in_plain_http_gets_no_login(trust: Notary) -> None:
    trust.answer = Answer(401, headers={"www-authenticate": 'Bearer realm="http://elsewhere.example/token"'})

    with pytest.raises((UnexpectedResponse, Unreachable)):
        server(trust.url, Credential("user", "pass")).fetch(GUN, ROOT)


def test_tls_files_are_those_of_docker(tmp_path: Path) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    context = server_context(authority, "127.0.0.1", clients=clients)
    loopback = LoopbackServer(lambda _request: Answer(200, b"{}"), tls=context)
    loopback.start()
    url, folder = f"https://{loopback.host}", tmp_path / "tls" / loopback.host
    folder.mkdir(parents=True)
    mine = clients.issue_cert("me")
    try:
        with pytest.raises(Unreachable) as failed:
            server(url, docker=tmp_path).fetch(GUN, ROOT)
        assert "--notary-ca FILE" in failed.value.hint
        assert "--registry-ca" not in failed.value.hint
        authority.cert_pem.write_to_path(str(folder / "ca.crt"))
        with pytest.raises(Unreachable):
            server(url, docker=tmp_path).fetch(GUN, ROOT)
        mine.cert_chain_pems[0].write_to_path(str(folder / "client.cert"))
        with pytest.raises(InvalidArgument, match="client certificate"):
            server(url, docker=tmp_path).fetch(GUN, ROOT)
        mine.private_key_pem.write_to_path(str(folder / "client.key"))
        assert server(url, docker=tmp_path).fetch(GUN, ROOT) == b"{}"
        with pytest.raises(InvalidArgument, match="certificate authorities"):
            server(url, docker=tmp_path, ca_file=folder / "none")
    finally:
        loopback.stop()


def test_hints_about_tls_name_what_a_trust_server_has_and_no_option_of_registries(
    trust: Notary, tmp_path: Path
) -> None:
    context = server_context(trustme.CA(), "127.0.0.1")
    loopback = LoopbackServer(lambda _request: Answer(200, b"{}"), tls=context)
    loopback.start()
    try:
        for url, said in [
            (trust.url.replace("http:", "https:"), "begin its address with http://"),
            (f"http://{loopback.host}", "begin its address with https://"),
        ]:
            with pytest.raises(Unreachable) as refused:
                server(url, docker=tmp_path).fetch(GUN, ROOT)
            assert said in refused.value.hint
            assert "plain-http" not in refused.value.hint
    finally:
        loopback.stop()


@pytest.mark.parametrize("names", [["company.crt"], ["ca.crt", "new-ca.crt"]], ids=str)
def test_every_crt_file_of_dockers_folder_is_an_authority(names: list[str], tmp_path: Path) -> None:
    """As docker reads the folder: the names do not matter, and an authority may be replaced by a second file."""
    authorities = [trustme.CA() for _ in names]
    context = server_context(authorities[-1], "127.0.0.1")
    loopback = LoopbackServer(lambda _request: Answer(200, b"{}"), tls=context)
    folder = tmp_path / "tls" / loopback.host
    folder.mkdir(parents=True)
    for name, authority in zip(names, authorities, strict=True):
        authority.cert_pem.write_to_path(str(folder / name))
    loopback.start()
    try:
        assert server(f"https://{loopback.host}", docker=tmp_path).fetch(GUN, ROOT) == b"{}"
        (folder / names[-1]).write_text("none")
        with pytest.raises(InvalidArgument, match=f"certificate authorities: {folder / names[-1]}"):
            server(f"https://{loopback.host}", docker=tmp_path)
    finally:
        loopback.stop()


@pytest.mark.parametrize("made", ["dangling", "folder", "loop", "unlistable"])
def test_authorities_of_docker_that_cannot_be_read_are_not_replaced_by_the_systems(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder names the authorities that the user trusts for this server."""
    folder = tmp_path / "tls" / "notary.example"
    folder.mkdir(parents=True)
    match made:
        case "dangling":
            (folder / "ca.crt").symlink_to("none")
        case "folder":
            (folder / "ca.crt").mkdir()
        case "loop":
            (folder / "ca.crt").symlink_to("ca.crt")
        case _:
            listed, stat = os.listdir, Path.stat

            def denied(path: Path) -> None:
                if Path(path).is_relative_to(folder) and Path(path) != folder:
                    raise PermissionError(errno.EACCES, "Permission denied")

            def no_list(path: Path) -> list[str]:
                denied(Path(path) / "x")
                return listed(path)

            def no_stat(path: Path, **options: bool) -> os.stat_result:
                denied(path)
                return stat(path, **options)

            monkeypatch.setattr(os, "listdir", no_list)
            monkeypatch.setattr(Path, "stat", no_stat)
    with pytest.raises(InvalidArgument, match=r"certificate authorities|TLS files"):
        server("https://notary.example", docker=tmp_path)
