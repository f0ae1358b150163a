"""Secrets that were planted, and everything that each command writes or hands on searched for them.

The servers here are hostile: whatever they are sent, they send back as the text of an error.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from msgspec import Struct

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.testing import InMemoryRegistry
from imagesig.testing.loopback_server import ThreadedServer
from tests.makers import private_key
from tests.plugins.programs import executable

ROOT = str(Path(__file__).parents[2])
_RUN = (
    "import logging, sys; sys.argv[0] = 'imagesig'; "
    "logging.basicConfig(level=logging.DEBUG, filename='debug.log', encoding='utf-8'); "
    "from imagesig.cli.main import main; main()"
)
PEM = private_key(number=7).to_pem(None).decode()
CANARIES = {
    "PIN": "pin-K4narie/+%'\"\u00e9",
    "passphrase": "passphrase K4narie/+%'\"\u00e9",
    "Vault token": "hvs.K4narieVaultToken0123456789",
    "AWS secret key": "K4narieAWS/secretKey+0123456789abcdefghi",
    "registry password": "registry-K4narie/#+%'\"\u00e9",
    "helper's password": "helper-K4narie/#+%'\"",
    "proxy password": "proxy-K4narie/#+%'\"",
    "private key": "".join(PEM.splitlines()[1:-1])[40:100],
}
PLACES = {
    "home/.docker/config.json": "the credential file",
    "passphrase": "the file of --passphrase-file",
    "bin/docker-credential-canary": "the helper that knows the password",
}
"""Files that hold a canary because they must."""
HANDED_ON = {
    ("helper", "AWS secret key"): "docker-credential-ecr-login logs in with it",
    ("helper", "proxy password"): "helpers reach their services through the proxy",
    ("helper", "private key"): "a variable of any name: nobody knows that it holds a key",
}
"""Canaries in the environment of a child that must be there. Key plugins get none."""


class Rig(Struct, frozen=True):
    folder: Path
    environ: dict[str, str]
    echo: str
    registry: str


class _Echo(BaseHTTPRequestHandler):
    """Answers everything with an error that says what was asked."""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        said = f"{self.rfile.read(length).decode('utf-8', 'replace')} {self.requestline} {dict(self.headers)}"
        header = self.headers.get("Authorization", "") + self.headers.get("Proxy-Authorization", "")
        if header.startswith("Basic "):
            said = f"{base64.b64decode(header.removeprefix('Basic ')).decode('utf-8', 'replace')} {header} {said}"
        said = f"{self.headers.get('X-Vault-Token', '')} {said}"  # first: long texts are cut
        body = json.dumps({"errors": [said] if "/v1/" in self.path else [{"code": "DENIED", "message": said}]}).encode()
        self.send_response(401 if "/v2/" in self.path and not header else 400)
        if "/v2/" in self.path and not header:
            self.send_header("WWW-Authenticate", 'Basic realm="echo"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_LIST = do_CONNECT = answer

    def log_message(self, *_: object) -> None:
        """Quiet."""


_RECORDER = (
    "import json, os, pathlib, sys\n"
    "place = pathlib.Path(__file__).resolve().parents[1] / 'records' / {name!r}\n"
    "with place.open('a') as f:\n"
    "    f.write(json.dumps([sys.argv, dict(os.environ)], ensure_ascii=False) + chr(10))\n"
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("canaries")
    for name in ("home/.docker", "bin", "records", "tmp"):
        (folder / name).mkdir(parents=True)
    build_image(Layout.create(folder / "image"), {"a": b"b"}, PLATFORMS[0], "1")
    (folder / "release.key").write_bytes(private_key().to_pem(CANARIES["passphrase"]))
    (folder / "release.key").chmod(0o600)
    (folder / "release.pub").write_text(private_key().public_key.pem)
    (folder / "passphrase").write_text(CANARIES["passphrase"])
    (folder / "policy.toml").write_text(
        'version = 1\n[authorities.a]\nkey_uri = "hashivault://a"\n[default]\nrequire = [{ any = ["a"] }]\n'
    )
    helper = json.dumps({"Username": "user", "Secret": CANARIES["helper's password"]})
    executable(folder / "bin/docker-credential-canary", _RECORDER.format(name="helper") + f"print({helper!r})\n")
    executable(
        folder / "bin/sigstore-kms-canary",
        _RECORDER.format(name="plugin") + "sys.stderr.write('K4narie? ' + repr(dict(os.environ)))\nsys.exit(1)\n",
    )
    server = ThreadedServer(("127.0.0.1", 0), _Echo)
    server.start()
    echo = f"127.0.0.1:{server.server_port}"
    login = ("user", CANARIES["registry password"])
    with InMemoryRegistry(basic=login) as memory:
        reference = f"{memory.host}/team/app:1"
        build_image(registry(reference, credentials=login).home, {"a": b"b"}, PLATFORMS[0], "1")
        auth = base64.b64encode(f"user:{CANARIES['registry password']}".encode()).decode()
        (folder / "home/.docker/config.json").write_text(
            json.dumps(
                {
                    "auths": {memory.host: {"auth": auth}, echo: {"auth": auth}, "registry.example": {"auth": auth}},
                    "credHelpers": {"helped.example": "canary", f"localhost:{server.server_port}": "canary"},
                }
            )
        )
        proxy = f"http://user:{quote(CANARIES['proxy password'], safe='')}@{echo}"
        environ = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": ROOT,
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "IMAGESIG_PASSPHRASE": CANARIES["passphrase"],
            "IMAGESIG_PKCS11_PIN": CANARIES["PIN"],
            "VAULT_ADDR": f"http://{echo}",
            "VAULT_TOKEN": CANARIES["Vault token"],
            "AWS_ACCESS_KEY_ID": "AKIAK4NARIE",
            "AWS_SECRET_ACCESS_KEY": CANARIES["AWS secret key"],
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": f"http://{echo}",
            "AWS_MAX_ATTEMPTS": "1",
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "RELEASE_KEY": PEM,
        }
        yield Rig(folder, environ, echo, reference)
    server.stop()


COMMANDS = (
    "sign --key release.key oci:image:1",
    "sign --key release.key --passphrase-file passphrase oci:image:1 --output json",
    "sign --key env://RELEASE_KEY oci:image:1",
    "sign --key {PEM} oci:image:1",
    "sign --key release.key {PEM}",
    "sign --key release.key {registry}",
    "sign --key release.key {echo}/team/app:1",
    "sign --key release.key registry.example/team/app:1",
    "sign --key release.key helped.example/team/app:1",
    "sign --key hashivault://release oci:image:1",
    "sign --key awskms:///alias/release oci:image:1",
    "sign --key pkcs11:token=a;object=b?module-path=/nowhere.so oci:image:1",
    "sign --key sigstore-kms://canary/release oci:image:1",
    "sign --key notation-plugin://canary/release oci:image:1",
    "verify --key release.pub oci:image:1",
    "verify --key release.pub {registry}",
    "verify --key release.pub {registry} {echo}/a:1 helped.example/a:1 {PEM} --output json",
    "verify --key release.pub {registry} {echo}/a:1 {PEM} --output sarif",
    "verify --key release.pub {echo}/a:1 {PEM} --output junit",
    "verify --key release.pub https://user:{password}@{echo}/a:1",
    "verify --key hashivault://release oci:image:1",
    "verify --key awskms:///alias/release oci:image:1",
    "verify --key env://RELEASE_KEY oci:image:1",
    "verify --key {PEM} oci:image:1",
    "verify --policy policy.toml oci:image:1",
    "verify --policy {PEM} oci:image:1",
    "verify --key release.pub localhost:{port}/a:1",
    "inspect oci:image:1",
    "inspect {registry}",
    "inspect {echo}/a:1",
    "inspect {PEM}",
    "copy oci:image:1 {registry}-2",
    "copy {registry} oci:copied",
    "copy oci:image:1 {echo}/a:1",
    "copy {echo}/a:1 oci:never",
    "copy oci:image:1 {PEM}",
    "remove --all {echo}/a:1",
    "remove --key release.pub {registry}",
    "remove --key {PEM} oci:image:1",
    "doctor",
    "doctor release.key {registry}",
    "doctor hashivault://release {echo}/a:1",
    "doctor awskms:///alias/release",
    "doctor pkcs11:token=a",
    "doctor env://RELEASE_KEY helped.example/a:1",
    "doctor {PEM}",
    "doctor release.key {registry} --output json",
    "doctor hashivault://release registry.example/team/app:1 --output json",
    "doctor awskms:///alias/release localhost:{port}/a:1 --output json",
    "key generate new.key",
    "key generate hashivault://new",
    "key generate awskms:///new",
    "key list .",
    "key list hashivault://",
    "key list awskms:///",
    "key list pkcs11:",
    "key check release.key --output json",
    "key check env://RELEASE_KEY",
    "key check hashivault://release",
    "key check awskms:///alias/release",
    "key export env://RELEASE_KEY",
    "key export hashivault://release --all-versions",
    "key csr release.key --subject CN=a",
    "key csr {PEM} --subject CN=a",
    "key self-sign env://RELEASE_KEY --subject CN=a",
    "policy check policy.toml",
    "policy check policy.toml --open-keys",
    "policy explain policy.toml oci:image:1",
    "policy explain policy.toml {echo}/a:1",
    "policy import home/.docker/config.json",
    "demo",
    "completion bash",
    "--help",
    "{PEM}",
)


def forms(secret: str) -> set[str]:
    """What a secret may look like where it leaks."""
    raw = secret.encode()
    inner = {base64.b64encode(b"\0" * pad + raw).decode()[(4 * pad + 2) // 3 : -4] for pad in range(3)}
    urls = {text.replace("+", "-").replace("/", "_") for text in inner}
    written = {repr(secret)[1:-1], json.dumps(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1]}
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret[:-6], *inner, *urls, *written}


FORMS = {name: forms(secret) for name, secret in CANARIES.items()}


def found_in(text: str) -> list[str]:
    flat = text.replace("\\n", "").replace("\n", "")
    return [name for name, shapes in FORMS.items() if any(shape in text or shape in flat for shape in shapes)]


def run(rig: Rig, command: str) -> subprocess.CompletedProcess[bytes]:
    words = []
    for word in command.split():
        word = word.replace("{PEM}", PEM).replace("{echo}", rig.echo).replace("{registry}", rig.registry)
        word = word.replace("{port}", rig.echo.partition(":")[2])
        words.append(word.replace("{password}", CANARIES["registry password"]))
    for record in (rig.folder / "records").iterdir():
        record.unlink()
    return subprocess.run(
        [sys.executable, "-c", _RUN, *words],
        env=rig.environ,
        cwd=rig.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_a_secret(rig: Rig, command: str) -> None:
    done = run(rig, command)
    assert not found_in(done.stdout.decode()), done.stdout.decode()
    assert not found_in(done.stderr.decode()), done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr, done.stderr
    log = rig.folder / "debug.log"
    if log.exists():
        assert not found_in(log.read_text("utf-8")), log.read_text("utf-8")
        log.unlink()
    for file in (path for path in rig.folder.rglob("*") if path.is_file()):
        place = str(file.relative_to(rig.folder))
        if place not in PLACES and not place.startswith("records/"):
            assert not found_in(file.read_bytes().decode("latin-1")), place
            assert not found_in(file.read_bytes().decode("utf-8", "replace")), place
    for record in (rig.folder / "records").iterdir():
        for line in record.read_text("utf-8").splitlines():
            argv, environ = json.loads(line)
            assert not found_in(json.dumps(argv, ensure_ascii=False))
            handed = {(record.name, name) for name in found_in(json.dumps(environ, ensure_ascii=False))}
            assert not handed - HANDED_ON.keys(), handed - HANDED_ON.keys()


def test_the_search_finds_what_it_looks_for() -> None:
    for name, secret in CANARIES.items():
        for text in (
            secret,
            f"x{quote(secret, safe='')}y",
            base64.b64encode(f"user:{secret}".encode()).decode(),
            repr([secret]),
        ):
            assert name in found_in(text), (name, text)


def test_the_children_ran(rig: Rig) -> None:
    run(rig, "sign --key sigstore-kms://canary/release oci:image:1")
    assert [path.name for path in (rig.folder / "records").iterdir()] == ["plugin"]
    run(rig, f"inspect localhost:{rig.echo.partition(':')[2]}/a:1")
    assert {path.name for path in (rig.folder / "records").iterdir()} == {"helper"}
