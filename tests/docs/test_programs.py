"""The programs in docs/examples do what their first lines say, beside registries and services that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

import imagesig
from imagesig import KeyProvider, KeyType, Policy, PublicKey, RemovalIncomplete, inspect, open_key, sign, verify
from imagesig.keys import FileProvider, KeySettings
from imagesig.testing import Answer, InMemoryRegistry, ProviderContract, Request, UriContract
from imagesig.testing.loopback_server import LoopbackServer
from tests.docs.blocks import ROOT

EXAMPLES = ROOT / "docs" / "examples"
PAGES = {
    "release.py": "howto/ci.rst",
    "gate.py": "howto/service.rst",
    "provider.py": "howto/write-a-provider.rst",
    "audit.py": "howto/fleet.rst",
    "airgap.py": "howto/air-gap.rst",
    "rotate.py": "howto/vault.rst",
}
"""The page that shows each program."""


def program(name: str) -> ModuleType:
    spec = util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_program_is_shown_on_a_page() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == PAGES.keys()
    for name, page in PAGES.items():
        assert f".. literalinclude:: ../examples/{name}" in (ROOT / "docs" / page).read_text(), page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two key pairs and a policy for the first one."""
    monkeypatch.chdir(tmp_path)
    for name in ("release", "next"):
        key = FileProvider(tmp_path).generate(f"{name}.key", KeyType.ECDSA_P256)
        (tmp_path / f"{name}.pub").write_text(key.info.public_key.pem)
    (tmp_path / "policy.toml").write_text(
        'version = 1\nauthorities.release = { key_file = "release.pub" }\n'
        'default = { require = [{ any = ["release"] }] }\n'
    )
    return tmp_path


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def images(server: InMemoryRegistry) -> list[str]:
    return [server.add_image(f"{name}:1") for name in ("a", "b", "c")]


def busy_once(repository: str) -> Any:
    """A fault: the first requests for this repository are refused for a moment."""
    left = [8]

    def fault(request: Request) -> Answer | None:
        if f"/{repository}/" in request.path and left[0]:
            left[0] -= 1
            return Answer(503)
        return None

    return fault


@pytest.mark.usefixtures("quick_retries")
def test_a_release_tries_again_and_leaves_a_trail(
    folder: Path, server: InMemoryRegistry, images: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    release = program("release")
    server.faults.append(busy_once("b"))
    outcomes = list(release.release([*images, f"{server.host}/missing:1"], "release.key", "4f2c", pause=0))

    assert sorted(str(item.image) for item in outcomes if item.ok) == sorted(images)
    assert [dict(verify(image, "release.pub").signatures[0].annotations) for image in images] == [
        {"git.sha": "4f2c"}
    ] * 3
    assert release.main("release.key", "4f2c", *images) == 0
    assert release.main("release.key", "4f2c", f"{server.host}/missing:1") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("signed", True) for line in lines] == [True, True, True, False]


# --- gate ---------------------------------------------------------------------------------------------------------


