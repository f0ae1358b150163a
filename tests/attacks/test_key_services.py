"""4e, 6b and 6d for key services and plugins: drips end at the deadline, addresses and proxy passwords stay at home."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trustme

from imagesig import open_key
from imagesig.deadlines import deadline
from imagesig.errors import DeadlineExceeded, ImagesigError, InvalidArgument, KeyProviderUnavailable
from imagesig.keys import KeySettings
from imagesig.keys.awskms.provider import AwsKmsProvider
from imagesig.keys.plugin.process import plugin_environ
from imagesig.keys.vault.connection import VaultConnection
from imagesig.testing.connections import served_by
from tests.makers import private_key
from tests.tls import server_context

PARENT = Path(__file__).parents[2]
KEY = "awskms:///arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECONDS = 2.0
Serve = Callable[[socket.socket], None]


def drip(connection: socket.socket, data: bytes) -> None:
    for number in range(len(data)):
        connection.sendall(data[number : number + 1])
        time.sleep(0.3)


def read_request(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.recv(65536)


def dripping_headers(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"HTTP/1.1 200 OK\r\n" + b"X-Drip: " + b"x" * 1000)


def dripping_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
    drip(connection, b" " * 1000)


def dripping_chunks(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    drip(connection, b"1;" + b"x" * 1000)


def dripping_interim_answers(connection: socket.socket) -> None:
    read_request(connection)
    for _ in range(100):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.3)


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def asking_for_patience(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 503 Busy\r\nretry-after: 25\r\ncontent-length: 2\r\n\r\n{}")


def dripping_handshake(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"\x16\x03\x03\x10\x00\x02" + b"\x00" * 1000)


@pytest.fixture
def listen() -> Iterator[Callable[[Serve], int]]:
    with ExitStack() as stack:
        yield lambda serve: int(stack.enter_context(served_by(serve)).rpartition(":")[2])


DRIPS = [dripping_headers, dripping_body, dripping_chunks, dripping_interim_answers, silent, asking_for_patience]


@pytest.mark.parametrize("serve", [*DRIPS, dripping_handshake])
@pytest.mark.parametrize("home", ["hashivault://app", KEY])
def test_a_key_service_that_drips_ends_at_the_deadline(
    serve: Serve, home: str, listen: Callable[[Serve], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = "https" if serve is dripping_handshake else "http"
    address = f"{scheme}://127.0.0.1:{listen(serve)}"
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    settings = KeySettings({"VAULT_ADDR": address, "VAULT_TOKEN": "t"}, timeout=SECONDS)

    start = time.monotonic()
    with pytest.raises((DeadlineExceeded, KeyProviderUnavailable)):
        open_key(home, settings=settings)
    assert time.monotonic() - start < SECONDS + 4


def test_a_service_of_credentials_that_drips_ends_at_the_deadline(
    listen: Callable[[Serve], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{listen(dripping_body)}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    start = time.monotonic()
    with pytest.raises(ImagesigError):
        open_key(KEY, settings=KeySettings({}, timeout=SECONDS))
    assert time.monotonic() - start < SECONDS + 4


def test_the_commands_timeout_holds_for_the_key(listen: Callable[[Serve], int], tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PARENT), "VAULT_TOKEN": "t"}
    environ["VAULT_ADDR"] = f"http://127.0.0.1:{listen(dripping_body)}"
    for command in (["sign", "oci:none:1", "--key"], ["verify", "oci:none:1", "--key"], ["doctor"]):
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "imagesig", *command, "hashivault://app", "--timeout", "2"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert time.monotonic() - start < 40  # the answer takes five minutes


def test_a_plugin_that_drips_ends_at_the_deadline(tmp_path: Path) -> None:
    program = tmp_path / "sigstore-kms-slow"
    program.write_text("#!/bin/sh\nwhile true; do printf ' '; sleep 0.2; done\n")
    program.chmod(0o755)
    start = time.monotonic()
    with deadline(SECONDS), pytest.raises(KeyProviderUnavailable):
        open_key("sigstore-kms://slow/key", settings=KeySettings({"PATH": f"{tmp_path}:{os.environ['PATH']}"}))
    assert time.monotonic() - start < SECONDS + 4


def test_a_call_still_under_way_does_not_hold_up_the_process(listen: Callable[[Serve], int]) -> None:
    code = (
        "from imagesig import open_key; from imagesig.keys import KeySettings; import sys\n"
        "try: open_key('hashivault://app', settings=KeySettings({'VAULT_ADDR': sys.argv[1], 'VAULT_TOKEN': 't'},"
        " timeout=1))\nexcept Exception as error: print(type(error).__name__)"
    )
    start = time.monotonic()
    command = [sys.executable, "-c", code, f"http://127.0.0.1:{listen(silent)}"]
    done = subprocess.run(command, env={"PYTHONPATH": str(PARENT)}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "DeadlineExceeded", done.stderr
    assert time.monotonic() - start < 10


NOT_LOOPBACK = [
    "127.example.com",
    "127.0.0.1.example.com",
    "127.0.0.1.nip.io",
    "localhost.example.com",
    "128.0.0.1",
    "0.0.0.0",
    "[::2]",
    "vault",
]


@pytest.mark.parametrize("host", NOT_LOOPBACK)
def test_plain_http_goes_to_loopback_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="unencrypted"):
        VaultConnection(f"http://{host}:8200")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://{host}:8200")
    with pytest.raises(InvalidArgument, match=r"AWS_ENDPOINT_URL_KMS.*unencrypted"):
        open_key(KEY, settings=KeySettings({}))


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "127.0.0.1\u3002evil", "127.0.0.1@evil.example"])
def test_a_host_that_parsers_read_differently_is_refused(host: str) -> None:
    with pytest.raises(InvalidArgument):
        VaultConnection(f"http://{host}:8200")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]"])
def test_plain_http_goes_to_loopback(host: str) -> None:
    assert VaultConnection(f"http://{host}:8200").address
    AwsKmsProvider(endpoint=f"http://{host}:8200", region="eu-central-1").close()


def test_plain_http_goes_elsewhere_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert VaultConnection("http://vault.example:8200", plain_http=True).address
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://kms.invalid:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(KeyProviderUnavailable):
        open_key(KEY, settings=KeySettings({"IMAGESIG_AWS_PLAIN_HTTP": "1"}))


PASSWORDS = ["s3cret", "s3/cret", "s3#cret", "s3?cret", "s3@cret", "s3:cret", "s3%2Fcret", "s3cret/#@?"]
VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["http://", "https://", "socks5h://", ""])
def test_a_plugin_gets_the_proxy_without_its_user_and_password(password: str, scheme: str) -> None:
    environ = dict.fromkeys(VARIABLES, f"{scheme}user:{password}@proxy.example:3128") | {"NO_PROXY": "a,b@c"}

    seen = plugin_environ(environ)

    assert seen == dict.fromkeys(VARIABLES, f"{scheme}proxy.example:3128") | {"NO_PROXY": "a,b@c"}


def test_a_plugin_gets_the_proxys_password_where_the_variable_is_named_for_it() -> None:
    value = "http://user:s3cret@proxy.example:3128"
    environ = {"HTTP_PROXY": value, "HTTPS_PROXY": value, "https_proxy": value}

    seen = plugin_environ({**environ, "IMAGESIG_PLUGIN_ENV": "HTTPS_PROXY,https*"})

    assert seen == {"HTTP_PROXY": "http://proxy.example:3128", "HTTPS_PROXY": value, "https_proxy": value}


def test_a_plugin_that_runs_sees_no_proxy_password(tmp_path: Path) -> None:
    program = tmp_path / "sigstore-kms-env"
    program.write_text(f'#!/bin/sh\nenv > "{tmp_path}/seen"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HTTPS_PROXY": "http://user:s3/cr#et@proxy.example:3128"}
    with pytest.raises(ImagesigError):
        open_key("sigstore-kms://env/key", settings=KeySettings(environ))

    seen = (tmp_path / "seen").read_text()
    assert "HTTPS_PROXY=http://proxy.example:3128\n" in seen
    assert "s3" not in seen


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"type": ["ecdsa-p256"], "keys": {"1": {"public_key": "x"}}}},
        {"data": {"type": "ecdsa-p256", "keys": {"1": {"public_key": "x"}}, "min_decryption_version": "x"}},
        {"data": {"type": "ecdsa-p256", "keys": {"9" * 5000: {"public_key": "x"}}}},
        {"data": {"type": "ecdsa-p256", "keys": {"1": {"public_key": 1}}}},
        {"data": [1]},
        [1],
        "x",
        1,
        None,
    ],
)
def test_an_answer_of_another_shape_is_an_error_of_the_key_service(
    answer: object, listen: Callable[[Serve], int]
) -> None:
    body = json.dumps(answer).encode()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)

    settings = KeySettings({"VAULT_ADDR": f"http://127.0.0.1:{listen(serve)}", "VAULT_TOKEN": "t"})
    with pytest.raises(ImagesigError) as failed:
        open_key("hashivault://app", settings=settings)
    assert type(failed.value).__name__ in ("KeyProviderError", "KeyUnusable"), repr(failed.value)


def test_deeply_nested_json_is_an_error_of_the_key_service(listen: Callable[[Serve], int]) -> None:
    body = b"[" * 100_000

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    settings = KeySettings({"VAULT_ADDR": f"http://127.0.0.1:{listen(serve)}", "VAULT_TOKEN": "t"})
    with pytest.raises(ImagesigError, match="not JSON"):
        open_key("hashivault://app", settings=settings)


def test_tls_works_with_reads_that_end_in_time(listen: Callable[[Serve], int], tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = server_context(authority, "127.0.0.1")
    keys = {"1": {"public_key": private_key().public_key.pem}}
    body = json.dumps({"data": {"type": "ecdsa-p256", "keys": keys}}).encode()

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
            secure.sendall(body)

    address = f"https://127.0.0.1:{listen(serve)}"
    environ = {"VAULT_ADDR": address, "VAULT_TOKEN": "t", "VAULT_CACERT": str(tmp_path / "ca.pem")}
    with open_key("hashivault://app", settings=KeySettings(environ)) as key:
        assert key.info.public_key == private_key().public_key
