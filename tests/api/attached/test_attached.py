"""`tree` and `download` over images on which a lot hangs, in every way it can be stored, and broken."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import ArtifactKind, TreeNode, download, limits, tree
from imagesig.effort import ALLOWANCE, Cost
from imagesig.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatures,
    TransportError,
)
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.oci.descriptor import Annotations, Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import EMPTY_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Index, Manifest
from imagesig.oci.platform import Platform
from imagesig.testing import InMemoryRegistry, MemoryProvider
from imagesig.testing.loopback_server import Answer
from tests.commands import run_here

SLSA, SPDX = "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"
DSSE, BUNDLE = "application/vnd.dsse.envelope.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"


def statement(predicate_type: str, predicate: Any, digest: str = "sha256:" + "0" * 64) -> bytes:
    subject = [{"name": "_", "digest": {"sha256": digest.removeprefix("sha256:")}}]
    document = {"_type": "https://in-toto.io/Statement/v0.1", "subject": subject, "predicateType": predicate_type}
    return json.dumps({**document, "predicate": predicate}).encode()


def envelope(payload: bytes) -> dict[str, Any]:
    signatures = [{"sig": "AAAA"}]
    return {"payload": base64.b64encode(payload).decode(), "payloadType": IN_TOTO, "signatures": signatures}


def bundle(payload: bytes) -> bytes:
    return json.dumps({"mediaType": BUNDLE, "verificationMaterial": {}, "dsseEnvelope": envelope(payload)}).encode()


def put_layers(home: Any, tag: str, layers: list[tuple[bytes, str, dict[str, str]]]) -> None:
    config = home.put_blob(EMPTY_CONFIG, OCI_EMPTY)
    stored = [(home.put_blob(content, kind), noted) for content, kind, noted in layers]
    entries = tuple(Descriptor(item.media_type, item.digest, item.size, Annotations(noted)) for item, noted in stored)
    home.put_manifest(Manifest(config, entries).to_bytes(), OCI_MANIFEST, tag)


def add_referrer(home: Any, subject: Descriptor, content: bytes, kind: str, **noted: str) -> Descriptor:
    config = home.put_blob(EMPTY_CONFIG, OCI_EMPTY)
    layer = home.put_blob(content, kind)
    named = Descriptor(subject.media_type, subject.digest, subject.size)
    manifest = Manifest(config, (layer,), OCI_MANIFEST, Annotations(noted), named, kind).to_bytes()
    home.add_referrer(manifest, subject)()
    return Descriptor.of(manifest, OCI_MANIFEST)


def add_buildkit(home: Any, index: Descriptor, statements: list[bytes]) -> Descriptor:
    """The index with BuildKit's statements about its first image, under the tag `built`."""
    from imagesig.oci.manifest import parse_index

    listed = parse_index(home.read(index, limit=limits.MANIFEST_BYTES), index.media_type, "index").manifests
    config = home.put_blob(EMPTY_CONFIG, OCI_EMPTY)
    layers = tuple(
        Descriptor(
            IN_TOTO,
            stored.digest,
            stored.size,
            Annotations({"in-toto.io/predicate-type": json.loads(item)["predicateType"]}),
        )
        for item in statements
        for stored in [home.put_blob(item, IN_TOTO)]
    )
    stored = home.put_manifest(Manifest(config, layers).to_bytes(), OCI_MANIFEST)
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": listed[0].digest}
    entry = Descriptor(
        OCI_MANIFEST, stored.digest, stored.size, Annotations(about), platform=Platform("unknown", "unknown")
    )
    made: Descriptor = home.put_manifest(Index((*listed, entry)).to_bytes(), OCI_INDEX, "built")
    return made