def asked(app: Any, image: str, path: str = "/admit") -> tuple[int, dict[str, Any]]:
    """The answer of the service to one request."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "query_string": f"image={image}".encode()}
    asyncio.run(app(scope, None, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.usefixtures("quick_retries")
def test_the_gate_admits_what_the_policy_accepts_and_says_why_it_does_not(
    folder: Path, server: InMemoryRegistry, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signed, unsigned, unreachable = images
    sign(signed, "release.key")
    monkeypatch.setattr("imagesig.deadlines._BACKOFF_SECONDS", 0.001)
    gate = program("gate")
    app = gate.Gate("policy.toml")
    server.faults.append(lambda request: Answer(503) if "/c/" in request.path else None)

    status, document = asked(app, signed)
    assert (status, document["verified"], document["image"]) == (200, True, signed)
    assert asked(app, unsigned)[0] == 403
    assert asked(app, unsigned)[1]["error"] == "NoSignatures"
    assert asked(app, f"{server.host}/missing:1")[0] == 404
    assert asked(app, "oci:/etc")[0] == asked(app, "UPPER")[0] == asked(app, "")[0] == 400
    assert asked(app, unreachable)[0] == 503
    assert asked(app, signed, "/elsewhere")[0] == 404

    (folder / "policy.toml").write_text('version = 1\ndefault = "reject"\n')
    assert asked(app, signed)[0] == 403
    (folder / "policy.toml").write_text("version = ")
    assert asked(app, signed)[0] == 500


# --- provider -----------------------------------------------------------------------------------------------------


class Signer(LoopbackServer):
    """The signing service: two keys, behind a token."""

    def __init__(self) -> None:
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("release", "other")}
        super().__init__(self._answer)

    def _answer(self, request: Request) -> Answer:
        if request.headers.get("x-token") != "s3cret":
            return Answer(403)
        key = self.keys.get(request.path.removeprefix("/keys/"))
        if key is None:
            return Answer(404)
        if request.method == "GET":
            return Answer(200, json.dumps({"public_key": PublicKey.from_cryptography(key.public_key()).pem}).encode())
        digest = bytes.fromhex(json.loads(request.body)["digest"])
        return Answer(200, json.dumps({"signature": key.sign(digest, ec.ECDSA(Prehashed(SHA256()))).hex()}).encode())


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    running = Signer()
    running.start()
    yield running
    running.stop()


class TestTheProvider(ProviderContract):
    key_types = (KeyType.ECDSA_P256,)
    secrets = ("s3cret",)

    @pytest.fixture
    def provider(self, signer: Signer) -> Any:
        return program("provider").ToyProvider(f"http://{signer.host}", "s3cret")

    @pytest.fixture(autouse=True)
    def service(self, signer: Signer) -> None:
        self.signer = signer

    def unreachable(self) -> Any:
        return program("provider").ToyProvider("http://127.0.0.1:1", "s3cret")

    def wrong_login(self) -> Any:
        return program("provider").ToyProvider(f"http://{self.signer.host}", "wrong")

    def make_key(self, provider: KeyProvider, key_type: KeyType) -> str:
        name = self.fresh_name(key_type)
        self.signer.keys[name] = ec.generate_private_key(ec.SECP256R1())
        return name


class TestTheFactoryOfTheProvider(UriContract):
    wrong_uris = ("toysigner://", "toysigner://a/b", "toysigner://a?b=c")
    secrets = ("s3cret",)

    def resolve(self, uri: str, settings: KeySettings) -> Any:
        return program("provider").from_uri(uri, settings)

    @pytest.fixture
    def uri(self, signer: Signer) -> str:
        self.environ = {"TOYSIGNER_ADDR": f"http://{signer.host}", "TOYSIGNER_TOKEN": "s3cret"}
        return "toysigner://release"


# --- audit, air gap, rotation ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_retries")
def test_an_audit_goes_on_where_it_stopped(folder: Path, server: InMemoryRegistry, images: list[str]) -> None:
    audit = program("audit")
    sign(images[:2], "release.key")
    server.faults.append(lambda request: Answer(503) if "/b/" in request.path else None)
    first = audit.audit(Policy.load("policy.toml"), images, folder / "results")
    server.faults.clear()
    before = server.asked()
    second = audit.audit(Policy.load("policy.toml"), images, folder / "results")

    assert first == {"verified": 1, "Unreachable": 1, "NoSignatures": 1}
    assert second == {"verified": 2, "NoSignatures": 1}
    assert server.asked() > before
    assert server.asked("GET", "/a/manifests/1") <= 2


def test_an_air_gap_is_crossed_with_signatures_and_without_what_is_not_signed(
    folder: Path, server: InMemoryRegistry, images: list[str]
) -> None:
    airgap = program("airgap")
    sign(images[:2], "release.key")
    with InMemoryRegistry() as inside:
        outside = Policy.any_of("release.pub")
        assert len(airgap.pack(outside, "images.tar", *images[:2])) == 2
        names = [
            name
            for image in images[:2]
            for name in airgap.unpack(
                Policy.any_of("release.pub", identity=image.rpartition(":")[0]), "images.tar", inside.host, image
            )
        ]
        assert [name.partition("@")[0] for name in names] == [f"{inside.host}/a", f"{inside.host}/b"]
        assert verify(names[0], Policy.any_of("release.pub", identity=images[0].rpartition(":")[0])).verified
    with pytest.raises(imagesig.NoSignatures, match="has no signature"):
        airgap.pack(outside, "unsigned.tar", images[2])


def test_a_rotation_says_what_is_left_and_is_completed_by_another_run(
    folder: Path, server: InMemoryRegistry, images: list[str]
) -> None:
    rotate = program("rotate")
    sign(images, "release.key")
    server.faults.append(lambda request: Answer(403) if request.method == "DELETE" and "/b/" in request.path else None)
    (folder / "images").write_text("\n".join(images))

    failed = rotate.rotate(images, "next.key", "release.pub")
    assert list(failed) == [images[1]]
    assert isinstance(failed[images[1]], RemovalIncomplete)
    assert rotate.main("next.key", "release.pub", "images") == 1
    server.faults.clear()
    assert rotate.main("next.key", "release.pub", "images") == 0
    new = open_key("next.key").info.public_key
    for image in images:
        assert len(inspect(image).signatures) == 2
        assert all(item.public_key == new for item in verify(image, new).signatures)
        with pytest.raises(imagesig.NoSignatureAccepted, match="none of the trusted keys"):
            verify(image, "release.pub")
