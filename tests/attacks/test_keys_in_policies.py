"""A private key in a policy file: refused, and shown in no message, wherever it stands."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.attacks.test_keys_as_names import BODY, PEM, assert_silent
from tests.commands import run

TEXTS = {"PEM": PEM, "base64": BODY, "path": f"/keys/{BODY}", "variable": f"env://{PEM}", "uri": f"hashivault://{BODY}"}
PLACES = {
    "key_pem": '[authorities.a]\nkey_pem = {}\n[default]\nrequire = [{ any = ["a"] }]\n',
    "key_file": '[authorities.a]\nkey_file = {}\n[default]\nrequire = [{ any = ["a"] }]\n',
    "key_uri": '[authorities.a]\nkey_uri = {}\n[default]\nrequire = [{ any = ["a"] }]\n',
    "ca_pem": '[authorities.a]\nca_pem = {}\n[default]\nrequire = [{ any = ["a"] }]\n',
    "ca_file": '[authorities.a]\nca_file = {}\n[default]\nrequire = [{ any = ["a"] }]\n',
    "fingerprint": '[authorities.a]\nkey_file = "a"\nfingerprint = {}\n[default]\nrequire = [{ any = ["a"] }]\n',
    "name": '[authorities.{}]\nkey_file = "a"\n[default]\nrequire = [{ any = ["a"] }]\n',
    "member": '[authorities.a]\n{} = 1\n[default]\nrequire = "reject"\n',
    "any": "[default]\nrequire = [{ any = [{}] }]\n",
    "require": "[default]\nrequire = {}\n",
    "scope": '[[rules]]\nscope = {}\nrequire = "reject"\n[default]\nrequire = "reject"\n',
}
CONTAINERS = ("keyData", "keyPath", "keyDatas", "type")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("policies")
    build_image(Layout.create(place / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    return place


def _tell(folder: Path, file: str, *more: str) -> None:
    for command in (
        ("policy", "check"),
        ("policy", "check", "--open-keys", "--output", "json"),
        ("verify", "--policy"),
    ):
        images = ("oci:image:1.0",) if command[0] == "verify" else ()
        done = run(*command, file, *more, *images, cwd=folder)
        assert_silent(done.stdout.decode(), done.stderr.decode())
        assert b"Traceback" not in done.stderr
        assert b"internal error" not in done.stderr, done.stderr


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("document", PLACES.values(), ids=PLACES)
def test_a_key_in_a_policy_is_not_shown(folder: Path, document: str, text: str) -> None:
    (folder / "policy.toml").write_text("version = 1\n" + document.replace("{}", json.dumps(text)))
    _tell(folder, "policy.toml")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("member", CONTAINERS)
def test_a_key_in_a_policy_of_podman_is_not_shown(folder: Path, member: str, text: str) -> None:
    requirement: dict[str, object] = {"type": "sigstoreSigned", "keyPath": "nowhere.pub"}
    if member.startswith("key"):
        del requirement["keyPath"]
    data = base64.b64encode(text.encode()).decode() if member.startswith("keyData") else text
    requirement[member] = [data] if member.endswith("s") else data
    document = {"default": [requirement], "transports": {"docker": {"registry.example/a": [requirement]}}}
    (folder / "policy.json").write_text(json.dumps(document))
    _tell(folder, "policy.json", "--policy-from", "containers")
