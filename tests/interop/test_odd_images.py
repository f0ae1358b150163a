"""Images with odd entries, asked from the real skopeo, cosign and registries: what they copy, `copy` copies."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path

import pytest

from imagesig.errors import InvalidArgument
from imagesig.oci.manifest import OCI_CONFIG, OCI_MANIFEST
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.commands import run, run_here
from tests.images.archive.archives import archive_of
from tests.interop.tools import Tools
from tests.odd_images import (
    CONFIG,
    LAYER,
    MOVED_BY_SKOPEO,
    MOVED_BY_US,
    MOVED_IN_PART,
    ODD_ENTRIES,
    WRONG_ENTRIES,
    entry,
    manifest,
    store,
    write_layout,
)
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

EXACT = ("--all", "--preserve-digests")


def ours(source: str, there: str) -> str:
    """The digest of a copy."""
    done = run_here("copy", "--all-platforms", "--output", "json", source, there)
    assert done.exit_code == 0, done.output
    return str(json.loads(done.stdout)["images"][0]["digest"])


@pytest.mark.parametrize("name", MOVED_BY_SKOPEO)
def test_what_skopeo_copies_is_copied(name: str, tmp_path: Path) -> None:
    digest = write_layout(tmp_path, MOVED_BY_SKOPEO[name](tmp_path))
    tools, source = Tools(tmp_path), f"oci:{tmp_path}:1.0"
    tools.run("skopeo", "--insecure-policy", "copy", *EXACT, source, f"oci:{tmp_path}/skopeo:1.0").must_succeed()
    assert ours(source, f"oci:{tmp_path}/ours:1.0") == digest
    theirs, copied = (
        {file.name for file in (tmp_path / folder / "blobs" / "sha256").iterdir()} for folder in ("skopeo", "ours")
    )
    assert copied >= theirs
    back = f"dir:{tmp_path}/back"
    tools.run("skopeo", "--insecure-policy", "copy", *EXACT, f"oci:{tmp_path}/ours:1.0", back).must_succeed()


@pytest.mark.parametrize("name", ["layer-sha512", "child-missing"])
def test_what_skopeo_refuses_is_copied_and_named(name: str, tmp_path: Path) -> None:
    made = MOVED_BY_US[name] if name in MOVED_BY_US else MOVED_IN_PART[name][0]
    digest = write_layout(tmp_path, made(tmp_path))
    run = Tools(tmp_path).run(
        "skopeo", "--insecure-policy", "copy", *EXACT, f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/skopeo:1.0"
    )
    assert not run.ok
    assert ours(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/ours:1.0") == digest


@pytest.mark.parametrize("name", ["layers-null", "layer-type-odd", "layer-size-negative"])
@pytest.mark.parametrize("kind", ["referrers", "tag", "ggcr"])
def test_what_cosign_copies_between_repositories_is_copied(
    kind: str, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: RegistryServer = request.getfixturevalue(f"registry_{kind}")
    digest = write_layout(tmp_path, MOVED_BY_SKOPEO[name](tmp_path))
    source = f"{server.host}/odd/{uuid.uuid4().hex[:12]}:1.0"
    assert ours(f"oci:{tmp_path}:1.0", source) == digest
    Tools(tmp_path).run("cosign3", "copy", "--allow-http-registry", source, f"{source}-cosign").must_succeed()
    assert ours(source, source.replace("/odd/", "/ours/")) == digest


@pytest.mark.parametrize("name", ["layer-sha512", "config-sha512", "index-child-unknown"])
def test_distribution_stores_and_gives_other_digests_and_blobs_of_an_index(
    name: str, registry_tag: RegistryServer, tmp_path: Path
) -> None:
    digest = write_layout(tmp_path, MOVED_BY_US[name](tmp_path))
    source = f"{registry_tag.host}/odd/{uuid.uuid4().hex[:12]}:1.0"
    assert ours(f"oci:{tmp_path}:1.0", source) == digest
    assert ours(source, source.replace("/odd/", "/ours/")) == digest
    assert ours(source, f"oci-archive:{tmp_path}/there") == digest


@pytest.mark.parametrize("kind", ["tag", "ggcr"])
def test_a_registry_that_needs_every_child_gets_none_of_the_tag(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: RegistryServer = request.getfixturevalue(f"registry_{kind}")
    write_layout(tmp_path, MOVED_IN_PART["child-missing"][0](tmp_path))
    there = f"{server.host}/odd/{uuid.uuid4().hex[:12]}:1.0"
    done = run_here("copy", "--all-platforms", f"oci:{tmp_path}:1.0", there)
    assert done.exit_code != 0
    assert "linux/arm64" in str(done.exception)
    assert run_here("inspect", there).exit_code == 11


@pytest.mark.parametrize("name", [*ODD_ENTRIES, *WRONG_ENTRIES])
def test_an_entry_of_a_layout_hides_those_beside_it_where_it_does_in_skopeo(name: str, tmp_path: Path) -> None:
    write_layout(tmp_path, manifest(tmp_path))
    document = json.loads((tmp_path / "index.json").read_text())
    other = entry(tmp_path, json.dumps(manifest(tmp_path, annotations={"a": "b"})).encode(), OCI_MANIFEST)
    document["manifests"].insert(0, (ODD_ENTRIES | WRONG_ENTRIES)[name](tmp_path, other))
    (tmp_path / "index.json").write_text(json.dumps(document))
    run = Tools(tmp_path).run("skopeo", "--insecure-policy", "inspect", "--raw", f"oci:{tmp_path}:1.0")
    done = run_here("inspect", f"oci:{tmp_path}:1.0")
    assert run.ok is (name in ODD_ENTRIES)
    assert (done.exit_code == 0) is run.ok
    if run.ok:
        assert run_here("inspect", f"oci:{tmp_path}:@1").exit_code == 0
        numbered = Tools(tmp_path).run("skopeo", "--insecure-policy", "inspect", "--raw", f"oci:{tmp_path}:@1")
        assert numbered.must_succeed().stdout == run.stdout


def test_skopeo_writes_an_image_with_a_sha512_digest_anew_as_the_hint_says(tmp_path: Path) -> None:
    write_layout(tmp_path, manifest(tmp_path))
    document = json.loads((tmp_path / "index.json").read_text())
    wanted = entry(tmp_path, json.dumps(manifest(tmp_path)).encode(), OCI_MANIFEST, "sha512")
    document["manifests"] = [wanted | {"annotations": {"org.opencontainers.image.ref.name": "1.0"}}]
    (tmp_path / "index.json").write_text(json.dumps(document))
    done = run_here("inspect", f"oci:{tmp_path}:1.0")
    assert "skopeo copy" in getattr(done.exception, "hint", "")
    there = f"oci:{tmp_path}/anew:1.0"
    Tools(tmp_path).run("skopeo", "--insecure-policy", "copy", f"oci:{tmp_path}:1.0", there).must_succeed()
    assert run_here("inspect", there).exit_code == 0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_registry_that_asks_strangers_for_no_login_is_reached_as_by_cosign(status: int, tmp_path: Path) -> None:
    with InMemoryRegistry(basic=("me", "s3cret")) as server:
        image = server.add_image()

        def refused(request: Request) -> Answer | None:
            own = server.own_answer(request)
            if own.status != 401:
                return Answer(200, b"{}") if request.path == "/v2/" else None
            return own if request.path == "/v2/" else Answer(status, b"{}")

        server.faults.append(refused)
        auth = base64.b64encode(b"me:s3cret").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": auth}}}))
        environ = {"DOCKER_CONFIG": str(tmp_path)}
        Tools(tmp_path, environ).run("cosign3", "tree", "--allow-http-registry", image).must_succeed()
        done = run("inspect", image, HOME=str(tmp_path), **environ)
        assert done.returncode == 0, done.stderr


def test_a_number_is_an_image_of_a_docker_archive_for_skopeo_and_no_tag_for_us(tmp_path: Path) -> None:
    write_layout(tmp_path, manifest(tmp_path))
    document = json.loads((tmp_path / "index.json").read_text())
    other = CONFIG.replace(b"amd64", b"arm64")
    entries = []
    for name, config in (("1.0", CONFIG), ("@0", other)):
        made = entry(
            tmp_path, json.dumps(manifest(tmp_path, config=entry(tmp_path, config, OCI_CONFIG))).encode(), OCI_MANIFEST
        )
        entries.append(made | {"annotations": {"org.opencontainers.image.ref.name": name}})
    (tmp_path / "index.json").write_text(json.dumps(document | {"manifests": entries}))
    blob = {content: f"blobs/sha256/{store(tmp_path, content)[7:]}" for content in (CONFIG, other, LAYER)}
    images = [{"Config": blob[config], "RepoTags": None, "Layers": [blob[LAYER]]} for config in (CONFIG, other)]
    (tmp_path / "manifest.json").write_text(json.dumps(images))
    named = f"docker-archive:{archive_of(tmp_path, tmp_path / 'image.tar')}:@0"
    run = Tools(tmp_path).run("skopeo", "--insecure-policy", "inspect", "--config", named).must_succeed()
    assert json.loads(run.stdout)["architecture"] == "amd64"
    assert run_here("inspect", named).exit_code == InvalidArgument("").exit_status
