"""An index that nobody signed says nothing of its children (1c), and nothing that is signed is taken from it (1d)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imagesig import Policy, SigningKey, copy, registry, sign, verify
from imagesig.errors import DigestMismatch, ImageNotFound, InvalidArgument, MalformedError
from imagesig.images.build import build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.source import ImageHome
from imagesig.keys.file.provider import FileKey
from imagesig.oci.descriptor import Descriptor, Platform
from imagesig.oci.digest import sha256, tag_of
from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Index, Manifest
from imagesig.policy import Identity, Rule
from imagesig.policy.requirement import AcceptAnything
from imagesig.testing import InMemoryRegistry
from tests.attacks.subject_homes import NAME
from tests.chains import certified, trusting
from tests.cli.test_commands import imagesig as command
from tests.makers import NOW
from tests.peers import binary

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
ARM6 = Platform("linux", "arm", "v6")
ANY_NAME = Identity.any()
UNVERIFIED = Policy(Rule((AcceptAnything(),)))


@pytest.fixture(params=["layout", "registry"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Image]:
    if request.param == "layout":
        made = Layout.create(tmp_path / "layout")
        yield Image(made, "1.0", made)
    else:
        with InMemoryRegistry() as server:
            yield registry(f"{server.host}/team/app:1.0", credentials=("", ""))


def at(image: Image, target: str) -> Image:
    return Image(image.home, target, image.signatures, image.name, image.timeout, image.place)


def listing(home: ImageHome, *children: tuple[Descriptor, Platform | None], tag: str = "1.0") -> Descriptor:
    """An index that lists these children for these platforms, whatever they are."""
    listed = [Descriptor(item.media_type, item.digest, item.size, platform=platform) for item, platform in children]
    return home.put_manifest(Index(tuple(listed)).to_bytes(), OCI_INDEX, tag)


def image_of(home: ImageHome, config: object, tag: str = "") -> Descriptor:
    """An image of one platform whose config is this document, or these bytes."""
    content = config if isinstance(config, bytes) else json.dumps(config).encode()
    manifest = Manifest(home.put_blob(content, OCI_CONFIG), ())
    return home.put_manifest(manifest.to_bytes(), OCI_MANIFEST, tag)


def accepts(image: Image, key: SigningKey, platform: str) -> bool:
    try:
        return bool(verify(image, Policy.any_of(key, identity=ANY_NAME), platform=platform).signatures)
    except ImageNotFound:
        return False


# --- 1c ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["cosign", "bundle"])
def test_a_signed_image_that_is_listed_for_another_platform_is_not_that_platform(
    home: Image, key: SigningKey, format_name: str
) -> None:
    arm = build_image(home.home, {"a": b"b"}, ARM64)
    sign(at(home, arm.digest), key, formats=[format_name])
    listing(home.home, (arm, AMD64))
    assert not accepts(home, key, "linux/amd64")
    listing(home.home, (arm, ARM64))
    assert accepts(home, key, "linux/arm64")


def test_an_index_that_was_signed_says_which_child_is_for_which_platform(home: Image, key: SigningKey) -> None:
    arm = build_image(home.home, {"a": b"b"}, ARM64)
    listing(home.home, (arm, AMD64))
    sign(home, key, recursive=False)
    result = verify(home, Policy.any_of(key, identity=ANY_NAME), platform="linux/amd64")
    assert result.through_index
    sign(home, key)
    assert verify(home, Policy.any_of(key, identity=ANY_NAME), platform="linux/amd64").through_index


@pytest.mark.parametrize(
    ("config", "listed", "wanted", "fits"),
    [
        ({"os": "linux", "architecture": "amd64"}, AMD64, "linux/amd64", True),
        ({"os": "windows", "architecture": "amd64"}, AMD64, "linux/amd64", False),
        ({"os": "Linux", "architecture": "x86_64"}, AMD64, "linux/amd64", True),
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, ARM64, "linux/arm64", True),
        ({"os": "linux", "architecture": "arm64"}, Platform("linux", "arm64", "v8"), "linux/arm64/v8", True),
        ({"os": "linux", "architecture": "amd64", "variant": "v3"}, AMD64, "linux/amd64", False),
        ({"os": "linux", "architecture": "amd64", "variant": "v1"}, AMD64, "linux/amd64", True),
        (
            {"os": "linux", "architecture": "arm", "variant": "v7"},
            Platform("linux", "arm", "v6"),
            "linux/arm/v6",
            False,
        ),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, ARM6, "linux/arm", False),
        ({"os": "linux", "architecture": "arm", "variant": "v6"}, ARM6, "linux/arm", True),
        ({"os": "linux", "architecture": "arm"}, ARM6, "linux/arm/v6", True),
        ({"os": "linux"}, AMD64, "linux/amd64", False),
        ({"architecture": "amd64"}, AMD64, "linux/amd64", False),
        ({"os": ["linux"], "architecture": "amd64"}, AMD64, "linux/amd64", False),
        ({"os": "linux", "architecture": "amd64", "variant": 1}, AMD64, "linux/amd64", False),
        ({}, AMD64, "linux/amd64", False),
        ([], AMD64, "linux/amd64", False),
        (b"\x1f\x8b no JSON", AMD64, "linux/amd64", False),
    ],
)
def test_the_config_says_what_an_image_is_for(
    home: Image, key: SigningKey, config: object, listed: Platform, wanted: str, fits: bool
) -> None:
    image = image_of(home.home, config)
    sign(at(home, image.digest), key, formats=["cosign"])
    listing(home.home, (image, listed))
    assert accepts(home, key, wanted) is fits


@pytest.mark.parametrize(
    ("version", "listed", "wanted", "fits"),
    [
        ("10.0.17763.6893", "10.0.17763.6893", "windows(10.0.17763.6893)/amd64", True),
        ("10.0.17763.6893", "10.0.17763.6893", "windows/amd64:10.0.17763.6893", True),
        ("10.0.17763.6893", "10.0.17763.6893", "windows(10.0.17763)/amd64", True),
        ("10.0.17763.6893", "10.0.17763.6893", "windows/amd64", True),
        ("10.0.20348.1", "10.0.17763.6893", "windows(10.0.17763.6893)/amd64", False),
        ("10.0.20348.1", "10.0.17763.6893", "windows/amd64", False),
        ("", "10.0.17763.6893", "windows(10.0.17763.6893)/amd64", True),
        ("10.0.17763.6893", "10.0.17763.6893", "windows(10.0.1776)/amd64", False),
    ],
)
def test_the_version_of_windows_is_compared_where_the_config_names_one(
    home: Image, key: SigningKey, version: str, listed: str, wanted: str, fits: bool
) -> None:
    config = {"os": "windows", "architecture": "amd64"} | ({"os.version": version} if version else {})
    image = image_of(home.home, config)
    sign(at(home, image.digest), key, formats=["cosign"])
    listed_as = {"os": "windows", "architecture": "amd64", "os.version": listed}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image.to_json() | {"platform": listed_as}]}
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    assert accepts(home, key, wanted) is fits


def test_windows_images_that_differ_by_version_alone_are_told_apart(home: Image, key: SigningKey) -> None:
    entries = []
    for version in ("10.0.17763.6893", "10.0.20348.1"):
        image = image_of(home.home, {"os": "windows", "architecture": "amd64", "os.version": version})
        platform = {"os": "windows", "architecture": "amd64", "os.version": version}
        entries.append(image.to_json() | {"platform": platform})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    sign(home, key)
    with pytest.raises(InvalidArgument):
        accepts(home, key, "windows/amd64")
    assert accepts(home, key, "windows(10.0.20348)/amd64")
    assert accepts(home, key, "windows/amd64:10.0.17763.6893")


def test_a_child_that_is_listed_twice_is_for_the_platform_of_its_config(home: Image, key: SigningKey) -> None:
    arm = build_image(home.home, {"a": b"b"}, ARM64)
    sign(at(home, arm.digest), key)
    for order in ((AMD64, ARM64), (ARM64, AMD64)):
        listing(home.home, *((arm, platform) for platform in order))
        assert not accepts(home, key, "linux/amd64")
        assert accepts(home, key, "linux/arm64")


def test_an_exact_match_comes_first_and_then_the_only_one_that_fits(home: Image, key: SigningKey) -> None:
    plain = build_image(home.home, {"a": b"plain"}, AMD64)
    second = build_image(home.home, {"a": b"second"}, Platform("linux", "amd64", "v2"))
    listing(home.home, (second, Platform("linux", "amd64", "v2")), (plain, AMD64))
    sign(home, key)
    by = Policy.any_of(key, identity=ANY_NAME)
    assert verify(home, by, platform="linux/amd64").digest == plain.digest
    assert verify(home, by, platform="linux/amd64/v2").digest == second.digest
    assert verify(home, by, platform="linux/x86_64/v1").digest == plain.digest
    listing(home.home, (second, Platform("linux", "amd64", "v2")))
    assert verify(home, by, platform="linux/amd64").digest == second.digest


def test_an_index_inside_an_index_is_no_image_of_a_platform(home: Image, key: SigningKey) -> None:
    inner = listing(home.home, (build_image(home.home, {"a": b"b"}, ARM64), ARM64), tag="inner")
    sign(at(home, inner.digest), key, recursive=False)
    listing(home.home, (inner, AMD64))
    assert not accepts(home, key, "linux/amd64")


def test_an_index_that_calls_an_index_a_manifest_is_not_believed(home: Image, key: SigningKey) -> None:
    inner = listing(home.home, (build_image(home.home, {"a": b"b"}, ARM64), ARM64), tag="inner")
    sign(at(home, inner.digest), key, recursive=False)
    listing(home.home, (Descriptor(OCI_MANIFEST, inner.digest, inner.size), AMD64))
    assert not accepts(home, key, "linux/amd64")


def test_a_child_without_its_config_is_no_image_of_a_platform(tmp_path: Path, key: SigningKey) -> None:
    made = Layout.create(tmp_path / "layout")
    image = build_image(made, {"a": b"b"}, AMD64)
    sign(layout(tmp_path / "layout", image.digest), key)
    listing(made, (image, AMD64))
    manifest = json.loads(made.read(image, limit=10**6))
    config = tmp_path / "layout" / "blobs" / "sha256" / manifest["config"]["digest"].removeprefix("sha256:")
    content = config.read_bytes()
    config.write_bytes(content.replace(b"amd64", b"arm64"))
    with pytest.raises((ImageNotFound, DigestMismatch)):
        verify(layout(tmp_path / "layout", "1.0"), key, platform="linux/amd64")
    config.unlink()
    with pytest.raises(ImageNotFound):
        verify(layout(tmp_path / "layout", "1.0"), key, platform="linux/amd64")


def test_a_copy_of_one_platform_compares_always(tmp_path: Path, key: SigningKey, key_folder: Path) -> None:
    made = Layout.create(tmp_path / "layout")
    arm = build_image(made, {"a": b"b"}, ARM64)
    listing(made, (arm, AMD64))
    source = f"oci:{tmp_path / 'layout'}:1.0"
    sign(source, key)  # the index too: but it is the child that is judged, and that has a digest of its own
    with pytest.raises(ImageNotFound):
        copy(source, f"oci:{tmp_path / 'there'}:1.0", platform="linux/amd64", admit=lambda image: verify(image, key))
    done = command(
        "copy", "--key", str(key_folder / "k.pub"), "--platform", "linux/amd64", source, f"oci:{tmp_path}/x:1"
    )
    assert done.returncode != 0
    assert not (tmp_path / "there").exists()


def test_an_image_that_passes_unverified_is_compared_too(tmp_path: Path) -> None:
    made = Layout.create(tmp_path / "layout")
    arm = build_image(made, {"a": b"b"}, ARM64)
    listing(made, (arm, AMD64))
    with pytest.raises(ImageNotFound):
        verify(layout(tmp_path / "layout", "1.0"), UNVERIFIED, platform="linux/amd64", allow_unverified=True)


@pytest.mark.parametrize("text", ["linux", "a/b/c/d", "/amd64", "linux/", "linux(1/amd64", "linux(1)/amd64:2", "l/a:"])
def test_an_invalid_platform_is_refused(tmp_path: Path, text: str) -> None:
    made = Layout.create(tmp_path / "layout")
    build_image(made, {"a": b"b"}, AMD64, "1.0")
    with pytest.raises(InvalidArgument):
        verify(layout(tmp_path / "layout", "1.0"), UNVERIFIED, platform=text, allow_unverified=True)


def test_by_digest_a_registry_is_asked_no_more_than_for_the_signatures(key: SigningKey) -> None:
    with InMemoryRegistry() as server:
        image = registry(f"{server.host}/team/app:1.0", credentials=("", ""))
        built = build_image(image.home, {"a": b"b"}, AMD64, "1.0")
        for formats, requests in ((["cosign"], 2), (["bundle"], 3)):
            sign(image, key, formats=formats)
            pinned = registry(f"{server.host}/team/app@{built.digest}", credentials=("", ""))
            server.requests.clear()
            verify(pinned, Policy.any_of(key, formats=formats, identity=ANY_NAME))
            assert len([item for item in server.requests if item.path != "/v2/"]) == requests


# --- 1d ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["size", "mediaType"])
def test_size_and_type_of_a_child_are_those_of_its_bytes(home: Image, member: str) -> None:
    child = build_image(home.home, {"a": b"b"}, AMD64)
    entry: dict[str, Any] = child.to_json()
    entry[member] = child.size + 1 if member == "size" else "application/vnd.docker.distribution.manifest.v2+json"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    signer = certified()
    key = FileKey(replace(signer.private_key, chain=signer.chain), "test key")
    signed = sign(home, key, formats=["notation-jws"], identity=NAME, now=NOW)
    assert [made.digest for made in signed.signatures][1:] == [child.digest]
    authority = trusting(signer.chain[-1]).authorities[0]
    assert verify(at(home, child.digest), Policy.any_of(authority), now=NOW).signatures


def test_a_child_that_is_not_there_is_not_signed_and_that_is_said(home: Image, key: SigningKey) -> None:
    missing = Descriptor(OCI_MANIFEST, "sha256:" + "ab" * 32, 7)
    there = build_image(home.home, {"a": b"b"}, AMD64)
    listing(home.home, (there, AMD64), (missing, ARM64))
    signed = sign(home, key)
    assert missing.digest not in {made.digest for made in signed.signatures}
    assert there.digest in {made.digest for made in signed.signatures}
    assert any(missing.digest in warning for warning in signed.warnings)


def _without_size(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "size"}


UNREADABLE = {
    "no size": _without_size,
    "a negative size": lambda entry: entry | {"size": -1},
    "an empty media type": lambda entry: entry | {"mediaType": ""},
    "no media type": lambda entry: {name: value for name, value in entry.items() if name != "mediaType"},
    "a null annotation": lambda entry: entry | {"annotations": {"a": None}},
    "another spelling of the platform": lambda entry: entry | {"size": -1, "platform": {"os": "Linux", **X86_64}},
}
X86_64 = {"architecture": "x86_64"}


@pytest.mark.parametrize("odd", UNREADABLE.values(), ids=UNREADABLE)
def test_an_entry_that_only_other_readers_read_is_not_passed_over_for_a_platform(
    home: Image, key: SigningKey, odd: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """skopeo and containerd take the first entry for the platform, and imagesig would verify the second."""
    good = image_of(home.home, {"os": "linux", "architecture": "amd64"})
    evil = image_of(home.home, {"os": "linux", "architecture": "amd64", "author": "somebody else"})
    sign(at(home, good.digest), key)
    entry = Descriptor(good.media_type, good.digest, good.size, platform=AMD64).to_json()
    unsigned = odd(entry | {"digest": evil.digest, "size": evil.size})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [unsigned, entry]}
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    by = Policy.any_of(key, identity=ANY_NAME)
    with pytest.raises(MalformedError, match="linux/amd64"):
        verify(home, by, platform="linux/amd64")


@pytest.mark.parametrize("odd", [None, {"platform": {"os": "linux", "architecture": "arm64"}}, {"digest": "sha256:1"}])
def test_an_unreadable_entry_for_another_platform_hides_none(
    home: Image, key: SigningKey, odd: dict[str, Any] | None
) -> None:
    good = image_of(home.home, {"os": "linux", "architecture": "amd64"})
    sign(at(home, good.digest), key)
    entry = Descriptor(good.media_type, good.digest, good.size, platform=AMD64).to_json()
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [odd, entry]}
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    assert accepts(home, key, "linux/amd64")


@pytest.mark.parametrize(
    "twin",
    [{"Digest": "sha256:" + 64 * "0"}, {"Platform": {"os": "linux"}}, {"SIZE": 3}, {"platform": {"OS": "linux"}}],
)
def test_an_index_with_two_spellings_in_an_entry_has_no_platforms(
    home: Image, key: SigningKey, twin: dict[str, Any]
) -> None:
    good = image_of(home.home, {"os": "linux", "architecture": "amd64"})
    sign(at(home, good.digest), key)
    entry = Descriptor(good.media_type, good.digest, good.size, platform=AMD64).to_json()
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry | twin, entry]}
    described = home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    by = Policy.any_of(key, identity=ANY_NAME)
    # The tag of a list of referrers is read entry by entry, where an index that is an image is not.
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, tag_of(described.digest))
    for target in ("1.0", described.digest, tag_of(described.digest)):
        with pytest.raises(MalformedError, match=r"case|may choose it"):
            verify(at(home, target), by, platform="linux/amd64")


@pytest.mark.interop
def test_skopeo_chooses_the_entry_that_imagesig_cannot_read(tmp_path: Path) -> None:
    made = Layout.create(tmp_path / "layout")
    good, evil = (build_image(made, {"a": content}, AMD64) for content in (b"good", b"evil"))
    entry = Descriptor(good.media_type, good.digest, good.size, platform=AMD64).to_json()
    unsigned = _without_size(entry) | {"digest": evil.digest}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [unsigned, entry]}
    made.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    source, target = f"oci:{tmp_path / 'layout'}:1.0", tmp_path / "copied"
    options = ["--insecure-policy", "--override-os=linux", "--override-arch=amd64"]
    subprocess.run([binary("skopeo"), *options, "copy", source, f"dir:{target}"], check=True, capture_output=True)
    assert sha256((target / "manifest.json").read_bytes()) == evil.digest


@pytest.mark.parametrize("odd", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_entry_for_the_chosen_manifest_itself_does_not_matter(
    home: Image, key: SigningKey, odd: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    good = image_of(home.home, {"os": "linux", "architecture": "amd64"})
    sign(at(home, good.digest), key)
    entry = Descriptor(good.media_type, good.digest, good.size, platform=AMD64).to_json()
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [odd(entry), entry]}
    home.home.put_manifest(json.dumps(index).encode(), OCI_INDEX, "1.0")
    assert accepts(home, key, "linux/amd64")
