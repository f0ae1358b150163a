"""What a server says is an address that cannot be read, or a header of any kind: the image's error, nothing else."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesig import ImagesigError, Policy, SigningKey, copy, registry, sign, verify, verify_many
from imagesig.api.diagnosing import diagnose
from imagesig.errors import UnexpectedResponse, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.oci.manifest import OCI_INDEX
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.attacks.network import head_of, scripted
from tests.cli.test_commands import imagesig as command

pytestmark = pytest.mark.usefixtures("quick_retries")

LONG = "9" * 5000
NOT_FOLLOWED = (UnexpectedResponse, Unreachable)
"""The second where a header itself is no HTTP."""
ODD = {
    "an open bracket": "http://[",
    "no address": "http://[::g]/",
    "a port that is a word": "http://h:x/",
    "a port of 5,000 digits": f"http://h:{LONG}/",
    "a port above all": "http://h:65536/",
    "port 0": "http://h:0/",
    "another scheme": "gopher://h/",
    "a file": "file:///etc/passwd",
    "a script": "javascript:alert(1)",
    "no host": "http:///x",
    "nothing but slashes": "//",
    "a blank": "http://h h/",
    "a tab": "http://h/\tx",
    "a control character": "http://h/\x01",
    "no ASCII": "http://h\xe4/",
    "a digit that is none": "http://\xb9/",
    "a backslash": "http://h\\@evil/",
    "a login": "http://user:s3cret@h/",
    "8,193 characters": f"http://h/{'x' * 8193}",
}


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def signed(server: InMemoryRegistry, key: SigningKey) -> Image:
    image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    sign(image, key)
    return registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))


def only(test: Callable[[Request], bool], answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: answer if test(request) else None


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ODD.values(), ids=ODD)
def test_a_redirect_to_it_is_the_images_error(server: InMemoryRegistry, key: SigningKey, location: str) -> None:
    image = signed(server, key)
    server.faults.append(only(lambda _: True, Answer(302, headers={"location": location})))
    with pytest.raises(NOT_FOLLOWED) as refused:
        verify(image, key)
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"


@pytest.mark.parametrize("realm", ODD.values(), ids=ODD)
def test_a_token_server_at_it_is_the_images_error(server: InMemoryRegistry, key: SigningKey, realm: str) -> None:
    image = signed(server, key)
    challenge = {"www-authenticate": f'Bearer realm="{realm}",service="x"'}
    server.faults.append(only(lambda _: True, Answer(401, headers=challenge)))
    with pytest.raises(NOT_FOLLOWED) as refused:
        verify(image, key)
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"


@pytest.mark.parametrize("page", ODD.values(), ids=ODD)
def test_a_next_page_at_it_is_the_images_error(server: InMemoryRegistry, key: SigningKey, page: str) -> None:
    image = signed(server, key)
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    headers = {"content-type": OCI_INDEX, "link": f'<{page}>; rel="next"'}
    server.faults.append(only(lambda request: "/referrers/" in request.path, Answer(200, body, headers)))
    with pytest.raises(NOT_FOLLOWED):
        verify(image, Policy.any_of(key, formats=["bundle"]))


@pytest.mark.parametrize("place", ODD.values(), ids=ODD)
def test_an_upload_to_it_is_the_images_error(
    server: InMemoryRegistry, key: SigningKey, tmp_path: Path, place: str
) -> None:
    build_image(Layout.create(tmp_path / "source"), {"a": b"b"}, PLATFORMS[0], "1.0")
    server.faults.append(only(lambda request: request.method == "POST", Answer(202, headers={"location": place})))
    with pytest.raises(NOT_FOLLOWED):
        copy(f"oci:{tmp_path}/source:1.0", f"{server.host}/team/copy:1.0")


@pytest.mark.parametrize("location", ["http://[", f"http://h:{LONG}/", "gopher://h/"])
def test_the_other_images_keep_their_outcomes(server: InMemoryRegistry, key: SigningKey, location: str) -> None:
    good = signed(server, key)
    bad = Answer(302, headers={"location": location})
    server.faults.append(only(lambda request: "/bad/" in request.path, bad))
    outcomes = list(verify_many([f"{server.host}/team/bad/x:1.0", good], key, in_order=True))
    assert [type(outcome.error) for outcome in outcomes] == [UnexpectedResponse, type(None)]


def test_the_command_ends_with_an_error_and_the_results_of_the_others(
    server: InMemoryRegistry, key: SigningKey, tmp_path: Path
) -> None:
    digest = verify(signed(server, key), key).digest
    server.faults.append(
        only(lambda request: "/bad/" in request.path, Answer(302, headers={"location": f"http://h:{LONG}/"}))
    )
    public = tmp_path / "k.pub"
    public.write_text(key.public_keys[0].pem)
    done = command("verify", "--key", str(public), f"{server.host}/team/bad/x:1.0", f"{server.host}/team/app:1.0")
    assert "Traceback" not in done.stderr
    assert (done.returncode, digest in done.stdout) == (1, True)


def test_doctor_reports_a_registry_whose_addresses_cannot_be_read(server: InMemoryRegistry, key: SigningKey) -> None:
    image = signed(server, key)
    server.faults.append(only(lambda r: r.method == "POST", Answer(202, headers={"location": "http://["})))
    assert list(diagnose(image=image))


def test_a_registry_with_an_invalid_port_cannot_be_reached(key: SigningKey, tmp_path: Path) -> None:
    public = tmp_path / "k.pub"
    public.write_text(key.public_keys[0].pem)
    for port in ("99999", LONG[:200], "0"):
        done = command("verify", "--key", str(public), f"localhost:{port}/app:1.0")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)


# --- headers and status lines -----------------------------------------------------------------------------------------

HEADERS = {
    "a length of 5,000 digits": f"content-length: {LONG}",
    "a negative length": "content-length: -1",
    "a length in other digits": "content-length: \xb2",
    "a length with a sign": "content-length: +2",
    "an empty length": "content-length:",
    "an empty name": ": x",
    "a name with a control character": "x\x01: y",
    "a name with a blank": "x y: z",
    "a value with a NUL": "x: \0",
    "a value of bytes": "content-type: \xff\xfe",
    "an unknown coding": "transfer-encoding: gzip, x",
    "a charset that is none": "content-type: text/plain; charset=\xff",
}
STATUS = ["HTTP/1.1 000 x", "HTTP/1.1 99 x", "HTTP/1.1 1000 x", "HTTP/1.1 999", "HTTP/9.9 200 OK", "HTTP/1.1 -200 OK"]
STATUS += ["HTTP/1.1 2\xb20 OK", "HTTP/1.1  200 OK", "ICY 200 OK", "HTTP/1.1", "\0", f"HTTP/1.1 {LONG} OK"]


def saying(answer: str) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(answer.encode("latin-1"))

    return serve


@pytest.mark.parametrize("through", ["directly", "through a proxy"])
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_of_any_kind_ends_in_our_error(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, header: str, through: str
) -> None:
    _asked(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n{{}}", through, key, monkeypatch)


@pytest.mark.parametrize("through", ["directly", "through a proxy"])
@pytest.mark.parametrize("line", STATUS)
def test_a_status_line_of_any_kind_ends_in_our_error(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, line: str, through: str
) -> None:
    _asked(f"{line}\r\ncontent-length: 0\r\n\r\n", through, key, monkeypatch)


RETRY = [LONG, "inf", "nan", "-1", "1e9", "\xb2", "0x10", "1.5", " ", "Mon, 01 Jan 0001 00:00:00 +2359"]
RETRY += ["Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 10000 00:00:00 GMT", f"Mon, 01 Jan {LONG} 00:00:00 GMT"]
RETRY += ["Mon, 99 Foo 2020 99:99:99 GMT", "1 1 1 1 1", "Mon,", ",", f"1 Jan 2020 00:00:00 +{LONG}", "0"]


@pytest.mark.parametrize("through", ["directly", "through a proxy"])
@pytest.mark.parametrize("value", RETRY)
def test_a_pause_of_any_kind_ends_in_our_error(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, value: str, through: str
) -> None:
    monkeypatch.setattr("imagesig.limits.RETRY_AFTER_SECONDS", 0.001)
    _asked(f"HTTP/1.1 429 x\r\nretry-after: {value}\r\ncontent-length: 0\r\n\r\n", through, key, monkeypatch)


@pytest.mark.parametrize("value", RETRY)
def test_doctor_reads_a_date_of_any_kind(server: InMemoryRegistry, key: SigningKey, value: str) -> None:
    image = signed(server, key)
    server.faults.append(only(lambda _: True, Answer(200, b"{}", headers={"date": value})))
    assert list(diagnose(image=image))


def _asked(answer: str, through: str, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(saying(answer)) as place:
        name = place
        if through == "through a proxy":
            monkeypatch.setenv("HTTP_PROXY", f"http://{place}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            name = "registry.example"
        with pytest.raises(ImagesigError):
            verify(registry(f"{name}/team/app:1.0", plain_http=True, credentials=("", ""), timeout=5), key)
