"""Certificates that a user names as authorities: each is an anchor, as for Go's clients, in every Python."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from imagesig.http.tls_files import client_context
from imagesig.testing import Answer, InMemoryRegistry
from tests.commands import run_here
from tests.interop.tools import Tools
from tests.tls import tls_front, trusted

pytestmark = pytest.mark.usefixtures("no_proxies")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_empty_variable_leaves_the_authorities_of_the_system(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go's clients read it so. CI systems set a variable that has no value to the empty string."""
    authority = trustme.CA()
    file = trusted(authority, tmp_path)
    hashed = subprocess.run(["openssl", "x509", "-noout", "-hash", "-in", file], capture_output=True, check=True)
    (tmp_path / f"{hashed.stdout.decode().strip()}.0").symlink_to(file)
    places = {"file": (str(file), "/nonexistent"), "folder": ("/nonexistent", str(tmp_path))}[kind]
    own = ssl.get_default_verify_paths()._replace(openssl_cafile=places[0], openssl_capath=places[1])
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: own)
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("SSL_CERT_DIR", "")
    with InMemoryRegistry() as server, tls_front(server.host, authority) as front:
        server.add_image()
        done = run_here("inspect", f"{front.host}/app:1")
    assert done.exit_code == 0, done.output


def test_an_intermediate_authority_alone_is_trusted_as_by_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trustme.CA()
    issuing = root.create_child_ca()
    with InMemoryRegistry() as server, tls_front(server.host, issuing) as front:
        server.add_image()
        for authority in (root, issuing):
            done = run_here("inspect", "--registry-ca", trusted(authority, tmp_path), f"{front.host}/app:1")
            assert done.exit_code == 0, done.output
        doctor = run_here("doctor", "--registry-ca", trusted(issuing, tmp_path), f"{front.host}/app:1")
        assert "not trusted" not in doctor.output
        other = run_here("inspect", "--registry-ca", trusted(trustme.CA(), tmp_path), f"{front.host}/app:1")
        assert other.exit_code == 1
        assert "certificate verify failed" in other.stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted(issuing, tmp_path)))
        assert run_here("inspect", f"{front.host}/app:1").exit_code == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted(trustme.CA(), tmp_path)))
        assert run_here("inspect", f"{front.host}/app:1").exit_code == 1


def test_a_private_authority_needs_no_more_in_a_new_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_in_3_13(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.verify_flags |= ssl.VERIFY_X509_STRICT
        return made

    monkeypatch.setattr("ssl.create_default_context", as_in_3_13)
    assert not client_context().verify_flags & ssl.VERIFY_X509_STRICT


def test_certificates_and_host_names_are_checked() -> None:
    context = client_context(cadata=trustme.CA().cert_pem.bytes().decode())
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_the_common_name_of_a_certificate_is_no_host_as_for_go(tmp_path: Path) -> None:
    """Authorities check the hosts in subjectAltName; a common name may be any text, such as that of a person."""
    authority = trustme.CA()
    with (
        InMemoryRegistry() as server,
        tls_front(server.host, authority, "me@example.org", name="localhost", common_name="localhost") as front,
    ):
        server.add_image()
        done = run_here("inspect", "--registry-ca", trusted(authority, tmp_path), f"{front.host}/app:1")
        assert done.exit_code == 1
        assert "certificate verify failed" in done.stderr
        assert not server.requests


@pytest.mark.interop
def test_cosign_takes_no_common_name_for_a_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    for name, is_trusted in (("localhost", True), ("me@example.org", False)):
        with (
            InMemoryRegistry() as server,
            tls_front(server.host, authority, name, name="localhost", common_name="localhost") as front,
        ):
            server.faults.append(lambda request: Answer(200, b"{}") if request.path == "/v2/" else None)
            server.add_image()
            tools = Tools(tmp_path, {"SSL_CERT_FILE": str(trusted(authority, tmp_path))})
            assert tools.run("cosign3", "tree", f"{front.host}/app:1").ok is is_trusted


@pytest.mark.interop
def test_cosign_trusts_an_intermediate_authority_alone(tmp_path: Path) -> None:
    issuing = trustme.CA().create_child_ca()
    with InMemoryRegistry() as server, tls_front(server.host, issuing) as front:
        server.faults.append(lambda request: Answer(200, b"{}") if request.path == "/v2/" else None)
        server.add_image()
        for authority, is_trusted in ((issuing, True), (trustme.CA(), False)):
            tools = Tools(tmp_path, {"SSL_CERT_FILE": str(trusted(authority, tmp_path))})
            assert tools.run("cosign3", "tree", f"{front.host}/app:1").ok is is_trusted
