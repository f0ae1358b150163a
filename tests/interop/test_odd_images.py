"""Images with odd entries, asked from the real skopeo, cosign and registries: what they copy, `copy` copies."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.commands import run_here
from tests.interop.tools import Tools
from tests.odd_images import MOVED_BY_SKOPEO, MOVED_BY_US, MOVED_IN_PART, write_layout
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
