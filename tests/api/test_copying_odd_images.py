"""`copy` moves what it can address, names what it cannot, and refuses bytes that are not of their digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import copy, limits, sign, verify
from imagesig.errors import DigestMismatch, LimitExceeded, NotFound, VerificationError
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry, registry_client
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from imagesig.testing import Answer, InMemoryRegistry, MemoryProvider
from tests.commands import run_here
from tests.odd_images import (
    ABSENT,
    AMD64,
    ARM64,
    LAYER,
    LAYER_TYPE,
    MOVED_BY_SKOPEO,
    MOVED_BY_US,
    MOVED_IN_PART,
    SHA512,
    Made,
    Members,
    child,
    entry,
    index,
    manifest,
    write_layout,
)

pytestmark = pytest.mark.usefixtures("quick_retries")

FORMS = ("oci", "oci-archive", "dir")
WHOLE = MOVED_BY_SKOPEO | MOVED_BY_US


def copied(source: str, there: str, *options: str) -> Members:
    """What the command says of a copy that succeeds."""
    done = run_here("copy", "--all-platforms", "--output", "json", *options, source, there)
    assert done.exit_code == 0, done.output
    found: Members = json.loads(done.stdout)["images"][0]
    return found


def blobs(folder: Path) -> dict[str, bytes]:
    return {f"{file.parent.name}:{file.name}": file.read_bytes() for file in (folder / "blobs").glob("*/*")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", WHOLE)
def test_what_can_be_addressed_is_copied_whole(name: str, form: str, tmp_path: Path) -> None:
    digest = write_layout(tmp_path, WHOLE[name](tmp_path))
    there = f"{form}:{tmp_path}/there"
    assert copied(f"oci:{tmp_path}:1.0", there)["warnings"] == []
    back = copied(there, f"oci:{tmp_path}/back:1.0")
    assert (back["digest"], back["warnings"]) == (digest, [])
    assert blobs(tmp_path / "back") == blobs(tmp_path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MOVED_IN_PART)
def test_what_cannot_be_copied_is_named_and_the_rest_is_copied(name: str, form: str, tmp_path: Path) -> None:
    made, said = MOVED_IN_PART[name]
    digest = write_layout(tmp_path, made(tmp_path))
    there = copied(f"oci:{tmp_path}:1.0", f"{form}:{tmp_path}/there")
    assert there["digest"] == digest
    (warning,) = there["warnings"]  # type: ignore[misc]
    assert warning.startswith("left out: ")
    assert said in warning
    back = copied(f"{form}:{tmp_path}/there", f"oci:{tmp_path}/back:1.0")
    assert back["digest"] == digest
    assert digest in blobs(tmp_path / "back")
    assert (LAYER in blobs(tmp_path / "back").values()) is (said != "layers 0")


def test_a_missing_child_has_a_state(tmp_path: Path) -> None:
    write_layout(tmp_path, MOVED_IN_PART["child-missing"][0](tmp_path))
    found = copied(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/there")["manifests"]
    assert isinstance(found, list)
    states = {(item["kind"], item["label"], item["state"]) for item in found}
    assert states == {
        ("image", "", "copied"),
        ("platform", "linux/amd64", "copied"),
        ("platform", "linux/arm64", "left out"),
    }


@pytest.mark.parametrize(
    "name", ["layer-sha512", "layers-null", "layer-type-empty", "config-sha512", "layer-size-null"]
)
def test_one_platform_of_an_index_is_copied_with_any_layers(name: str, tmp_path: Path) -> None:
    whole = json.dumps(WHOLE[name](tmp_path)).encode()
    write_layout(
        tmp_path, index(entry(tmp_path, whole, OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"}))
    )
    done = run_here("copy", "--platform", "linux/amd64", f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/there")
    assert done.exit_code == 0, done.output


# --- registries -------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def image_at(server: InMemoryRegistry, path: str = "team/app") -> Image:
    return registry(f"{server.host}/{path}:1.0", client=registry_client(credentials=("user", "password")))


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in ("layer-type-odd",)])
def test_a_registry_gets_and_gives_what_can_be_addressed(name: str, server: InMemoryRegistry, tmp_path: Path) -> None:
    digest = write_layout(tmp_path, WHOLE[name](tmp_path))
    there = copy(f"oci:{tmp_path}:1.0", image_at(server), all_platforms=True)
    back = copy(image_at(server), f"oci:{tmp_path}/back", all_platforms=True)
    assert (there.digest, there.warnings, back.digest, back.warnings) == (digest, (), digest, ())
    assert blobs(tmp_path / "back") == blobs(tmp_path)
    assert copy(f"oci:{tmp_path}:1.0", image_at(server), all_platforms=True).blobs.sent == 0
    assert copy(image_at(server), image_at(server, "team/other"), all_platforms=True).digest == digest


def test_a_large_layer_is_streamed_by_its_own_algorithm(server: InMemoryRegistry, tmp_path: Path) -> None:
    large = entry(tmp_path, b"x" * 2_000_000, LAYER_TYPE, "sha512")
    write_layout(tmp_path, manifest(tmp_path, layers=[large, large | {"size": None}]))
    copy(f"oci:{tmp_path}:1.0", image_at(server))
    copy(image_at(server), f"oci-archive:{tmp_path}/there")
    copy(f"oci-archive:{tmp_path}/there", f"oci:{tmp_path}/back")
    assert blobs(tmp_path / "back") == blobs(tmp_path)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_destination_that_refuses_an_index_without_a_child_names_the_child(
    status: int, server: InMemoryRegistry, tmp_path: Path
) -> None:
    digest = write_layout(tmp_path, MOVED_IN_PART["child-missing"][0](tmp_path))
    server.faults.append(
        lambda request: Answer(status) if request.method == "PUT" and request.path.endswith(digest) else None
    )
    with pytest.raises(NotFound, match=r"linux/arm64.*is missing") as raised:
        copy(f"oci:{tmp_path}:1.0", image_at(server), all_platforms=True)
    assert "--platform" in raised.value.hint
    assert not server.has_manifest("team/app", "1.0")


# --- bytes of another digest ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
@pytest.mark.parametrize("size", [len(LAYER), None], ids=["sized", "unsized"])
@pytest.mark.parametrize("form", FORMS)
def test_bytes_of_another_digest_are_refused_by_every_algorithm(
    form: str, size: int | None, algorithm: str, server: InMemoryRegistry, tmp_path: Path
) -> None:
    named = entry(tmp_path, LAYER, LAYER_TYPE, algorithm) | {"size": size}
    write_layout(tmp_path, manifest(tmp_path, layers=[named]))
    copy(f"oci:{tmp_path}:1.0", image_at(server))
    (tmp_path / "blobs" / algorithm / str(named["digest"]).partition(":")[2]).write_bytes(b"other")
    with pytest.raises(DigestMismatch):
        copy(f"oci:{tmp_path}:1.0", f"{form}:{tmp_path}/there")
    server.faults.append(lambda request: Answer(200, b"other") if algorithm in request.path else None)
    with pytest.raises(DigestMismatch):
        copy(image_at(server), f"{form}:{tmp_path}/there")
    assert not (tmp_path / "there" / "manifest.json").exists()


def test_a_stored_blob_of_other_bytes_is_sent_again(tmp_path: Path) -> None:
    write_layout(tmp_path, WHOLE["layer-sha512"](tmp_path))
    copy(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/there")
    stored = tmp_path / "there" / "blobs" / SHA512.replace(":", "/")
    stored.write_bytes(b"other")
    assert copy(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/there").blobs.sent == 1
    assert stored.read_bytes() == LAYER


def test_more_layers_or_unsized_bytes_than_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_layout(tmp_path, manifest(tmp_path, layers=[entry(tmp_path, LAYER, LAYER_TYPE, size=None)] * 3))
    for limit, value in (("COPIED_LAYERS", 2), ("UNSIZED_BLOB_BYTES", len(LAYER) - 1)):
        with monkeypatch.context() as changed:
            changed.setattr(limits, limit, value)
            with pytest.raises(LimitExceeded):
                copy(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/there")


# --- signatures and referrers -----------------------------------------------------------------------------------------

KEY = MemoryProvider().open()
NAME = "registry.example/team/app:1.0"

REFERRERS: dict[str, tuple[Members, str]] = {
    "plain": ({}, ""),
    "config-null": ({"config": None}, ""),
    "layers-null": ({"layers": None}, ""),
    "layer-odd": ({"layers": [{"mediaType": "", "digest": "sha256:00", "size": 1}]}, "layers 0"),
    "layer-missing": ({"layers": [{"mediaType": LAYER_TYPE, "digest": ABSENT, "size": 1}]}, ABSENT),
    "subject-none": ({"subject": None}, "does not refer to it"),
    "subject-odd": ({"subject": {"digest": "sha256:00"}}, "does not refer to it"),
    "two-kinds": ({"manifests": []}, "another kind of document"),
}


def referrer(folder: Path, subject: str, others: Members) -> bytes:
    usual: Members = {
        "config": entry(folder, b"{}", OCI_EMPTY),
        "layers": [entry(folder, b"a bill of material", "text/spdx")],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": len(json.dumps(manifest(folder)))},
        "artifactType": "text/spdx",
    }
    return json.dumps(manifest(folder, **usual | others)).encode()


@pytest.mark.parametrize("name", REFERRERS)
@pytest.mark.parametrize("api", [True, False], ids=["api", "tag"])
def test_an_odd_referrer_stops_no_copy(name: str, api: bool, tmp_path: Path) -> None:
    others, said = REFERRERS[name]
    digest = write_layout(tmp_path, manifest(tmp_path))
    with InMemoryRegistry(referrers_api=api) as server:
        image = image_at(server)
        copy(f"oci:{tmp_path}:1.0", image)
        sign(image, KEY, formats=["bundle"], identity=NAME)
        good = image.signatures.referrers(digest).entries[0].to_json()
        content = referrer(tmp_path, digest, others)
        for blob in blobs(tmp_path).values():
            server.put_blob("team/app", blob)
        odd = {
            "mediaType": OCI_MANIFEST,
            "digest": server.put_manifest("team/app", content, OCI_MANIFEST),
            "size": len(content),
        }
        listing = json.dumps(index(odd, good)).encode()
        server.faults.append(
            lambda request: (
                Answer(200, listing, {"content-type": OCI_INDEX})
                if request.path == f"/v2/team/app/{'referrers/' + digest if api else 'manifests/' + tag_of(digest)}"
                else None
            )
        )
        for there in (f"oci:{tmp_path}/there", image_at(server, "team/other")):
            found = copy(image, there)
            assert any(said in warning for warning in found.warnings) is bool(said), found.warnings
            states = {item.digest: item.state for item in found.manifests if item.kind == "referrer"}
            left_out = bool(said) and (name != "layer-odd" or isinstance(there, Image))  # a registry refuses it
            assert states == {good["digest"]: "copied", odd["digest"]: "left out" if left_out else "copied"}
            assert verify(there, KEY).signatures


@pytest.mark.parametrize("by", [-1, 1, 4096])
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("api", [True, False], ids=["api", "tag"])
def test_a_referrer_of_a_wrong_size_is_left_out_and_hides_no_good_one(
    api: bool, place: str, by: int, tmp_path: Path
) -> None:
    """The odd entry has the digest of the good one: anyone who may push can list it."""
    digest = write_layout(tmp_path, manifest(tmp_path))
    with InMemoryRegistry(referrers_api=api) as server:
        image = image_at(server)
        copy(f"oci:{tmp_path}:1.0", image)
        sign(image, KEY, formats=["bundle"], identity=NAME)
        good = image.signatures.referrers(digest).entries[0].to_json()
        odd = good | {"size": good["size"] + by}
        listing = json.dumps(index(*([odd, good] if place == "before" else [good, odd]))).encode()
        server.faults.append(
            lambda request: (
                Answer(200, listing, {"content-type": OCI_INDEX})
                if request.path == f"/v2/team/app/{'referrers/' + digest if api else 'manifests/' + tag_of(digest)}"
                else None
            )
        )
        assert verify(image, KEY).signatures
        for there in (f"oci:{tmp_path}/there", image_at(server, "team/other")):
            found = copy(image, there)
            states = [item.state for item in found.manifests if item.kind == "referrer"]
            assert sorted(states) == (["copied", "left out"] if place == "before" else ["copied"])
            assert len(found.warnings) == (place == "before")
            assert verify(there, KEY).signatures


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("same", [True, False], ids=["blob-of-the-good-one", "other-blob"])
def test_a_referrer_with_a_blob_of_a_wrong_size_stops_no_copy(same: bool, by: int, tmp_path: Path) -> None:
    digest = write_layout(tmp_path, manifest(tmp_path))
    with InMemoryRegistry() as server:
        image = image_at(server)
        copy(f"oci:{tmp_path}:1.0", image)
        sign(image, KEY, formats=["bundle"], identity=NAME)
        good = image.signatures.referrers(digest).entries[0]
        document = json.loads(image.signatures.read(good, limit=100_000))
        if not same:
            other = b"another blob"
            document["layers"][0] |= {"digest": server.put_blob("team/app", other), "size": len(other)}
        document["layers"][0]["size"] += by
        server.put_manifest("team/app", json.dumps(document).encode(), OCI_MANIFEST)
        for there in (f"oci:{tmp_path}/there", image_at(server, "team/other")):
            found = copy(image, there)
            states = {item.digest: item.state for item in found.manifests if item.kind == "referrer"}
            assert states.pop(good.digest) == "copied"
            if not same and not isinstance(there, Image):  # a registry mounts the blob by its digest
                assert list(states.values()) == ["left out"]
                assert any("is listed with" in warning for warning in found.warnings)
            assert verify(there, KEY).signatures


def test_a_child_with_a_sha512_digest_is_named_by_every_command(tmp_path: Path) -> None:
    """What is signed has a SHA-256 digest. The index is signed and copied as a whole, without that child."""
    (tmp_path / "keys").mkdir()
    key, public_key = tmp_path / "keys/k.key", tmp_path / "keys/k.pub"
    assert run_here("key", "generate", key).exit_code == 0
    content = json.dumps(manifest(tmp_path)).encode()
    odd = entry(tmp_path, content, OCI_MANIFEST, "sha512", platform=AMD64)
    write_layout(tmp_path, index(odd, child(tmp_path, platform=ARM64)))
    image, short = f"oci:{tmp_path}:1.0", str(odd["digest"])[:40]
    signed = run_here("sign", "--key", key, image)
    assert signed.exit_code == 0
    assert short in signed.stderr
    assert run_here("verify", "--key", public_key, image).exit_code == 0
    whole = run_here("copy", "--all-platforms", image, f"oci:{tmp_path}/whole:1.0")
    assert whole.exit_code == 0
    assert "only manifests with a SHA-256 digest are copied" in whole.stderr
    for arguments in (("verify", "--key", public_key), ("copy",)):
        more = () if arguments[0] == "verify" else (f"oci:{tmp_path}/one:1.0",)
        done = run_here(*arguments, "--platform", "linux/amd64", image, *more)
        assert done.exit_code == 1
        assert short in done.stderr
        assert "sha256" in done.stderr
    assert run_here("verify", "--key", public_key, f"{image.removesuffix(':1.0')}@{odd['digest']}").exit_code == 2


def test_an_unknown_or_missing_referrer_is_left_out(server: InMemoryRegistry, tmp_path: Path) -> None:
    digest = write_layout(tmp_path, manifest(tmp_path))
    copy(f"oci:{tmp_path}:1.0", image_at(server))
    old = {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "digest": "sha256:" + "1" * 64, "size": 7}
    huge = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "2" * 64, "size": 2**62}
    listed = [old, huge, {"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 7}]
    listing = json.dumps(index(*listed)).encode()
    server.faults.append(
        lambda request: (
            Answer(200, listing, {"content-type": OCI_INDEX}) if request.path.endswith(f"/referrers/{digest}") else None
        )
    )
    found = copy(image_at(server), f"oci:{tmp_path}/there")
    assert [(item.digest, item.state) for item in found.manifests[1:]] == [
        (one["digest"], "left out") for one in listed
    ]
    assert len(found.warnings) == 3


TAGGED: dict[str, Made] = {
    "layers-missing": lambda f: manifest(f, layers=...),
    "layers-null": lambda f: manifest(f, layers=None),
    "an-index": lambda f: index(child(f)),
    "config-null": lambda f: manifest(f, config=None),
    "two-kinds": lambda f: manifest(f, manifests=[]),
}


@pytest.mark.parametrize("name", TAGGED)
def test_an_odd_signature_manifest_stops_no_copy(name: str, server: InMemoryRegistry, tmp_path: Path) -> None:
    """It is copied where the destination has none, and kept where it has one."""
    digest = write_layout(tmp_path, manifest(tmp_path))
    copy(f"oci:{tmp_path}:1.0", image_at(server))
    document = TAGGED[name](tmp_path)
    tag = tag_of(digest, ".sig")
    for blob in blobs(tmp_path).values():
        server.put_blob("team/app", blob)
        server.put_manifest("team/app", blob, OCI_MANIFEST)
    server.put_manifest("team/app", json.dumps(document).encode(), str(document["mediaType"]), tag)
    found = copy(image_at(server), f"oci:{tmp_path}/there:1.0")
    assert found.digest == digest
    with pytest.raises(VerificationError):
        verify(f"oci:{tmp_path}/there:1.0", KEY)
    copy(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/signed:1.0")
    sign(f"oci:{tmp_path}/signed:1.0", KEY)
    copy(image_at(server), f"oci:{tmp_path}/signed:1.0")
    assert verify(f"oci:{tmp_path}/signed:1.0", KEY).signatures


def test_the_good_layers_of_a_signature_manifest_go_where_odd_ones_are_refused(
    server: InMemoryRegistry, tmp_path: Path
) -> None:
    digest = write_layout(tmp_path, manifest(tmp_path))
    sign(f"oci:{tmp_path}:1.0", KEY, formats=["cosign"], identity=NAME)
    copy(f"oci:{tmp_path}:1.0", image_at(server))
    tag = tag_of(digest, ".sig")
    content, media_type = server.manifest("team/app", tag)
    document = json.loads(content)
    document["layers"].insert(0, {"mediaType": LAYER_TYPE, "digest": "sha256:00", "size": 1})
    server.put_manifest("team/app", json.dumps(document).encode(), media_type, tag)
    other = image_at(server, "team/other")
    found = copy(image_at(server), other)
    assert [warning for warning in found.warnings if "layers 0" in warning]
    copy(other, f"oci:{tmp_path}/there")
    copy(image_at(server), f"dir:{tmp_path}/dir")
    for there in ("oci:{}/there", "dir:{}/dir"):
        assert verify(there.format(tmp_path), KEY).signatures


def test_nothing_of_a_path_in_a_digest_is_written(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_layout(
        tmp_path, manifest(tmp_path, layers=[entry(tmp_path, LAYER, LAYER_TYPE, digest="sha512:../../../outside")])
    )
    for form in FORMS:
        copied(f"oci:{tmp_path}:1.0", f"{form}:{tmp_path}/{form}")
    assert not outside.exists()
