"""`diagnose`: what it finds about keys and registries, and that it leaves nothing behind."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest

from imagesig import diagnose, sign
from imagesig.api.doctor.diagnosis import State
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.makers import NOW


def seen(key: str = "", image: str = "") -> dict[str, tuple[State, str]]:
    """The last diagnosis of each area."""
    return {item.area: (item.state, item.detail) for item in diagnose(key, image)}


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def image(server: InMemoryRegistry) -> str:
    name = f"{server.host}/team/app:1.0"
    build_image(registry(name).home, {"a": b"b"}, PLATFORMS[0], "1.0")
    return name


def test_the_installation_is_described_without_key_and_image() -> None:
    assert {"imagesig", "packages", "extra pkcs11", "extra vault", "extra aws"} <= seen().keys()


def test_every_dependency_and_every_extra_is_named() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = seen()

    required = {re.split(r"[^\w-]", item)[0] for item in project["dependencies"]}
    assert {item.split()[0] for item in found["packages"][1].split(", ")} == required
    extras = {step.removeprefix("extra ") for step in found if step.startswith("extra ")}
    assert extras == project["optional-dependencies"].keys()


def test_a_key_that_works_signs_a_test_message(tmp_path: Path) -> None:
    FileProvider(tmp_path).generate("a.key", KeyType.ED25519)
    assert seen(str(tmp_path / "a.key"))["signing"] == (State.OK, "signed and verified a test message")


def test_a_missing_key_is_a_diagnosis(tmp_path: Path) -> None:
    found = seen(str(tmp_path / "missing.key"))
    assert found["public key"][0] is State.FAILED
    assert found["signing"] == (State.NOTE, "fails as the step public key does")
    assert seen("nosuch://key")["key"][0] is State.FAILED


def test_the_keys_of_a_folder_are_listed(tmp_path: Path) -> None:
    FileProvider(tmp_path).generate("a.key", KeyType.ECDSA_P256)
    assert "ecdsa-p256" in seen(str(tmp_path))["key"][1]


def test_probing_a_registry_leaves_nothing_behind(server: InMemoryRegistry, image: str) -> None:
    before = len(server.requests)

    found = seen(image=image)

    assert found["referrers"] == (State.OK, "the registry has the API")
    assert found["login"] == (State.NOTE, "as anonymous (no credentials found)")
    assert found["signatures"] == (State.NOTE, "0 stored (none), not verified")
    written = [item for item in server.requests[before:] if item.method in ("PUT", "PATCH")]
    assert written == []


def test_a_wrong_clock_is_a_failure(server: InMemoryRegistry, image: str) -> None:
    def years_ago(request: Request) -> Answer | None:
        if request.path == "/v2/":
            return Answer(200, headers={"date": format_datetime(NOW.replace(year=2020), usegmt=True)})
        return None

    server.faults.append(years_ago)
    assert seen(image=image)["clock"][0] is State.FAILED


def test_a_missing_permission_differs_from_an_operation_that_the_registry_lacks(
    server: InMemoryRegistry, image: str
) -> None:
    def refuse(request: Request) -> Answer | None:
        return {"POST": Answer(403), "DELETE": Answer(405)}.get(request.method)

    server.faults.append(refuse)
    found = seen(image=image)
    assert found["push"][1].startswith("denied to this login: ")
    assert "status 403" in found["push"][1]
    assert found["delete"][1].startswith("not supported by this registry: ")


def test_an_unreachable_registry_is_one_failure() -> None:
    found = seen(image="127.0.0.1:9/app:1")
    assert [area for area, (state, _) in found.items() if state is State.FAILED] == ["registry"]
    assert found["push"] == (State.NOTE, "not tried: the step registry failed")


def test_stored_signatures_are_counted_and_not_trusted(image: str, tmp_path: Path) -> None:
    sign(image, FileProvider(tmp_path).generate("a.key", KeyType.ECDSA_P256))
    assert seen(image=image)["signatures"] == (State.OK, "2 stored (bundle, cosign), not verified")