@pytest.fixture(params=["layout", "registry"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[imagesig.Image]:
    """An index with BuildKit's statements, signatures in every format, attestations and SBOMs in every storage."""
    with InMemoryRegistry() as server:
        if request.param == "layout":
            Layout.create(tmp_path / "image")
            opened = imagesig.layout(tmp_path / "image", "built")
        else:
            opened = registry(f"{server.host}/app:built")
        home = opened.home
        root = add_buildkit(
            home,
            build_index(home, {"a": b"b"}, "1"),
            [statement(SLSA, {"a": 1}), statement(SPDX, {"sbom": "buildkit"})],
        )
        imagesig.sign(opened, MemoryProvider().open(), recursive=False)
        classic = json.dumps(envelope(statement(SLSA, {"classic": 1}, root.digest))).encode()
        put_layers(home, tag_of(root.digest, ".att"), [(classic, DSSE, {"predicateType": SLSA})])
        put_layers(home, tag_of(root.digest, ".sbom"), [(b'{"spdxVersion":"SPDX-2.3"}', "text/spdx+json", {})])
        noted = {"dev.sigstore.bundle.predicateType": SPDX, "org.opencontainers.image.created": "2026-11-28T00:00:00Z"}
        add_referrer(home, root, bundle(statement(SPDX, {"sbom": "bundle"}, root.digest)), BUNDLE, **noted)
        sbom = add_referrer(home, root, b'{"bomFormat":"CycloneDX"}', "application/vnd.cyclonedx+json")
        add_referrer(home, sbom, b"{}", "application/vnd.cncf.notary.signature")
        yield opened


def flat(node: TreeNode) -> Iterator[TreeNode]:
    yield node
    for child in node.children:
        yield from flat(child)


def test_everything_that_hangs_on_an_image_is_in_its_tree(image: imagesig.Image) -> None:
    grown = tree(image)

    assert grown.failure is None
    hanging = [(node.kind, node.predicate_type or node.artifact_type) for node in grown.root.children]
    kind = ArtifactKind
    assert (kind.ATTESTATION, SLSA) in hanging
    assert (kind.ATTESTATION, SPDX) in hanging
    assert (kind.SBOM, "application/vnd.cyclonedx+json") in hanging
    assert [item for item, _ in hanging].count(kind.SIGNATURE) == 2
    assert [item for item, _ in hanging].count(kind.SBOM) == 2
    assert [node.platform for node in grown.root.children if node.kind is kind.IMAGE] == [
        "linux/amd64",
        "linux/arm64/v8",
    ]
    (buildkit,) = (node for node in grown.root.children if node.kind is kind.STATEMENT)
    assert [node.predicate_type for node in buildkit.children] == [SLSA, SPDX]
    (sbom,) = (node for node in grown.root.children if node.artifact_type == "application/vnd.cyclonedx+json")
    assert [node.kind for node in sbom.children] == [kind.SIGNATURE], "what hangs on an SBOM"
    assert not [node for node in flat(grown.root) if node.problem]
    assert {"2026-11-28T00:00:00Z"} <= {node.created for node in grown.root.children}


def test_what_hangs_on_an_image_is_downloaded_as_it_is_stored(image: imagesig.Image) -> None:
    found = download(image, "attestation")
    assert {item.predicate_type for item in found} == {SLSA, SPDX}
    assert [item.signed for item in found].count(False) == 2, "BuildKit's statements are unsigned"
    for item in found:
        assert json.loads(item.line) == json.loads(item.content)
    assert {item.predicate_type for item in download(image, "attestation", predicate_type=SPDX)} == {SPDX}
    contents = [json.loads(item.content) for item in download(image, "sbom")]
    assert {"sbom": "bundle"} in contents
    assert {"sbom": "buildkit"} in contents
    assert {"bomFormat": "CycloneDX"} in contents
    assert {"spdxVersion": "SPDX-2.3"} in contents
    signatures = download(image, "signature")
    assert len(signatures) == 2
    assert {"Base64Signature", "Payload"} in [set(json.loads(item.line)) for item in signatures]


def test_an_entry_that_an_engine_may_run_is_shown_as_an_image(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "image")
    one, other = (build_image(layout, {"a": name}, PLATFORMS[0]) for name in (b"1", b"2"))
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": one.digest}
    entry = Descriptor(other.media_type, other.digest, other.size, Annotations(about), platform=PLATFORMS[0])
    layout.put_manifest(Index((one, entry)).to_bytes(), OCI_INDEX, "1")
    found = tree(f"oci:{tmp_path}/image:1").root.children
    assert [(item.kind, item.digest) for item in found if item.digest == other.digest] == [
        (ArtifactKind.IMAGE, other.digest)
    ]


def test_statements_beside_an_image_are_downloaded_from_the_repository_of_signatures() -> None:
    with InMemoryRegistry() as server:
        opened = registry(f"{server.host}/app:1.0", signature_repository=f"{server.host}/signatures")
        made = build_image(opened.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        content = statement(SLSA, {"a": 1}, made.digest)
        add_referrer(opened.signatures, made, content, IN_TOTO)
        (found,) = download(opened, "attestation")
        assert (found.content, found.signed) == (content, False)


def test_nothing_of_the_kind_is_an_error(image: imagesig.Image) -> None:
    with pytest.raises(NoSignatures, match="of another type"):
        download(image, "attestation", predicate_type="https://example.org/none")
    with pytest.raises(InvalidArgument, match="what"):
        download(image, 7)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="attestation, sbom, signature"):
        download(image, "everything")
    with pytest.raises(InvalidArgument, match="no predicate type"):
        download(image, "signature", predicate_type=SLSA)


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    Layout.create(tmp_path / "image")
    with pytest.raises(ImageNotFound):
        tree(f"oci:{tmp_path}/image:1")


def test_a_broken_artifact_hides_no_other(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "image")
    root = build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    add_referrer(layout, root, b"{}", "application/vnd.example")
    manifest = Manifest(Descriptor.of(b"{}", OCI_EMPTY), (), OCI_MANIFEST, subject=root, artifact_type="a/b").to_bytes()
    broken = manifest.replace(b'"layers":[]', b'"layers":[7]')
    layout.add_referrer(broken, root)()
    layout.put_manifest(b'{"schemaVersion":2,"layers":{}}', OCI_MANIFEST, tag_of(root.digest, ".att"))

    nodes = list(flat(tree(f"oci:{tmp_path}/image:1").root))

    assert [node.artifact_type for node in nodes if node.kind is ArtifactKind.ARTIFACT and not node.problem] == [
        "application/vnd.example"
    ]
    assert len([node for node in nodes if node.problem]) == 2


@pytest.mark.usefixtures("quick_retries")
def test_a_registry_that_fails_is_incomplete_or_an_error() -> None:
    with InMemoryRegistry() as server:
        opened = registry(f"{server.host}/app:1")
        build_image(opened.home, {"a": b"b"}, PLATFORMS[0], "1")
        imagesig.sign(opened, MemoryProvider().open())
        server.faults.append(lambda request: Answer(503) if "/referrers/" in request.path else None)
        with pytest.raises(TransportError):
            tree(opened)
        grown = tree(opened, allow_incomplete=True)
        assert isinstance(grown.failure, TransportError)
        assert [node.kind for node in grown.root.children if not node.problem] == [ArtifactKind.SIGNATURE]
        assert grown.document()["complete"] is False


def test_what_is_not_read_in_time_is_not_missing() -> None:
    with InMemoryRegistry() as server:
        opened = registry(f"{server.host}/app:1")
        root = build_image(opened.home, {"a": b"b"}, PLATFORMS[0], "1")
        put_layers(opened.home, tag_of(root.digest, ".att"), [(b"{}", DSSE, {})])
        server.faults.append(lambda request: time.sleep(0.5) if ".att" in request.path else None)  # type: ignore[func-returns-value]
        for look in (tree, partial(tree, allow_incomplete=True), partial(download, what="attestation")):
            with pytest.raises(DeadlineExceeded):
                look(registry(f"{server.host}/app:1"), timeout=0.3)  # type: ignore[operator]


def test_what_cannot_be_read_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry() as server:
        opened = registry(f"{server.host}/app:1")
        root = build_image(opened.home, {"a": b"b"}, PLATFORMS[0], "1")
        noted = {"dev.sigstore.bundle.predicateType": SLSA}
        add_referrer(opened.home, root, bundle(statement(SLSA, {})), BUNDLE, **noted)
        assert len(download(opened, "attestation")) == 1
        monkeypatch.setitem(ALLOWANCE, Cost.MANIFEST_BYTES, 10)
        with pytest.raises(MalformedError, match="bytes of manifests"):
            download(opened, "attestation")
        monkeypatch.undo()
        opened.home.put_manifest(b'{"schemaVersion":2,"layers":{}}', OCI_MANIFEST, tag_of(root.digest, ".sig"))
        with pytest.raises(MalformedError, match="that can be read"):
            download(opened, "signature")


def test_more_than_is_read_is_refused(image: imagesig.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTESTATION_ENVELOPE_BYTES", 10)
    with pytest.raises(LimitExceeded):
        download(image, "attestation")
    monkeypatch.undo()
    monkeypatch.setattr(limits, "ATTESTATION_BYTES_PER_IMAGE", 300)
    with pytest.raises(LimitExceeded):
        download(image, "attestation")


def test_one_manifest_does_not_cost_more_requests_than_an_image_may(monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry() as server:
        opened = registry(f"{server.host}/app:1")
        root = build_image(opened.home, {"a": b"b"}, PLATFORMS[0], "1")
        put_layers(opened.home, tag_of(root.digest, ".att"), [(b'{"n":%d}' % n, DSSE, {}) for n in range(60)])
        monkeypatch.setitem(ALLOWANCE, Cost.REQUESTS, 40)
        assert len(tree(opened).root.children) == 60
        with pytest.raises(BudgetExceeded, match="requests"):
            download(registry(f"{server.host}/app:1"), "attestation")


def test_an_index_that_contains_itself_ends(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "image")
    root = build_index(layout, {"a": b"b"}, "1")
    nested = layout.put_manifest(Index((root, root)).to_bytes(), OCI_INDEX, "2")
    layout.put_manifest(Index((nested, root)).to_bytes(), OCI_INDEX, "3")

    assert len(list(flat(tree(f"oci:{tmp_path}/image:3").root))) < 12


def test_what_others_wrote_moves_no_cursor(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "image")
    root = build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    noted = {"dev.sigstore.bundle.predicateType": "x\x1b[2J\nverified", "org.opencontainers.image.created": "\u202e"}
    add_referrer(layout, root, b"{}", BUNDLE, **noted)

    done = run_here("tree", f"oci:{tmp_path}/image:1")

    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\nverified" not in done.stdout
    others = [b'{"payload":"\x1b[2Jverified"}\x00', b'{"payload":"\x9b2Jverified"}']
    put_layers(layout, tag_of(root.digest, ".att"), [(item, DSSE, {}) for item in others])
    text = "\x9b2J\x7f\u202e\u2028\u2066\u061c\xe9"
    add_referrer(layout, root, json.dumps({"a": text}, ensure_ascii=False).encode(), DSSE)
    done = run_here("download", "attestation", f"oci:{tmp_path}/image:1")
    assert done.exit_code == 0
    assert all(line.isprintable() for line in done.stdout_bytes.decode().split("\n"))
    assert {"a": text} in [json.loads(item.line) for item in download(f"oci:{tmp_path}/image:1", "attestation")[2:]]


def test_an_sbom_moves_no_cursor_of_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout.create(tmp_path / "image")
    root = build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    sbom = "SPDXVersion: SPDX-2.3\x1b[2J\nDataLicense: \u202e\n"
    put_layers(layout, tag_of(root.digest, ".sbom"), [(sbom.encode(), "text/spdx", {})])
    assert run_here("download", "sbom", f"oci:{tmp_path}/image:1").stdout == sbom
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    shown = run_here("download", "sbom", f"oci:{tmp_path}/image:1").stdout
    assert shown == "SPDXVersion: SPDX-2.3\\x1b[2J\nDataLicense: \\u202e\n"


def test_the_commands(image: imagesig.Image) -> None:
    name = str(image)
    done = run_here("tree", name)
    assert done.exit_code == 0
    assert "|-- attestation  https://slsa.dev/provenance/v1" in done.stdout
    assert "unsigned statement" in done.stdout
    lines = run_here("download", "attestation", name)
    assert len(lines.stdout.splitlines()) == 4
    assert lines.stderr.count("unsigned statement") == 2
    assert run_here("download", "attestation", "--type", "https://example.org/none", name).exit_code == 10
    assert '"bomFormat"' in run_here("download", "sbom", name).stdout
    assert len(run_here("download", "signature", name).stdout.splitlines()) == 2


def test_an_sbom_of_harbor_is_one_although_its_layer_is_called_that_of_an_image(tmp_path: Path) -> None:
    """Harbor names the SBOMs that it makes by a type of its own, and gives their layer no type of SBOMs."""
    layout = Layout.create(tmp_path / "image")
    subject = build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    kind, sbom = "application/vnd.goharbor.harbor.sbom.v1", b'{"spdxVersion":"SPDX-2.3"}'
    layer = layout.put_blob(sbom, "application/vnd.oci.image.layer.v1.tar")
    named = Descriptor(subject.media_type, subject.digest, subject.size)
    config = layout.put_blob(b"{}", kind)
    layout.add_referrer(Manifest(config, (layer,), OCI_MANIFEST, Annotations(), named, kind).to_bytes(), subject)()
    name = f"oci:{tmp_path}/image:1"

    assert [(node.kind, node.artifact_type) for node in tree(name).root.children] == [(ArtifactKind.SBOM, kind)]
    assert run_here("download", "sbom", name).stdout_bytes.strip() == sbom


def test_an_sbom_that_both_forms_hold_is_written_once_and_found_by_its_short_name(tmp_path: Path) -> None:
    layout, key = Layout.create(tmp_path / "image"), MemoryProvider().open()
    build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    name = f"oci:{tmp_path}/image:1"
    sboms = [{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": item} for item in ("one", "two")]
    for number, sbom in enumerate(sboms, 1):
        imagesig.attest(name, key, predicate_type="spdxjson", predicate=sbom)
        lines = run_here("download", "sbom", "--type", "spdx", name).stdout.split("\n")
        assert sorted(lines) == sorted(json.dumps(item, separators=(",", ":")) for item in sboms[:number])
    assert len(download(name, "attestation", predicate_type="spdxjson")) == 4
    with pytest.raises(InvalidArgument, match="a URI or a known name"):
        download(name, "attestation", predicate_type="sbom")
