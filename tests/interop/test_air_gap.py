"""Images carried across an air gap: what cosign and skopeo say of them on the other side."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from imagesig import copy, inspect, remove, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.images.registry.connect import registry
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import Manifest
from imagesig.policy import Identity, Policy
from tests.interop.homes import Homes, SharedKey
from tests.interop.tools import PASSPHRASE, Tools
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

REGISTRIES = ("referrers", "tag", "ggcr")
NOTATION = "application/vnd.cncf.notary.signature"


@pytest.fixture(scope="module")
def key(homes: Homes) -> SharedKey:
    return homes.make("file", KeyType.ECDSA_P256)


@pytest.fixture(scope="module")
def stranger(homes: Homes) -> SharedKey:
    return homes.make("file", KeyType.ECDSA_P256)


def host(request: pytest.FixtureRequest, kind: str) -> str:
    server: RegistryServer = request.getfixturevalue(f"registry_{kind}")
    return server.host


def fresh(request: pytest.FixtureRequest, kind: str) -> str:
    return f"{host(request, kind)}/gap/{uuid.uuid4().hex[:12]}:1.0"


def any_name(key: SharedKey) -> Policy:
    return Policy.any_of(key.key, identity=Identity.any())


@pytest.mark.parametrize("there", REGISTRIES)
@pytest.mark.parametrize("here", REGISTRIES)
def test_an_index_that_we_signed_verifies_on_the_other_side(
    here: str,
    there: str,
    request: pytest.FixtureRequest,
    key: SharedKey,
    stranger: SharedKey,
    tools: Tools,
    tmp_path: Path,
) -> None:
    source, target = fresh(request, here), fresh(request, there)
    build_index(registry(source).home, {"bin/app": uuid.uuid4().bytes}, "1.0")
    sign(source, key.key)
    refer_as_notation(registry(source).home, registry(source).home.resolve("1.0"))
    copy(source, f"oci-archive:{tmp_path / 'a.tar'}", all_platforms=True)
    copied = copy(f"oci-archive:{tmp_path / 'a.tar'}", target, all_platforms=True)

    assert len(inspect(target).signatures) == len(inspect(source).signatures) == 7  # one is notation's
    assert verify(target, any_name(key)).digest == copied.digest
    for version in ("cosign3", "cosign2"):
        tools.cosign_verify(version, str(key.pem), target).must_succeed()
        assert not tools.cosign_verify(version, str(stranger.pem), target).ok
    signed_as = {"type": "exactReference", "dockerReference": source}
    tools.skopeo_verify(key.pem, target, identity=signed_as).must_succeed()
    assert not tools.skopeo_verify(stranger.pem, target, identity=signed_as).ok
    types = {
        artifact_type(registry(target).home, item) for item in registry(target).home.referrers(copied.digest).entries
    }
    assert NOTATION in types


def artifact_type(home: object, referrer: Descriptor) -> str:
    document = json.loads(home.read(referrer, limit=10**6))  # type: ignore[attr-defined]
    return document.get("artifactType") or document["config"]["mediaType"]


def refer_as_notation(home: object, subject: Descriptor) -> None:
    """A referrer in the form that notation 1.3 writes; its envelope is not looked at when it is copied."""
    config = home.put_blob(b"{}", NOTATION)  # type: ignore[attr-defined]
    layer = home.put_blob(b"{}", "application/jose+json")  # type: ignore[attr-defined]
    manifest = Manifest(config, (layer,), subject=subject)
    home.add_referrer(manifest.to_bytes(), subject)()  # type: ignore[attr-defined]


@pytest.mark.parametrize("there", REGISTRIES)
@pytest.mark.parametrize("signer", ["cosign 3 bundle", "cosign 3 classic", "cosign 2", "skopeo"])
def test_what_the_tools_signed_verifies_on_the_other_side(
    signer: str, there: str, request: pytest.FixtureRequest, key: SharedKey, tools: Tools, tmp_path: Path
) -> None:
    source, target = fresh(request, "referrers"), fresh(request, there)
    build_image(registry(source).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    if signer == "skopeo":
        made = tools.run(
            "skopeo", "generate-sigstore-key", "--output-prefix", str(tmp_path / "s"), *_passphrase(tmp_path)
        )
        made.must_succeed()
        tools.skopeo_sign(tmp_path / "s.private", f"docker://{source}", source).must_succeed()
        pem = tmp_path / "s.pub"
    else:
        pem = key.pem
        if signer == "cosign 2":
            tools.cosign2_sign(key.peer_uri, source).must_succeed()
        else:
            tools.cosign3_sign(key.peer_uri, source, bundle=signer.endswith("bundle")).must_succeed()
    copy(source, f"oci-archive:{tmp_path / 'a.tar'}")
    copy(f"oci-archive:{tmp_path / 'a.tar'}", target)
    tools.cosign_verify("cosign3", str(pem), target).must_succeed()
    if not signer.endswith("bundle"):
        tools.cosign_verify("cosign2", str(pem), target).must_succeed()
    if signer == "skopeo":
        tools.skopeo_verify(pem, target, identity={"type": "exactReference", "dockerReference": source}).must_succeed()


def _passphrase(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    return "--passphrase-file", str(tmp_path / "passphrase")


def test_skopeo_reads_the_archive_that_we_wrote_and_we_read_skopeos(
    request: pytest.FixtureRequest, key: SharedKey, tools: Tools, tmp_path: Path
) -> None:
    source = fresh(request, "tag")
    build_index(registry(source).home, {"bin/app": uuid.uuid4().bytes}, "1.0")
    sign(source, key.key)
    ours = copy(source, f"oci-archive:{tmp_path / 'ours.tar'}", all_platforms=True)
    skopeo(
        tools, "copy", "--all", f"oci-archive:{tmp_path / 'ours.tar'}:1.0", f"oci-archive:{tmp_path / 'theirs.tar'}:1.0"
    )
    theirs = open_image(f"oci-archive:{tmp_path / 'theirs.tar'}:1.0")
    assert theirs.home.resolve("1.0").digest == ours.digest
    sign(theirs, key.key, identity=source)
    target = fresh(request, "ggcr")
    copy(f"oci-archive:{tmp_path / 'theirs.tar'}:1.0", target, all_platforms=True)
    tools.cosign_verify("cosign3", str(key.pem), target).must_succeed()


def test_a_directory_that_we_signed_skopeo_accepts_and_the_reverse(
    key: SharedKey, stranger: SharedKey, tools: Tools, tmp_path: Path
) -> None:
    build_index(Layout.create(tmp_path / "layout"), {"a": b"b"}, "1.0")
    skopeo(tools, "copy", "--all", f"oci:{tmp_path / 'layout'}:1.0", f"dir:{tmp_path / 'dir'}")
    name = "registry.example/team/app:1.0"
    sign(f"dir:{tmp_path / 'dir'}", key.key, formats=["cosign"], identity=name)
    for signer, wanted in ((key, True), (stranger, False)):
        identity = {"type": "exactReference", "dockerReference": name}
        requirement = {"type": "sigstoreSigned", "keyPath": str(signer.pem), "signedIdentity": identity}
        policy = tmp_path / "policy.json"
        transports = {"dir": {"": [requirement]}}
        policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": transports}))
        out = tmp_path / f"out-{wanted}"
        run = tools.run("skopeo", "--policy", str(policy), "copy", "--all", f"dir:{tmp_path / 'dir'}", f"dir:{out}")
        assert run.ok is wanted, run.stderr
    assert verify(f"dir:{tmp_path / 'out-True'}", key.key).signatures


def test_signatures_that_skopeo_pulled_into_a_directory_we_verify_and_push_on(
    request: pytest.FixtureRequest, key: SharedKey, tools: Tools, tmp_path: Path
) -> None:
    source, target = fresh(request, "referrers"), fresh(request, "tag")
    build_image(registry(source).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    sign(source, key.key, formats=["cosign"])
    tools.skopeo_verify(key.pem, source).must_succeed()  # pulls into a directory, signatures and all
    pulled = f"dir:{tools.home / 'pulled'}"
    assert verify(pulled, key.key).signatures
    copy(pulled, target)
    tools.cosign_verify("cosign2", str(key.pem), target).must_succeed()


def test_dockers_old_archive_becomes_an_image_that_is_signed(
    request: pytest.FixtureRequest, key: SharedKey, tools: Tools, tmp_path: Path
) -> None:
    build_image(Layout.create(tmp_path / "layout"), {"a": b"b"}, PLATFORMS[0], "1.0")
    archive = f"docker-archive:{tmp_path / 'old.tar'}"
    skopeo(tools, "copy", f"oci:{tmp_path / 'layout'}:1.0", f"{archive}:team/app:1.0")
    target = fresh(request, "tag")
    copy(f"{archive}:team/app:1.0", target)
    sign(target, key.key)
    for version in ("cosign3", "cosign2"):
        tools.cosign_verify(version, str(key.pem), target).must_succeed()
    tools.skopeo_verify(key.pem, target).must_succeed()


@pytest.mark.parametrize("kind", REGISTRIES)
def test_after_a_rotation_the_tools_accept_the_new_key_and_refuse_the_old(
    kind: str, request: pytest.FixtureRequest, key: SharedKey, stranger: SharedKey, homes: Homes, tools: Tools
) -> None:
    image = fresh(request, kind)
    build_index(registry(image).home, {"bin/app": uuid.uuid4().bytes}, "1.0")
    old = homes.make("file", KeyType.ECDSA_P256)
    for signer in (old, stranger):
        sign(image, signer.key)
    sign(image, key.key, replace=str(old.pem))
    for version in ("cosign3", "cosign2"):
        for signer, wanted in ((key, True), (stranger, True), (old, False)):
            assert tools.cosign_verify(version, str(signer.pem), image).ok is wanted
    tools.skopeo_verify(key.pem, image).must_succeed()
    assert not tools.skopeo_verify(old.pem, image).ok
    remove(image, all=True)
    for version in ("cosign3", "cosign2"):
        assert tools.cosign_verify(version, str(key.pem), image).status == 10
    assert "no signature exists" in tools.skopeo_verify(key.pem, image).stderr


def test_cosign_verifies_a_layout_that_we_copied(
    request: pytest.FixtureRequest, key: SharedKey, stranger: SharedKey, tools: Tools, tmp_path: Path
) -> None:
    source = fresh(request, "tag")
    build_image(registry(source).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    sign(source, key.key)
    copy(source, f"oci:{tmp_path / 'layout'}:1.0")
    for version in ("cosign3", "cosign2"):
        where = str(tmp_path / "layout")
        tools.cosign_verify(version, str(key.pem), where, "--local-image").must_succeed()
        assert not tools.cosign_verify(version, str(stranger.pem), where, "--local-image").ok


def skopeo(tools: Tools, *arguments: str) -> None:
    tools.run("skopeo", "--insecure-policy", *arguments).must_succeed()
