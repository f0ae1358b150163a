"""`remove` and `sign(replace=...)`: by proof and not by hint, and never anybody else's signature."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesig import copy, inspect, remove, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    InvalidArgument,
    NoSignatureAccepted,
    NoSignatures,
    RemovalIncomplete,
    SignaturesUnsupported,
    TransportError,
    VerificationError,
)
from imagesig.format_names import BUNDLE
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.images.registry.connect import registry, registry_client
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import OCI_EMPTY, Manifest
from imagesig.policy import Identity, Policy
from imagesig.testing import Answer, InMemoryRegistry
from tests.images.archive.archives import docker_save_before
from tests.makers import bundle_document, statement

NAME = "registry.example/team/app:1.0"
HOMES = ("registry with referrers", "registry without", "layout", "archive")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [FileProvider(folder).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(3)]


@pytest.fixture(params=HOMES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Image]]:
    """Opens one and the same index anew, in a home of each kind."""
    if request.param == "layout":
        build_index(Layout.create(tmp_path / "layout"), {"a": b"b"}, "1.0")
        yield lambda: open_image(f"oci:{tmp_path / 'layout'}:1.0")
    elif request.param == "archive":
        build_index(Layout.create(tmp_path / "layout"), {"a": b"b"}, "1.0")
        copy(f"oci:{tmp_path / 'layout'}:1.0", f"oci-archive:{tmp_path / 'a.tar'}", all_platforms=True)
        yield lambda: open_image(f"oci-archive:{tmp_path / 'a.tar'}:1.0")
    else:
        with InMemoryRegistry(referrers_api=request.param == HOMES[0]) as server:
            build_index(image_at(server).home, {"a": b"b"}, "1.0")
            yield lambda: image_at(server)


def image_at(server: InMemoryRegistry) -> Image:
    return registry(f"{server.host}/team/app:1.0", client=registry_client(credentials=("user", "password")))


def accepts(image: Image, key: SigningKey) -> bool:
    try:
        return bool(verify(image, Policy.any_of(key, identity=Identity.any())).signatures)
    except VerificationError:
        return False


def test_the_signatures_of_one_key_are_removed_and_the_others_stay(
    opened: Callable[[], Image], keys: list[SigningKey]
) -> None:
    for key in keys:
        sign(opened(), key, identity=NAME)
    removed = remove(opened(), key=keys[1])
    assert (len(removed.removed), removed.kept, removed.warnings) == (6, 12, ())
    assert [accepts(opened(), key) for key in keys] == [True, False, True]
    assert len(inspect(opened()).signatures) == 12


def test_all_are_removed_and_removing_again_removes_nothing(
    opened: Callable[[], Image], keys: list[SigningKey]
) -> None:
    for key in keys[:2]:
        sign(opened(), key, identity=NAME)
    assert len(remove(opened(), all=True).removed) == 12
    with pytest.raises(NoSignatures):
        verify(opened(), keys[0])
    assert remove(opened(), all=True).removed == ()
    sign(opened(), keys[0], identity=NAME)
    assert accepts(opened(), keys[0])


def test_without_recursion_the_children_keep_their_signatures(
    opened: Callable[[], Image], keys: list[SigningKey]
) -> None:
    sign(opened(), keys[0], identity=NAME)
    assert len(remove(opened(), key=keys[0], recursive=False).removed) == 2
    assert len(inspect(opened()).signatures) == 4


def test_a_dry_run_removes_nothing(opened: Callable[[], Image], keys: list[SigningKey]) -> None:
    sign(opened(), keys[0], identity=NAME)
    planned = remove(opened(), key=keys[0], dry_run=True)
    assert {item.state for item in planned.removed} == {"planned"}
    assert accepts(opened(), keys[0])


def test_a_signature_that_only_claims_the_key_stays(opened: Callable[[], Image], keys: list[SigningKey]) -> None:
    """A bundle names its key by a hint: what carries another key's hint is not that key's."""
    image = opened()
    root = image.home.resolve("1.0")
    sign(image, keys[0], identity=NAME, recursive=False)
    hint = base64.b64encode(keys[0].info.public_key.spki_sha256).decode()
    forged = bundle_document(statement(subject=[{"digest": {"sha256": root.digest[7:]}}]))
    forged["verificationMaterial"]["publicKey"]["hint"] = hint
    refer(image, json.dumps(forged).encode())
    removed = remove(opened(), key=keys[0], recursive=False)
    assert (len(removed.removed), removed.kept) == (2, 1)


def test_attestations_stay_even_if_all_signatures_are_removed(
    opened: Callable[[], Image], keys: list[SigningKey]
) -> None:
    image = opened()
    sign(image, keys[0], identity=NAME, recursive=False)
    attestation = bundle_document(statement(predicateType="https://slsa.dev/provenance/v1"))
    refer(image, json.dumps(attestation).encode())
    removed = remove(opened(), all=True, recursive=False)
    assert len(removed.removed) == 2
    assert "attestation" in removed.warnings[0]
    assert len(opened().home.referrers(removed.digest).entries) == 1


def refer(image: Image, content: bytes) -> None:
    root = image.home.resolve("1.0")
    config, layer = image.home.put_blob(b"{}", OCI_EMPTY), image.home.put_blob(content, BUNDLE)
    manifest = Manifest(config, (layer,), subject=root, artifact_type=BUNDLE)
    image.home.add_referrer(manifest.to_bytes(), root)()


def test_concurrent_signing_and_removing_lose_no_change(
    opened: Callable[[], Image], keys: list[SigningKey], tmp_path: Path
) -> None:
    sign(opened(), keys[0], identity=NAME, recursive=False)
    others = [FileProvider(tmp_path).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(3)]
    image = opened()
    work = [threading.Thread(target=sign, args=(image, key), kwargs={"recursive": False}) for key in others]
    work.append(threading.Thread(target=remove, args=(image,), kwargs={"key": keys[0], "recursive": False}))
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert not accepts(opened(), keys[0])
    assert all(accepts(opened(), key) for key in others)
    assert len(inspect(opened(), recursive=False).signatures) == 6


def test_either_a_key_or_all_must_be_given(opened: Callable[[], Image], keys: list[SigningKey]) -> None:
    with pytest.raises(InvalidArgument):
        remove(opened())
    with pytest.raises(InvalidArgument):
        remove(opened(), key=keys[0], all=True)


# --- registries that delete nothing -----------------------------------------------------------------------------------


def test_if_a_registry_refuses_deletion_the_error_lists_what_is_left(keys: list[SigningKey]) -> None:
    with InMemoryRegistry(deletes=False) as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        sign(image_at(server), keys[0], identity=NAME)
        with pytest.raises(RemovalIncomplete, match="3 of 6 signatures are still there") as raised:
            remove(image_at(server), all=True)
        assert len(raised.value.left) == 3
        assert len(raised.value.removed) == 3
        assert {item.format for item in inspect(image_at(server)).signatures} == {"bundle"}


def test_without_a_referrers_api_nothing_needs_to_be_deleted(keys: list[SigningKey]) -> None:
    with InMemoryRegistry(deletes=False, referrers_api=False) as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        sign(image_at(server), keys[0], identity=NAME)
        remove(image_at(server), all=True)
        with pytest.raises(NoSignatures):
            verify(image_at(server), keys[0])


def test_deleting_logs_in_with_the_scope_for_it(keys: list[SigningKey]) -> None:
    with InMemoryRegistry(bearer=("user", "password")) as server:
        build_image(image_at(server).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(image_at(server), keys[0], identity=NAME)
        assert len(remove(image_at(server), all=True).removed) == 2
        scopes = [request.query["scope"] for request in server.requests if request.path == "/token"]
        assert ["repository:team/app:pull,push,delete"] in scopes


@pytest.mark.usefixtures("quick_retries")
def test_an_unreachable_registry_loses_no_signature(keys: list[SigningKey]) -> None:
    with InMemoryRegistry() as server:
        build_image(image_at(server).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(image_at(server), keys[0], identity=NAME)
        server.faults.append(lambda request: Answer(503) if "/referrers/" in request.path else None)
        with pytest.raises(TransportError):
            remove(image_at(server), all=True)
        server.faults.clear()
        assert len(inspect(image_at(server)).signatures) == 2


def test_a_form_of_image_without_signatures_is_an_error(tmp_path: Path) -> None:
    path = docker_save_before(tmp_path / "old.tar", {NAME: (b"layer",)})
    with pytest.raises(SignaturesUnsupported):
        remove(f"docker-archive:{path}", all=True)


# --- replacing --------------------------------------------------------------------------------------------------------


def public(key: SigningKey) -> str:
    return key.info.public_key.pem


def test_replace_removes_the_signatures_of_the_old_key_and_of_no_other(
    opened: Callable[[], Image], keys: list[SigningKey]
) -> None:
    old, new, stranger = keys
    sign(opened(), old, identity=NAME)
    sign(opened(), stranger, identity=NAME)
    signed = sign(opened(), new, identity=NAME, replace=public(old))
    assert len(signed.removed) == 6
    assert [accepts(opened(), key) for key in (old, new, stranger)] == [False, True, True]
    again = sign(opened(), new, identity=NAME, replace=[public(old)])
    assert again.removed == ()
    assert {made.state for made in again.signatures} == {"present"}


@pytest.mark.parametrize("options", [{"identity": "registry.example/team/app:2.0"}, {"annotations": {"build": "7"}}])
def test_a_signature_of_the_old_key_with_another_claim_stays_with_a_warning(
    opened: Callable[[], Image], keys: list[SigningKey], options: dict[str, object]
) -> None:
    old, new, _ = keys
    sign(opened(), old, formats=["cosign"], recursive=False, **({"identity": NAME} | options))  # type: ignore[arg-type]
    signed = sign(opened(), new, formats=["cosign"], recursive=False, identity=NAME, replace=public(old))
    assert signed.removed == ()
    assert "say something else" in signed.warnings[0]
    assert accepts(opened(), old)


def test_a_format_that_is_not_signed_again_keeps_its_signatures(
    opened: Callable[[], Image], keys: list[SigningKey]
) -> None:
    old, new, _ = keys
    sign(opened(), old, identity=NAME, recursive=False)
    signed = sign(opened(), new, identity=NAME, formats=["bundle"], recursive=False, replace=public(old))
    assert [item.format for item in signed.removed] == ["bundle"]
    assert {item.format for item in inspect(opened(), recursive=False).signatures} == {"cosign", "bundle"}
    assert accepts(opened(), old)


def test_a_key_does_not_replace_itself(opened: Callable[[], Image], keys: list[SigningKey]) -> None:
    with pytest.raises(InvalidArgument, match="is the key that signs"):
        sign(opened(), keys[0], identity=NAME, replace=[public(keys[1]), public(keys[0])])
    assert not inspect(opened()).signatures


def test_a_dry_run_of_a_replacement_changes_nothing(opened: Callable[[], Image], keys: list[SigningKey]) -> None:
    sign(opened(), keys[0], identity=NAME)
    planned = sign(opened(), keys[1], identity=NAME, replace=public(keys[0]), dry_run=True)
    assert {item.state for item in planned.removed} == {"planned"}
    with pytest.raises(NoSignatureAccepted):
        verify(opened(), Policy.any_of(keys[1], identity=Identity.any()))


def test_if_replace_cannot_delete_the_image_is_signed_and_the_error_lists_what_is_left(keys: list[SigningKey]) -> None:
    with InMemoryRegistry(deletes=False) as server:
        build_image(image_at(server).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(image_at(server), keys[0], identity=NAME)
        with pytest.raises(RemovalIncomplete) as raised:
            sign(image_at(server), keys[1], identity=NAME, replace=public(keys[0]))
        assert len(raised.value.left) == 1
        assert accepts(image_at(server), keys[1])


def test_an_empty_list_is_deleted_if_the_registry_allows_it(keys: list[SigningKey]) -> None:
    with InMemoryRegistry() as server:
        built = build_image(image_at(server).home, {"a": b"b"}, PLATFORMS[0], "1.0")
        sign(image_at(server), keys[0], identity=NAME)
        remove(image_at(server), all=True)
        with pytest.raises(TransportError):
            image_at(server).home.resolve(tag_of(built.digest, ".sig"))


def test_signatures_saved_by_cosign_do_not_come_back(tmp_path: Path, keys: list[SigningKey]) -> None:
    """`cosign save` leaves the list of signatures without a name; an emptied list with one must not uncover it."""
    path = tmp_path / "saved"
    image = build_image(Layout.create(path), {"a": b"b"}, PLATFORMS[0], "1.0")
    sign(f"oci:{path}:1.0", keys[0], formats=["cosign"], identity=NAME)
    index = json.loads((path / "index.json").read_text())
    for entry in index["manifests"]:
        del entry["annotations"]["org.opencontainers.image.ref.name"]
    (path / "index.json").write_text(json.dumps(index))
    assert accepts(open_image(f"oci:{path}@{image.digest}"), keys[0])
    remove(f"oci:{path}@{image.digest}", all=True)
    with pytest.raises(NoSignatures):
        verify(f"oci:{path}@{image.digest}", keys[0])
