"""`copy` copies an image with all that refers to it, loses nothing at the destination, and moves the tag last."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import Admit, aio, copy, inspect, limits, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.docker import ImageVerdict
from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    NoSignatures,
    NotFound,
    SignaturesUnsupported,
    TransportError,
)
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.images.registry.connect import registry, registry_client
from imagesig.images.source import ImageHome
from imagesig.images.transfer import BlobCount
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.listing import Listing
from imagesig.oci.manifest import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Index, Manifest
from imagesig.testing import Answer, InMemoryRegistry, Request

NAME = "registry.example/team/app:1.0"


pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [FileProvider(folder).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(3)]


@pytest.fixture(params=["api", "tag"])
def server(request: pytest.FixtureRequest) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(referrers_api=request.param == "api") as running:
        yield running


@pytest.fixture
def source(tmp_path: Path, keys: list[SigningKey]) -> str:
    """A signed index in a layout, with an attestation, and with an SBOM as a referrer that is signed itself."""
    home = Layout.create(tmp_path / "source")
    index = build_index(home, {"bin/app": b"hello"}, "1.0")
    sign(f"oci:{tmp_path / 'source'}:1.0", keys[0], identity=NAME)
    attach_tagged(home, index.digest, ".att", b"attestation")
    attach_tagged(home, index.digest, ".sbom", b"bill of material")
    sbom = refer(home, index, "application/spdx+json", b"{}")
    refer(home, sbom, "application/vnd.cncf.notary.signature", b"envelope")
    return f"oci:{tmp_path / 'source'}:1.0"


def attach_tagged(home: ImageHome, digest: str, suffix: str, content: bytes) -> None:
    config = home.put_blob(b"{}", OCI_EMPTY)
    layer = home.put_blob(content, "application/vnd.dsse.envelope.v1+json")
    home.put_manifest(Manifest(config, (layer,)).to_bytes(), OCI_MANIFEST, tag_of(digest, suffix))


def refer(home: ImageHome, subject: Descriptor, artifact_type: str, content: bytes) -> Descriptor:
    config = home.put_blob(b"{}", OCI_EMPTY)
    layer = home.put_blob(content, artifact_type)
    subject = Descriptor(subject.media_type, subject.digest, subject.size)
    manifest = Manifest(config, (layer,), subject=subject, artifact_type=artifact_type)
    home.add_referrer(manifest.to_bytes(), subject)()
    return Descriptor.of(manifest.to_bytes(), OCI_MANIFEST)


def image_at(server: InMemoryRegistry, path: str = "team/app") -> Image:
    return registry(f"{server.host}/{path}:1.0", client=registry_client(credentials=("user", "password")))


def states(copied: object) -> set[str]:
    return {manifest.state for manifest in copied.manifests}  # type: ignore[attr-defined]


def belongings(home: ImageHome, digest: str) -> set[str]:
    """The digests of all that belongs to a digest, and so on from there."""
    found = {referrer.digest for referrer in home.referrers(digest).entries}
    for suffix in (".sig", ".att", ".sbom"):
        try:
            found.add(home.resolve(tag_of(digest, suffix)).digest)
        except NotFound:
            continue
    return found.union(*(belongings(home, one) for one in found)) if found else found


def test_signatures_and_referrers_are_copied_there_and_back(
    server: InMemoryRegistry, source: str, tmp_path: Path, keys: list[SigningKey]
) -> None:
    opened = open_image(source)
    wanted = belongings(opened.home, opened.home.resolve("1.0").digest)
    assert len(wanted) == 6
    there = image_at(server)
    copied = copy(source, there, all_platforms=True)
    assert states(copied) == {"copied"}
    assert belongings(there.home, copied.digest) == wanted
    copy(there, f"oci-archive:{tmp_path / 'a.tar'}", all_platforms=True)
    back = open_image(f"oci-archive:{tmp_path / 'a.tar'}:1.0")
    assert belongings(back.home, copied.digest) == wanted
    for made in inspect(back).signatures:
        assert verify(f"oci-archive:{tmp_path / 'a.tar'}@{made.digest}", keys[0]).signatures


def test_a_second_copy_sends_nothing(server: InMemoryRegistry, source: str) -> None:
    copy(source, image_at(server), all_platforms=True)
    server.requests.clear()
    again = copy(source, image_at(server), all_platforms=True)
    assert states(again) == {"present"}
    assert (again.blobs.sent, again.blobs.mounted) == (0, 0)
    assert server.asked("PUT") == server.asked("POST") == 0


def test_progress_counts_the_blobs_up_to_those_of_the_result(server: InMemoryRegistry, source: str) -> None:
    seen: list[BlobCount] = []
    copied = copy(source, image_at(server), all_platforms=True, progress=seen.append)
    assert [count.sent for count in seen] == list(range(1, copied.blobs.sent + 1))
    assert seen[-1] == copied.blobs


def test_an_interrupted_copy_is_invisible_and_can_be_resumed(server: InMemoryRegistry, source: str) -> None:
    target = image_at(server)
    sent: list[Request] = []

    def gone_after_a_while(request: Request) -> Answer | None:
        sent.append(request)
        return Answer(403) if request.method in ("PUT", "POST") and len(sent) > 20 else None

    server.faults.append(gone_after_a_while)
    with pytest.raises(TransportError):
        copy(source, target, all_platforms=True)
    with pytest.raises(NotFound):
        target.home.resolve("1.0")
    server.faults.clear()
    copied = copy(source, image_at(server), all_platforms=True)
    assert copied.blobs.present > 0
    assert image_at(server).home.resolve("1.0").digest == copied.digest


def test_the_tag_is_written_last(server: InMemoryRegistry, source: str) -> None:
    copy(source, image_at(server), all_platforms=True)
    written = [request.path for request in server.requests if request.method in ("PUT", "POST")]
    assert written[-1].endswith("/manifests/1.0")
    assert sum(path.endswith("/manifests/1.0") for path in written) == 1


def test_signatures_at_the_destination_stay(
    server: InMemoryRegistry, source: str, tmp_path: Path, keys: list[SigningKey]
) -> None:
    target = image_at(server)
    copy(source, target, all_platforms=True, signatures=False)
    with pytest.raises(NoSignatures):
        verify(target, keys[0])
    sign(target, keys[1], identity=NAME)
    copied = copy(source, target, all_platforms=True)
    assert "merged" in states(copied)
    assert len(inspect(target).signatures) == 12
    for key in keys[:2]:
        assert {s.format for s in verify(f"{_as_layout(target, tmp_path, key)}", key).signatures} == {
            "cosign",
            "bundle",
        }


def _as_layout(image: Image, tmp_path: Path, key: SigningKey) -> str:
    """In a layout no name is asked for: what was signed under another name verifies."""
    where = f"oci:{tmp_path / key.info.public_key.fingerprint[-8:]}:1.0"
    copy(image, where, all_platforms=True)
    return where


def test_a_different_sbom_at_the_destination_is_kept_with_a_warning(server: InMemoryRegistry, source: str) -> None:
    target = image_at(server)
    copied = copy(source, target, all_platforms=True)
    attach_tagged(target.home, copied.digest, ".sbom", b"theirs")
    again = copy(source, target, all_platforms=True)
    assert states(again) == {"present", "kept"}
    assert any(".sbom" in warning for warning in again.warnings)


def test_one_platform_is_copied_under_its_own_digest(server: InMemoryRegistry, source: str) -> None:
    copied = copy(source, image_at(server), platform="linux/arm64")
    assert copied.platform == "linux/arm64"
    assert any("index" in warning for warning in copied.warnings)
    assert image_at(server).home.resolve("1.0").media_type == OCI_MANIFEST
    assert [manifest.kind for manifest in copied.manifests] == ["image", "tagged", "referrer"]


def test_this_machines_platform_is_the_default(
    server: InMemoryRegistry, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert copy(source, image_at(server)).platform == "linux/arm64"
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ImageNotFound, match="linux/amd64") as raised:
        copy(source, image_at(server))
    assert "--all-platforms" in raised.value.hint


def test_an_image_of_one_platform_needs_no_option(server: InMemoryRegistry, tmp_path: Path) -> None:
    build_image(Layout.create(tmp_path / "one"), {"a": b"b"}, PLATFORMS[1], "1.0")
    copied = copy(f"oci:{tmp_path / 'one'}:1.0", image_at(server))
    assert copied.platform == ""
    assert copied.warnings == ()


def test_admit_is_called_before_anything_is_written(source: str, tmp_path: Path) -> None:
    seen: list[str] = []

    def refuse(image: Image) -> None:
        seen.append(image.target)
        raise NoSignatures("not this one")

    with InMemoryRegistry() as server:
        for target in (image_at(server), f"oci:{tmp_path / 'new'}", f"oci-archive:{tmp_path / 'new.tar'}"):
            with pytest.raises(NoSignatures, match="not this one"):
                copy(source, target, all_platforms=True, admit=refuse)
        assert server.asked() == 0
    assert not list(tmp_path.glob("new*"))
    assert set(seen) == {open_image(source).home.resolve("1.0").digest}


async def asked_later(image: Image) -> None:
    raise NoSignatures(f"{image}: not this one")


@pytest.mark.parametrize(
    ("admit", "said"),
    [
        (lambda image: False, "returned False"),
        (lambda image: ImageVerdict(error=NoSignatures("not this one")), "returned"),
        (lambda image: [], "returned"),
        (asked_later, "async"),
        (lambda image: aio.verify(image, "release.pub"), "async"),
    ],
    ids=["false", "verdict", "empty", "async function", "async verify"],
)
def test_what_is_not_admitted_is_not_copied(admit: Admit, said: str, source: str, tmp_path: Path) -> None:
    async def copied() -> None:
        await aio.copy(source, f"oci:{tmp_path / 'later'}", all_platforms=True, admit=admit)

    with pytest.raises(InvalidArgument, match=said):
        copy(source, f"oci:{tmp_path / 'new'}", all_platforms=True, admit=admit)
    with pytest.raises(InvalidArgument, match=said):
        asyncio.run(copied())
    assert not {"new", "later"} & {path.name for path in tmp_path.iterdir()}


def test_the_admitted_image_is_the_copied_one(tmp_path: Path) -> None:
    home = Layout.create(tmp_path / "source")
    first = build_image(home, {"a": b"1"}, PLATFORMS[0], "1.0")

    def moved_meanwhile(image: Image) -> None:
        assert image.target == first.digest
        build_image(home, {"a": b"2"}, PLATFORMS[0], "1.0")

    assert (
        copy(f"oci:{tmp_path / 'source'}:1.0", f"oci:{tmp_path / 'to'}", admit=moved_meanwhile).digest == first.digest
    )


def test_a_blob_that_was_cut_short_at_the_destination_is_sent_again(source: str, tmp_path: Path) -> None:
    copy(source, f"oci:{tmp_path / 'to'}:1.0", all_platforms=True)
    blob = min((tmp_path / "to" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    whole = blob.read_bytes()
    blob.write_bytes(whole[:1])
    assert copy(source, f"oci:{tmp_path / 'to'}:1.0", all_platforms=True).blobs.sent == 1
    assert blob.read_bytes() == whole


def test_an_image_gets_another_tag_in_its_own_home(source: str, tmp_path: Path, keys: list[SigningKey]) -> None:
    copy(source, f"oci-archive:{tmp_path / 'a.tar'}", all_platforms=True)
    for prefix, path in (("oci", "source"), ("oci-archive", "a.tar")):
        image = f"{prefix}:{tmp_path / path}"
        copied = copy(f"{image}:1.0", f"{image}:2.0", all_platforms=True)
        assert copied.blobs.sent == 0
        assert verify(f"{image}:2.0", keys[0]).digest == verify(f"{image}:1.0", keys[0]).digest


# --- where signatures cannot follow -----------------------------------------------------------------------------------


def test_a_destination_that_cannot_store_all_signatures_is_refused_before_anything_is_written(
    source: str, tmp_path: Path
) -> None:
    with pytest.raises(SignaturesUnsupported):
        copy(source, f"dir:{tmp_path / 'dir'}", all_platforms=True)
    assert not (tmp_path / "dir").exists()
    assert copy(source, f"dir:{tmp_path / 'dir'}", all_platforms=True, signatures=False).digest


def test_classic_signatures_are_copied_into_a_directory_and_out_of_it(tmp_path: Path, keys: list[SigningKey]) -> None:
    build_index(Layout.create(tmp_path / "source"), {"a": b"b"}, "1.0")
    sign(f"oci:{tmp_path / 'source'}:1.0", keys[0], formats=["cosign"])
    copy(f"oci:{tmp_path / 'source'}:1.0", f"dir:{tmp_path / 'dir'}", all_platforms=True)
    assert verify(f"dir:{tmp_path / 'dir'}", keys[0]).signatures
    copy(f"dir:{tmp_path / 'dir'}", f"oci:{tmp_path / 'back'}:1.0", all_platforms=True)
    assert len(inspect(f"oci:{tmp_path / 'back'}:1.0").signatures) == 3
    assert verify(f"oci:{tmp_path / 'back'}:1.0", keys[0], platform="linux/arm64").signatures


def test_signature_files_with_openpgp_messages_are_not_lost_silently(tmp_path: Path) -> None:
    build_image(Layout.create(tmp_path / "source"), {"a": b"b"}, PLATFORMS[0], "1.0")
    copy(f"oci:{tmp_path / 'source'}:1.0", f"dir:{tmp_path / 'dir'}")
    (tmp_path / "dir" / "signature-1").write_bytes(b"\x90openpgp")
    with pytest.raises(SignaturesUnsupported, match="OpenPGP"):
        copy(f"dir:{tmp_path / 'dir'}", f"oci:{tmp_path / 'to'}:1.0")
    copy(f"dir:{tmp_path / 'dir'}", f"dir:{tmp_path / 'other'}")
    assert (tmp_path / "other" / "signature-1").read_bytes() == b"\x90openpgp"


def test_a_referrer_of_an_unknown_type_is_left_out_and_named(server: InMemoryRegistry, tmp_path: Path) -> None:
    image = image_at(server)
    built = build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    old = {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "digest": "sha256:" + "0" * 64, "size": 7}
    listing = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [old]}).encode()
    server.faults.append(
        lambda request: (
            Answer(200, listing, {"content-type": OCI_INDEX})
            if "/referrers/" in request.path or request.path.endswith(tag_of(built.digest))
            else None
        )
    )
    copied = copy(image, f"oci:{tmp_path / 'to'}")
    assert [item.state for item in copied.manifests] == ["copied", "left out"]
    assert "artifact" in copied.warnings[0]


# --- hostile and broken sources ---------------------------------------------------------------------------------------


def test_bytes_with_another_digest_are_not_copied(server: InMemoryRegistry, tmp_path: Path) -> None:
    image = image_at(server)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    server.faults.append(lambda request: Answer(200, b"x" * 10) if "/blobs/" in request.path else None)
    with pytest.raises(DigestMismatch):
        copy(image, f"oci-archive:{tmp_path / 'to.tar'}")
    assert not (tmp_path / "to.tar").exists()


def test_a_source_that_fails_to_list_signatures_is_an_error_not_unsigned(
    server: InMemoryRegistry, tmp_path: Path
) -> None:
    image = image_at(server)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    for path in (".sig", "/referrers/"):
        server.faults[:] = [lambda request, path=path: Answer(503) if path in request.path else None]
        with pytest.raises(TransportError):
            copy(image, f"oci:{tmp_path / 'to'}:1.0")
    assert not (tmp_path / "to").exists()


def test_a_listed_manifest_that_does_not_refer_to_the_image_is_left_out_and_named(
    server: InMemoryRegistry, tmp_path: Path
) -> None:
    image = image_at(server)
    built = build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    other = build_image(image.home, {"a": b"c"}, PLATFORMS[0], "2.0")
    entry = {"mediaType": other.media_type, "digest": other.digest, "size": other.size}
    listing = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    server.faults.append(
        lambda request: (
            Answer(200, listing, {"content-type": OCI_INDEX})
            if request.path.endswith((f"/referrers/{built.digest}", tag_of(built.digest)))
            else None
        )
    )
    copied = copy(image, f"oci:{tmp_path / 'to'}:1.0")
    assert [(item.digest, item.state) for item in copied.manifests[1:]] == [(other.digest, "left out")]
    assert "is listed as a referrer" in copied.warnings[0]
    assert not open_image(f"oci:{tmp_path / 'to'}:1.0").home.has(other.digest)


def test_an_entry_of_a_listing_that_cannot_be_read_is_left_out_and_named(
    server: InMemoryRegistry, tmp_path: Path, keys: list[SigningKey]
) -> None:
    """Anyone who may push can add one: it stops no copy, and takes no signature with it."""
    image = image_at(server)
    built = build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    sign(image, keys[0], formats=["bundle"], identity=NAME)
    signature = image.signatures.referrers(built.digest).entries[0]
    malformed = {"mediaType": OCI_MANIFEST, "digest": "sha256:short", "size": 7}
    listing = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [malformed, signature.to_json()]})
    server.faults.append(
        lambda request: (
            Answer(200, listing.encode(), {"content-type": OCI_INDEX})
            if request.path.endswith((f"/referrers/{built.digest}", tag_of(built.digest)))
            else None
        )
    )
    copied = copy(image, f"oci:{tmp_path / 'to'}:1.0")
    assert [warning for warning in copied.warnings if "manifests 0" in warning and "left out" in warning]
    assert [item.digest for item in copied.manifests if item.kind == "referrer"] == [signature.digest]
    assert verify(f"oci:{tmp_path / 'to'}:1.0", keys[0]).signatures


def test_a_listing_with_more_entries_than_are_read_is_not_copied_in_part(
    server: InMemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_at(server)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    monkeypatch.setattr("imagesig.images.registry.repository.RegistryRepository.referrers", lambda *_: _too_many())
    with pytest.raises(LimitExceeded, match="too many"):
        copy(image, f"oci:{tmp_path / 'to'}:1.0")
    assert not (tmp_path / "to").exists()


def _too_many() -> Listing:
    return Listing(limited=LimitExceeded("too many"))


def test_a_listed_platform_that_is_missing_is_left_out_and_named(tmp_path: Path) -> None:
    home = Layout.create(tmp_path / "sparse")
    there = build_image(home, {"a": b"b"}, PLATFORMS[0])
    missing = Descriptor(OCI_MANIFEST, "sha256:" + "0" * 64, 100, platform=PLATFORMS[1])
    home.put_manifest(Index((there, missing)).to_bytes(), OCI_INDEX, "1.0")
    copied = copy(f"oci:{tmp_path / 'sparse'}:1.0", f"oci:{tmp_path / 'to'}", all_platforms=True)
    assert {item.label: item.state for item in copied.manifests if item.kind == "platform"} == {
        "linux/amd64": "copied",
        "linux/arm64/v8": "left out",
    }
    assert "linux/arm64" in copied.warnings[0]
    assert copy(f"oci:{tmp_path / 'sparse'}:1.0", f"oci:{tmp_path / 'to'}", platform="linux/amd64").digest


def test_nested_referrers_are_limited(tmp_path: Path) -> None:
    home = Layout.create(tmp_path / "source")
    subject = build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    for number in range(limits.REFERRER_DEPTH + 1):
        subject = refer(home, subject, "text/plain", b"%d" % number)
    with pytest.raises(LimitExceeded):
        copy(f"oci:{tmp_path / 'source'}:1.0", f"oci:{tmp_path / 'to'}")


def test_too_many_manifests_are_refused(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in (("COPIED_MANIFESTS", 5), ("COPIED_MANIFEST_BYTES", 2000)):
        with monkeypatch.context() as changed:
            changed.setattr(limits, limit, value)
            with pytest.raises(LimitExceeded):
                copy(source, f"oci:{tmp_path / 'to'}", all_platforms=True)


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_destination_without_a_tag_gets_the_tag_of_the_source(source: str, tmp_path: Path) -> None:
    assert copy(source, f"oci-archive:{tmp_path / 'a.tar'}", all_platforms=True).tag == "1.0"
    assert open_image(f"oci-archive:{tmp_path / 'a.tar'}:1.0")
    assert copy(f"oci-archive:{tmp_path / 'a.tar'}", f"oci:{tmp_path / 'b'}", all_platforms=True).tag == "1.0"
    by_digest = f"oci:{tmp_path / 'source'}@{inspect(source).signatures[-1].digest}"
    assert copy(by_digest, f"oci:{tmp_path / 'c'}", all_platforms=True).tag == "latest"


def test_a_destination_by_digest_accepts_only_that_image(server: InMemoryRegistry, source: str) -> None:
    digest = open_image(source).home.resolve("1.0").digest
    client = registry_client(credentials=("user", "password"))
    there = registry(f"{server.host}/team/app@{digest}", client=client)
    assert copy(source, there, all_platforms=True).tag == ""
    assert there.home.has(digest)
    elsewhere = registry(f"{server.host}/team/app@sha256:{'0' * 64}", client=client)
    with pytest.raises(InvalidArgument, match="has another digest"):
        copy(source, elsewhere, all_platforms=True)


def test_contradictions_and_missing_images_are_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be combined"):
        copy(source, f"oci:{tmp_path / 'to'}", all_platforms=True, platform="linux/arm64")
    with pytest.raises(ImageNotFound):
        copy(source.replace(":1.0", ":2.0"), f"oci:{tmp_path / 'to'}")
    with pytest.raises(ImageNotFound):
        copy(source, f"oci:{tmp_path / 'to'}", platform="linux/s390x")
    with pytest.raises(InvalidArgument):
        copy(source, "registry.example/UPPER")
    assert not (tmp_path / "to").exists()


def test_the_timeout_limits_the_whole_copy(server: InMemoryRegistry, source: str) -> None:
    with pytest.raises(DeadlineExceeded):
        copy(source, image_at(server), all_platforms=True, timeout=0)


def test_several_images_share_a_layout(source: str, tmp_path: Path, keys: list[SigningKey]) -> None:
    build_image(Layout.create(tmp_path / "other"), {"a": b"other"}, PLATFORMS[0], "2.0")
    sign(f"oci:{tmp_path / 'other'}:2.0", keys[1])
    for image in (source, f"oci:{tmp_path / 'other'}:2.0"):
        copy(image, f"oci-archive:{tmp_path / 'both.tar'}", all_platforms=True)
    assert verify(f"oci-archive:{tmp_path / 'both.tar'}:1.0", keys[0]).signatures
    assert verify(f"oci-archive:{tmp_path / 'both.tar'}:2.0", keys[1]).signatures
