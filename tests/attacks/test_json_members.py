"""JSON that two readers read differently is refused: members in another case, by folding, twice (adversary 2b)."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesig import copy, layout, sign, verify
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.errors import MalformedError, NoSignatureAccepted
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.in_toto.statement import IN_TOTO
from imagesig.oci.digest import sha256
from imagesig.testing.hostile.registries.stage import INDEX, MANIFEST
from tests.attacks.hostile_listings import a_registry, image_at, pushed, signed, store, stored
from tests.makers import private_key, signing_key, statement
from tests.makers import sign as signature_of

EVIL = "sha256:" + "ee" * 32


def twins(name: str) -> list[str]:
    """Other names that Go takes for this one."""
    found = [name.upper(), name[:1].swapcase() + name[1:]]
    found += [name.replace("s", "\u017f", 1)] if "s" in name else []
    found += [name.replace("k", "\u212a", 1)] if "k" in name else []
    return [item for item in dict.fromkeys(found) if item != name]


def with_twins(names: str) -> list[Any]:
    return [pytest.param(name, twin, id=ascii(twin)) for name in names.split() for twin in twins(name)]


# --- layouts and archives -------------------------------------------------------------------------------------------


def a_layout(folder: Path) -> tuple[Image, str]:
    home = Layout.create(folder)
    digest = build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0").digest
    sign(layout(folder, "1.0"), signing_key(), formats=["bundle", "cosign"], identity="registry.example/app:1.0")
    return layout(folder, "1.0"), digest


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_bytes())
    edit(document)
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "twin"), with_twins("manifests schemaVersion mediaType annotations subject artifactType")
)
def test_a_twin_in_index_json_is_refused(tmp_path: Path, name: str, twin: str) -> None:
    a_layout(tmp_path)
    change(tmp_path / "index.json", lambda document: document.update({twin: document.get(name)}))
    with pytest.raises(MalformedError):
        verify(f"oci:{tmp_path}:1.0", signing_key())


@pytest.mark.parametrize(
    ("name", "twin"), with_twins("digest size mediaType annotations platform urls data artifactType")
)
def test_a_twin_in_an_entry_of_index_json_is_refused(tmp_path: Path, name: str, twin: str) -> None:
    a_layout(tmp_path)
    change(tmp_path / "index.json", lambda document: document["manifests"][0].update({twin: EVIL}))
    with pytest.raises(MalformedError):
        verify(f"oci:{tmp_path}:1.0", signing_key())
    with pytest.raises(MalformedError):
        sign(f"oci:{tmp_path}:1.0", signing_key(1), formats=["bundle"])


@pytest.mark.parametrize(("name", "twin"), with_twins("imageLayoutVersion"))
def test_a_twin_in_oci_layout_is_refused(tmp_path: Path, name: str, twin: str) -> None:
    a_layout(tmp_path)
    change(tmp_path / "oci-layout", lambda document: document.update({twin: "2.0.0"}))
    with pytest.raises(MalformedError):
        verify(f"oci:{tmp_path}:1.0", signing_key())


def test_annotations_are_a_map_whose_names_go_compares_exactly(tmp_path: Path) -> None:
    a_layout(tmp_path)
    names = {"Org.opencontainers.image.ref.name": "x", "Digest": "y", "\u017fize": "z", "digest": "w"}
    change(tmp_path / "index.json", lambda document: document["manifests"][0]["annotations"].update(names))
    assert verify(f"oci:{tmp_path}:1.0", signing_key()).verified


@pytest.mark.parametrize("where", ["index.json", "oci-layout"])
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path, where: str) -> None:
    a_layout(tmp_path)
    content = (tmp_path / where).read_text()
    (tmp_path / where).write_text(content[:-1] + "," + content[1:])
    with pytest.raises(MalformedError):
        verify(f"oci:{tmp_path}:1.0", signing_key())


@pytest.mark.parametrize("size", [1.0, True, "1", None, -1, 1e3])
def test_a_size_that_go_does_not_read_as_a_number_is_refused(tmp_path: Path, size: object) -> None:
    a_layout(tmp_path)
    change(tmp_path / "index.json", lambda document: document["manifests"][0].update(size=size))
    with pytest.raises(MalformedError):
        verify(f"oci:{tmp_path}:1.0", signing_key())


@pytest.mark.parametrize(("name", "twin"), with_twins("Config RepoTags Layers"))
def test_a_twin_in_dockers_manifest_json_is_refused(tmp_path: Path, name: str, twin: str) -> None:
    file = tmp_path / "saved.tar"
    layer = b"layer"
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}}).encode()
    entry = {"Config": "config.json", "RepoTags": ["app:1.0"], "Layers": ["layer.tar"]}
    for members, passes in ((entry, True), (entry | {twin: entry[name]}, False)):
        files = {"manifest.json": json.dumps([members]).encode(), "config.json": config, "layer.tar": layer}
        with tarfile.open(file, "w") as archive:
            for path, content in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        if passes:
            assert copy(f"docker-archive:{file}", f"oci:{tmp_path / 'good'}:1.0").digest
        else:
            with pytest.raises(MalformedError):
                copy(f"docker-archive:{file}", f"oci:{tmp_path / 'evil'}:1.0")


@pytest.mark.parametrize(("name", "twin"), with_twins("rootfs"))
def test_a_twin_in_an_image_config_is_refused(tmp_path: Path, name: str, twin: str) -> None:
    file = tmp_path / "saved.tar"
    rootfs = {"type": "layers", "diff_ids": [sha256(b"layer")]}
    config = json.dumps({"rootfs": rootfs, twin: rootfs}, ensure_ascii=False).encode()
    entry = {"Config": "config.json", "RepoTags": ["app:1.0"], "Layers": ["layer.tar"]}
    files = {"manifest.json": json.dumps([entry]).encode(), "config.json": config, "layer.tar": b"layer"}
    with tarfile.open(file, "w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(MalformedError):
        copy(f"docker-archive:{file}", f"oci:{tmp_path / 'evil'}:1.0")


# --- registries -----------------------------------------------------------------------------------------------------

OTHER_KINDS = "manifests fsLayers history signatures"


@pytest.mark.parametrize(
    ("name", "twin"),
    [pytest.param(name, name, id=name) for name in OTHER_KINDS.split()]
    + with_twins(OTHER_KINDS + " layers config mediaType schemaVersion subject annotations artifactType"),
)
def test_an_image_manifest_that_also_reads_as_another_kind_is_refused(name: str, twin: str) -> None:
    with a_registry() as server:
        digest = pushed(server)
        document = stored(server, digest)
        content = json.dumps(document | {twin: document.get(name, [])}, ensure_ascii=False).encode()
        server._manifests["team/app", "evil"] = (content, MANIFEST)
        with pytest.raises(MalformedError):
            verify(image_at(server, "evil"), signing_key())
        with pytest.raises(MalformedError):
            sign(image_at(server, "evil"), signing_key())


@pytest.mark.parametrize(
    ("name", "twin"),
    [pytest.param(name, name, id=name) for name in ["config", "layers", "fsLayers", "history", "signatures"]]
    + with_twins("config layers fsLayers history signatures manifests mediaType"),
)
def test_an_image_index_that_also_reads_as_another_kind_is_refused(name: str, twin: str) -> None:
    with a_registry() as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        document = stored(server, "1.0")
        content = json.dumps(document | {twin: document.get(name, [])}, ensure_ascii=False).encode()
        server._manifests["team/app", "evil"] = (content, INDEX)
        with pytest.raises(MalformedError):
            verify(image_at(server, "evil"), signing_key())


@pytest.mark.parametrize(("name", "twin"), with_twins("digest platform size mediaType"))
def test_a_twin_in_a_child_of_an_image_index_is_refused(name: str, twin: str) -> None:
    with a_registry() as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        document = stored(server, "1.0")
        document["manifests"][1][twin] = document["manifests"][0][name]
        store(server, json.dumps(document, ensure_ascii=False).encode(), INDEX, "evil")
        for platform in ("", "linux/amd64"):
            with pytest.raises(MalformedError):
                verify(image_at(server, "evil"), signing_key(), platform=platform)


@pytest.mark.parametrize("name", ["os", "architecture", "variant"])
def test_a_twin_in_a_platform_of_an_image_index_is_refused(name: str) -> None:
    with a_registry() as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        document = stored(server, "1.0")
        document["manifests"][1]["platform"][name.upper()] = "amd64"
        store(server, document, INDEX, "evil")
        with pytest.raises(MalformedError):
            verify(image_at(server, "evil"), signing_key(), platform="linux/amd64")


@pytest.mark.parametrize(("name", "twin"), with_twins("layers config mediaType"))
def test_a_twin_at_the_top_of_a_signature_manifest_refuses_the_whole(name: str, twin: str) -> None:
    with a_registry() as server:
        digest = signed(server, "cosign")
        tag = digest.replace(":", "-") + ".sig"
        document = stored(server, tag)
        store(server, json.dumps(document | {twin: document[name]}, ensure_ascii=False).encode(), MANIFEST, tag)
        with pytest.raises(NoSignatureAccepted):
            verify(image_at(server), signing_key())


# --- signatures -----------------------------------------------------------------------------------------------------


def _bundle_is_refused(edit: Callable[[dict[str, Any]], object], payload: bytes | None = None) -> None:
    """Stores the bundle of a signed image, changed, in place of the good one."""
    with a_registry() as server:
        digest = signed(server)
        manifest = next(json.loads(content) for content, _ in server._manifests.values() if digest.encode() in content)
        (layer,) = manifest["layers"]
        document = json.loads(server._blobs["team/app", layer["digest"]])
        if payload is not None:
            envelope = document["dsseEnvelope"]
            payload = payload.replace(b"DIGEST", digest.removeprefix("sha256:").encode())
            envelope["payload"] = base64.b64encode(payload).decode()
            message = pre_authentication_encoding(IN_TOTO, payload)
            envelope["signatures"] = [{"sig": signature_of(private_key(), message)}]
        edit(document)
        content = json.dumps(document).encode()
        server._manifests = {at: item for at, item in server._manifests.items() if digest.encode() not in item[0]}
        server._blobs["team/app", sha256(content)] = content
        manifest["layers"] = [layer | {"digest": sha256(content), "size": len(content)}]
        store(server, manifest)
        with pytest.raises(NoSignatureAccepted) as refused:
            verify(image_at(server), signing_key())
        (rejection,) = refused.value.rejections
        assert "none of the trusted keys" not in str(rejection.error)


SNAKE = {
    "media_type": lambda document: document.update(media_type=document["mediaType"]),
    "dsse_envelope": lambda document: document.update(dsse_envelope=document["dsseEnvelope"]),
    "verification_material": lambda document: document.update(verification_material=document["verificationMaterial"]),
    "message_signature": lambda document: document.update(message_signature={}),
    "public_key": lambda document: document["verificationMaterial"].update(public_key={"hint": "x"}),
    "tlog_entries": lambda document: document["verificationMaterial"].update(tlog_entries=[]),
    "payload_type": lambda document: document["dsseEnvelope"].update(payload_type=IN_TOTO),
    "certificate beside": lambda document: document["verificationMaterial"].update(certificate={"rawBytes": ""}),
    "Payload": lambda document: document["dsseEnvelope"].update(Payload=""),
    "Sig": lambda document: document["dsseEnvelope"]["signatures"][0].update(Sig=""),
    "rfc3161_timestamps": lambda document: document["verificationMaterial"].update(
        timestampVerificationData={"rfc3161Timestamps": [], "rfc3161_timestamps": []}
    ),
    "signed_timestamp": lambda document: document["verificationMaterial"].update(
        timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "", "signed_timestamp": ""}]}
    ),
    "log_index": lambda document: document["verificationMaterial"].update(
        tlogEntries=[{"logIndex": "1", "log_index": "2"}]
    ),
}


@pytest.mark.parametrize("edit", SNAKE.values(), ids=SNAKE)
def test_a_bundle_whose_members_protojson_reads_by_two_names_is_refused(edit: Callable[..., object]) -> None:
    _bundle_is_refused(edit)


@pytest.mark.parametrize("twin", ["Digest", "annotation\u017f"])
def test_a_twin_in_a_subject_of_a_signed_statement_is_refused(twin: str) -> None:
    document = statement()
    document["subject"] = [{"digest": {"sha256": "DIGEST"}, "annotations": {}, twin: {"sha256": "ee" * 32}}]
    _bundle_is_refused(lambda _: None, json.dumps(document).encode())


def test_a_statement_that_has_both_names_of_its_type_is_refused() -> None:
    document = statement(subject=[{"digest": {"sha256": "DIGEST"}}]) | {"type": "https://in-toto.io/Statement/v1"}
    _bundle_is_refused(lambda _: None, json.dumps(document).encode())
