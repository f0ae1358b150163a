"""`tree` and `download`: foreign artifacts hide no good one, cost little, and what is not shown is said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import imagesig
from imagesig import download, limits, tree
from imagesig.errors import LimitExceeded, NoSignatures, NotFound
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.registry.connect import registry
from imagesig.oci.descriptor import Annotations, Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import EMPTY_CONFIG, OCI_EMPTY, OCI_MANIFEST, Manifest
from imagesig.testing import InMemoryRegistry
from tests.api.attached.test_attached import DSSE, SPDX, add_buildkit, add_referrer, flat, statement
from tests.commands import run_here

SBOM = "application/vnd.cyclonedx+json"
GOOD = b'{"bomFormat":"CycloneDX","components":["' + b"x" * 500 + b'"]}'
MISSING = Descriptor(SBOM, "sha256:" + "66" * 32, 400)
LARGE = Descriptor(SBOM, "sha256:" + "77" * 32, 10 * 2**30)


class Stage:
    def __init__(self, server: InMemoryRegistry) -> None:
        self.server = server
        self.image = registry(f"{server.host}/app:1")
        self.home = self.image.home
        self.root = build_image(self.home, {"a": b"b"}, PLATFORMS[0], "1")
        self.name = f"{server.host}/app:1"

    def foreign(self, count: int, kind: str = "application/vnd.example") -> None:
        for number in range(count):
            add_referrer(self.home, self.root, b"%d" % number, kind)

    def broken(self, blob: Descriptor) -> None:
        config = self.home.put_blob(EMPTY_CONFIG, OCI_EMPTY)
        noted = Annotations({"number": str(len(self.server.requests))})
        manifest = Manifest(config, (blob,), OCI_MANIFEST, noted, self.root, SBOM)
        self.server.put_manifest("app", manifest.to_bytes(), OCI_MANIFEST)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with InMemoryRegistry(lists_types=True) as server:
        yield Stage(server)


def contents(stage: Stage, **options: bool) -> list[bytes]:
    return [item.content for item in download(stage.image, "sbom", **options)]  # type: ignore[arg-type]


def test_many_foreign_referrers_hide_no_sbom(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFERRERS", 5)
    stage.foreign(8)
    add_referrer(stage.home, stage.root, GOOD, SBOM)

    assert contents(stage, allow_incomplete=True) == [GOOD]
    with pytest.raises(LimitExceeded, match="9 entries, 5 are read"):
        contents(stage)
    done = run_here("download", "sbom", stage.name)
    assert (done.exit_code, done.stdout) == (1, GOOD.decode())
    assert "9 entries, 5 are read" in done.stderr


def test_what_is_beyond_a_limit_is_never_reported_as_missing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFERRERS", 5)
    stage.foreign(8)
    for kind in ("sbom", "attestation", "signature"):
        with pytest.raises(LimitExceeded):
            download(stage.image, kind)
        assert run_here("download", kind, stage.name).exit_code == 1


def test_a_tree_with_more_than_is_read_says_that_it_is_incomplete(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REFERRERS", 5)
    stage.foreign(8)
    with pytest.raises(LimitExceeded):
        tree(stage.image)
    assert isinstance(tree(stage.image, allow_incomplete=True).failure, LimitExceeded)
    done = run_here("tree", "--output", "json", stage.name)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["images"][0]["complete"] is False


def test_referrers_do_not_hide_the_images_of_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry() as server:
        stage = Stage(server)
        stage.root = add_buildkit(stage.home, build_index(stage.home, {"a": b"b"}, "2"), [statement(SPDX, {"good": 1})])
        image = registry(f"{server.host}/app:built")
        stage.foreign(10)
        platforms = sum(bool(node.platform) for node in flat(tree(image).root))
        monkeypatch.setattr(limits, "INDEX_CHILDREN", 8)
        assert sum(bool(node.platform) for node in flat(tree(image).root)) == platforms > 0
        assert [json.loads(item.content) for item in download(image, "sbom")] == [{"good": 1}]


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("blob", [MISSING, LARGE], ids=["missing", "too large"])
def test_an_sbom_that_cannot_be_read_keeps_no_other_from_being_written(stage: Stage, blob: Descriptor) -> None:
    for _ in range(limits.UNREAD_BLOBS + 2):
        stage.broken(blob)
    add_referrer(stage.home, stage.root, GOOD, SBOM)

    assert contents(stage, allow_incomplete=True) == [GOOD]
    with pytest.raises((LimitExceeded, NotFound)):
        contents(stage)
    done = run_here("download", "sbom", stage.name)
    assert done.stdout == GOOD.decode()
    assert blob.digest in done.stderr
    assert done.exit_code != 0


def test_small_sboms_are_read_before_large_ones(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTESTATION_BYTES_PER_IMAGE", 1000)
    for letter in (b"y", b"z"):
        add_referrer(stage.home, stage.root, letter * 900, SBOM)
    add_referrer(stage.home, stage.root, GOOD, SBOM)
    assert contents(stage, allow_incomplete=True) == [GOOD]


def test_thousands_of_layers_cost_a_limited_number_of_requests(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFERRERS", 20)
    blob = stage.home.put_blob(b'{"payload":""}', DSSE)
    config = stage.home.put_blob(EMPTY_CONFIG, OCI_EMPTY)
    stage.home.put_manifest(
        Manifest(config, (blob,) * 60, OCI_MANIFEST).to_bytes(), OCI_MANIFEST, tag_of(stage.root.digest, ".att")
    )
    before = len(stage.server.requests)
    assert len(download(stage.image, "attestation", allow_incomplete=True)) == 20
    assert len(stage.server.requests) - before < 40
    with pytest.raises(LimitExceeded, match="at most 20 are read"):
        download(stage.image, "attestation")


def test_what_hangs_on_platforms_costs_a_download_nothing() -> None:
    with InMemoryRegistry() as server:
        stage = Stage(server)
        stage.root = build_index(stage.home, {"a": b"b"}, "2")
        add_referrer(stage.home, stage.root, GOOD, SBOM)
        image = registry(f"{server.host}/app:2")
        before = len(server.requests)
        assert len(download(image, "sbom")) == 1
        assert len(server.requests) - before < 12


def test_an_unsigned_image_without_anything_is_still_reported_as_such(stage: Stage) -> None:
    stage.foreign(3)
    with pytest.raises(NoSignatures):
        download(stage.image, "sbom")
    assert isinstance(imagesig.tree(stage.image), imagesig.ImageTree)
