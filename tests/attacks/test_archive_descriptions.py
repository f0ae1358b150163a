"""What is verified in an archive is the image that skopeo, podman and Docker load from it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig.errors import ImagesigError, InvalidArgument, MalformedError
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.keys.provider import SigningKey
from tests.images.archive.archives import files_of, tar_of
from tests.peers import binary

GOOD, EVIL = "docker.io/team/app:1.0", "docker.io/team/evil:1.0"
KIND = "dev.cosignproject.cosign/sigs"


class Saved:
    """What `docker save` writes for a good image, signed by us, with the files of an evil one beside it."""

    def __init__(self, tmp: Path, key: SigningKey) -> None:
        self.path = tmp / "saved.tar"
        build_image(Layout.create(tmp / "evil"), {"a": b"evil"}, PLATFORMS[0], "1.0")
        build_image(Layout.create(tmp / "good"), {"a": b"good"}, PLATFORMS[0], "1.0")
        self.files = dict(files_of(tmp / "evil")) | dict(files_of(tmp / "good"))
        self.evil = _only_entry(tmp / "evil")
        self.good = _only_entry(tmp / "good")
        self.entries = [self.named(self.good, GOOD)]
        self.docker = [self.described(self.good, GOOD)]
        self.write()
        imagesig.sign(f"docker-archive:{self.path}", key, identity="team/app:1.0")
        self.files = _members(self.path)

    def named(self, entry: dict[str, Any], name: str, **annotations: str) -> dict[str, Any]:
        names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
        return entry | {"annotations": names | annotations}

    def described(self, entry: dict[str, Any], *names: str) -> dict[str, Any]:
        """An entry of manifest.json for the image that an entry of index.json names."""
        manifest = json.loads(self.files[_blob(entry["digest"])])
        return {
            "Config": _blob(manifest["config"]["digest"]),
            "RepoTags": list(names),
            "Layers": [_blob(layer["digest"]) for layer in manifest["layers"]],
        }

    def add(self, document: dict[str, Any], **members: str) -> dict[str, Any]:
        """Adds a manifest or an index, and gives its entry."""
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.files[_blob(digest)] = content
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(content)} | members

    def write(self) -> None:
        self.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": self.entries}).encode()
        self.files["manifest.json"] = json.dumps(self.docker).encode()
        self.path.write_bytes(tar_of(self.files.items()))


@pytest.fixture
def saved(tmp_path: Path, key: SigningKey) -> Saved:
    return Saved(tmp_path, key)


def _only_entry(directory: Path) -> dict[str, Any]:
    (entry,) = json.loads((directory / "index.json").read_bytes())["manifests"]
    return {name: entry[name] for name in ("mediaType", "digest", "size")}


def _blob(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def _members(path: Path) -> dict[str, bytes]:
    import tarfile

    with tarfile.open(path) as read:
        files = {member.name: read.extractfile(member) for member in read.getmembers()}
        return {name: file.read() for name, file in files.items() if file}


Change = Callable[[Saved], None]


def other_image(saved: Saved) -> None:
    saved.docker = [saved.described(saved.evil, GOOD)]


def other_layers(saved: Saved) -> None:
    saved.docker[0]["Layers"] = saved.described(saved.evil)["Layers"]


def other_config_under_the_name_of_the_good_one(saved: Saved) -> None:
    config = _blob(json.loads(saved.files[_blob(saved.evil["digest"])])["config"]["digest"])
    saved.docker[0]["Config"] = f"./{saved.docker[0]['Config']}/../{config.rpartition('/')[2]}"


def a_second_image_in_docker_s_list(saved: Saved) -> None:
    saved.docker.append(saved.described(saved.evil, EVIL))


def nothing_in_docker_s_list(saved: Saved) -> None:
    saved.docker = []


def a_second_image_in_the_index_as_signature(saved: Saved) -> None:
    saved.entries.append(saved.named(saved.evil, EVIL, kind=KIND))
    saved.docker.append(saved.described(saved.evil, EVIL))


def a_second_image_named_like_a_signature(saved: Saved) -> None:
    name = {"org.opencontainers.image.ref.name": f"sha256-{'0' * 64}.sig"}
    saved.entries.append(saved.evil | {"annotations": name})
    saved.docker.append(saved.described(saved.evil))


def a_second_image_with_a_subject(saved: Saved) -> None:
    evil = json.loads(saved.files[_blob(saved.evil["digest"])]) | {"subject": saved.good}
    entry = saved.add(evil)
    saved.entries.append(saved.named(entry, EVIL))
    saved.docker.append(saved.described(entry, EVIL))


def a_signature_with_the_name_of_an_image(saved: Saved) -> None:
    (aside,) = [name for name in saved.files if name == "imagesig-index.json"]
    signature = json.loads(saved.files[aside])["manifests"][0]
    saved.entries.append(saved.named(signature, EVIL, kind=KIND))


def an_index_of_images_as_signature(saved: Saved) -> None:
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [saved.evil]}
    saved.entries.append(saved.add(index) | {"annotations": {"kind": KIND}})


def names_exchanged(saved: Saved) -> None:
    saved.entries = [saved.named(saved.good, GOOD), saved.named(saved.evil, EVIL)]
    saved.docker = [saved.described(saved.good, EVIL), saved.described(saved.evil, GOOD)]


def images_of_before_docker_1_10(saved: Saved) -> None:
    del saved.files["manifest.json"]
    saved.files |= {"repositories": b'{"team/app":{"1.0":"x"}}', "x/json": b"{}", "x/layer.tar": b"", "x/VERSION": b"1"}
    saved.write = lambda: saved.path.write_bytes(tar_of(saved.files.items()))  # type: ignore[assignment, method-assign]


def the_good_image_aside(saved: Saved) -> None:
    aside = json.loads(saved.files["imagesig-index.json"])
    aside["manifests"].append(saved.named(saved.good, GOOD))
    saved.files["imagesig-index.json"] = json.dumps(aside).encode()
    saved.entries = [saved.named(saved.evil, EVIL)]
    saved.docker = [saved.described(saved.evil, EVIL)]


CHANGES = [
    other_image,
    other_layers,
    other_config_under_the_name_of_the_good_one,
    a_second_image_in_docker_s_list,
    nothing_in_docker_s_list,
    a_second_image_in_the_index_as_signature,
    a_second_image_named_like_a_signature,
    a_second_image_with_a_subject,
    a_signature_with_the_name_of_an_image,
    an_index_of_images_as_signature,
    names_exchanged,
    images_of_before_docker_1_10,
    the_good_image_aside,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_an_archive_from_which_others_load_another_image_is_refused(
    form: str, change: Change, saved: Saved, key: SigningKey
) -> None:
    assert imagesig.verify(f"{form}:{saved.path}", key).signatures
    change(saved)
    saved.write()
    with pytest.raises((MalformedError, InvalidArgument)):
        imagesig.verify(f"{form}:{saved.path}", key)


@pytest.mark.parametrize(
    "change", [other_image, names_exchanged, the_good_image_aside], ids=lambda change: change.__name__
)
@pytest.mark.parametrize("name", ["1.0", "team/app:1.0"])
def test_naming_the_image_does_not_help_where_its_name_means_another_one(
    name: str, change: Change, saved: Saved, key: SigningKey
) -> None:
    change(saved)
    saved.write()
    with pytest.raises((MalformedError, InvalidArgument)):
        imagesig.verify(f"docker-archive:{saved.path}:{name}", key)


def test_the_two_names_of_an_entry_may_not_lead_to_two_images(saved: Saved, key: SigningKey) -> None:
    """skopeo takes the short name, Docker the whole one."""
    reference = "org.opencontainers.image.ref.name"
    saved.entries = [saved.named(saved.good, EVIL, **{reference: "2.0"}), saved.named(saved.evil, "docker.io/x/y:2.0")]
    saved.entries[1]["annotations"][reference] = "3.0"
    del saved.files["manifest.json"]
    saved.path.write_bytes(
        tar_of((saved.files | {"index.json": json.dumps({"manifests": saved.entries}).encode()}).items())
    )
    with pytest.raises(MalformedError, match="names 2 different"):
        imagesig.verify(f"oci-archive:{saved.path}:2.0", key)


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_a_platform_that_docker_s_description_does_not_name_is_refused(
    form: str, tmp_path: Path, key: SigningKey
) -> None:
    home = Layout.create(tmp_path / "layout")
    build_index(home, {"a": b"b"}, "1.0")
    files = dict(files_of(tmp_path / "layout"))
    (entry,) = json.loads(files["index.json"])["manifests"]
    children = json.loads(files[_blob(entry["digest"])])["manifests"]
    manifest = json.loads(files[_blob(children[1]["digest"])])
    blobs = [_blob(layer["digest"]) for layer in manifest["layers"]]
    docker = [{"Config": _blob(manifest["config"]["digest"]), "RepoTags": ["team/app:1.0"], "Layers": blobs}]
    path = tmp_path / "saved.tar"
    path.write_bytes(tar_of((files | {"manifest.json": json.dumps(docker).encode()}).items()))
    imagesig.sign(f"{form}:{path}", key, identity="team/app:1.0")

    written = [f"{child['platform']['os']}/{child['platform']['architecture']}" for child in children]
    assert imagesig.verify(f"{form}:{path}", key).signatures
    assert imagesig.verify(f"{form}:{path}", key, platform=written[1]).signatures
    with pytest.raises(MalformedError, match="another platform"):
        imagesig.verify(f"{form}:{path}", key, platform=written[0])


def test_an_archive_of_docker_takes_no_other_image(saved: Saved, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="docker save"):
        imagesig.copy(f"oci:{tmp_path / 'evil'}:1.0", f"oci-archive:{saved.path}:2.0")


@pytest.mark.parametrize("mark", [{"kind": KIND}, {"org.opencontainers.image.ref.name": f"sha256-{'0' * 64}.sig"}])
def test_an_image_that_a_layout_lists_as_signature_is_refused(
    mark: dict[str, str], tmp_path: Path, key: SigningKey
) -> None:
    home = Layout.create(tmp_path / "layout")
    build_image(home, {"a": b"good"}, PLATFORMS[0], "1.0")
    imagesig.sign(f"oci:{tmp_path / 'layout'}", key, identity="team/app:1.0")
    build_image(home, {"a": b"evil"}, PLATFORMS[0], "2.0")
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    (evil,) = [item for item in index["manifests"] if item.get("annotations", {}).get(_REF) == "2.0"]
    evil["annotations"] = mark
    (tmp_path / "layout" / "index.json").write_text(json.dumps(index))
    with pytest.raises(MalformedError, match="which other tools load"):
        imagesig.verify(f"oci:{tmp_path / 'layout'}", key)
    assert imagesig.verify(f"oci:{tmp_path / 'layout'}:1.0", key).signatures


_REF = "org.opencontainers.image.ref.name"


@pytest.mark.interop
@pytest.mark.parametrize("change", [None, *CHANGES], ids=lambda change: change.__name__ if change else "as it was")
@pytest.mark.parametrize("name", ["", "team/app:1.0"])
@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_skopeo_takes_what_we_verify_or_nothing(
    form: str, name: str, change: Change | None, saved: Saved, key: SigningKey
) -> None:
    if change:
        change(saved)
    saved.write()
    tag = name.rpartition(":")[2] if form == "oci-archive" else name
    where = f"{form}:{saved.path}" + (f":{tag}" if tag else "")
    try:
        imagesig.verify(where, key)
    except ImagesigError:
        assert change
        return
    command = [binary("skopeo"), "inspect", "--config", "--raw", where]
    done = subprocess.run([str(word) for word in command], capture_output=True)
    config = json.loads(saved.files[_blob(saved.good["digest"])])["config"]["digest"]
    assert done.returncode or f"sha256:{hashlib.sha256(done.stdout).hexdigest()}" == config
    assert change or not done.returncode, done.stderr
