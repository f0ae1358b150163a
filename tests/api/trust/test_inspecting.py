from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagesig import ContentTrust, TrustServers, inspect_trust
from imagesig.api.trust.inspecting import natural
from imagesig.content_trust import InMemoryTrust
from imagesig.errors import InvalidArgument, NoSignatures, NotTrusted
from tests.commands import run_here
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import GUN, NOW, Delegation, TrustRepository, certified, p256, tag

OTHER = "sha256:" + "cd" * 32


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Notary]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    keys = [p256(), p256(), p256()]
    with notary() as server:
        server.repositories[GUN] = TrustRepository(
            tags={"v10": tag(OTHER), "v2": tag(), "latest": tag(OTHER)},
            delegations={
                "targets/releases": Delegation([keys[0]], {"v2": tag()}),
                "targets/alice": Delegation([keys[1]], {"v2": tag(), "unreleased": tag()}),
                "targets/bob": Delegation([keys[2]], {"v2": tag(), "v10": tag()}),
            },
            expires={"timestamp": datetime(2999, 1, 1, tzinfo=UTC)},
        )
        yield server


def short(digest: str) -> str:
    return digest.removeprefix("sha256:")


def test_the_document_is_dockers(trust: Notary) -> None:
    made = trust.repositories[GUN]
    found = inspect_trust(GUN, server=trust.url, now=NOW)
    alice, bob = (made.delegations[f"targets/{name}"].keys[0].canonical_id for name in ("alice", "bob"))

    assert found.document() == {
        "Name": GUN,
        "SignedTags": [
            {"SignedTag": "latest", "Digest": short(OTHER), "Signers": ["Repo Admin"]},
            {"SignedTag": "v2", "Digest": "ab" * 32, "Signers": ["alice", "bob"]},
            {"SignedTag": "v10", "Digest": short(OTHER), "Signers": ["Repo Admin"]},
        ],
        "Signers": [{"Name": "bob", "Keys": [{"ID": bob}]}, {"Name": "alice", "Keys": [{"ID": alice}]}],
        "AdministrativeKeys": [
            {"Name": "Root", "Keys": [{"ID": made.root[0].id}]},
            {"Name": "Repository", "Keys": [{"ID": made.targets.id}]},
        ],
    }
    assert [item.tag for item in inspect_trust(f"{GUN}:v2", server=trust.url, now=NOW).tags] == ["v2"]
    assert inspect_trust(f"{GUN}:none", server=trust.url, now=NOW).tags == ()


def test_a_tag_with_two_digests_is_shown_twice(trust: Notary) -> None:
    trust.repositories[GUN].tags["v2"] = tag(OTHER)

    found = inspect_trust(f"{GUN}:v2", server=trust.url, now=NOW)

    assert [(item.digest, item.signers) for item in found.tags] == [("ab" * 32, ("alice", "bob")), (short(OTHER), ())]


def test_without_a_pin_nothing_is_verified_and_nothing_remembered(trust: Notary) -> None:
    memory = InMemoryTrust()
    servers = TrustServers(memory=memory)

    assert not inspect_trust(GUN, server=trust.url, now=NOW, trust_servers=servers).is_verified
    assert memory.load(trust.url, GUN) == {}
    trust.repositories[GUN].root = [root] = [certified()]
    assert not inspect_trust(GUN, server=trust.url, now=NOW, trust_servers=TrustServers(memory=memory)).is_verified
    pinned = ContentTrust(trust.url, root.id)
    assert inspect_trust(GUN, pinned, now=NOW, trust_servers=TrustServers(memory=memory)).is_verified
    assert memory.load(trust.url, GUN)
    with pytest.raises(NotTrusted, match="not one that is pinned"):
        inspect_trust(GUN, ContentTrust(trust.url, "0" * 64), now=NOW, trust_servers=servers)


def test_what_is_not_used_is_said(trust: Notary) -> None:
    trust.repositories[GUN].delegations["targets/bob"].expires = NOW

    (note,) = inspect_trust(GUN, server=trust.url, now=NOW).notes

    assert note.startswith("targets/bob is not used")


def test_a_repository_without_trust_data_is_an_error(trust: Notary) -> None:
    with pytest.raises(NoSignatures, match="has no trust data"):
        inspect_trust("registry.example/other", server=trust.url, now=NOW)
    with pytest.raises(InvalidArgument):
        inspect_trust("oci:layout", server=trust.url, now=NOW)


def test_the_order_of_tags_is_dockers() -> None:
    tags = ["v10", "v2", "v02", "V1", "a", "1", "10", "9", "v2a", "v2.1", ""]

    assert sorted(tags, key=natural) == ["", "1", "9", "10", "V1", "a", "v2", "v2.1", "v2a", "v02", "v10"]


def test_the_command_writes_dockers_bytes(trust: Notary, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trust.repositories[GUN]
    monkeypatch.setattr("imagesig.api.trust.inspecting.datetime", _Clock)
    shown = run_here("trust", "inspect", "--notary-server", trust.url, f"{GUN}:v2")
    alice, bob = (made.delegations[f"targets/{name}"].keys[0].canonical_id for name in ("alice", "bob"))

    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout == _JSON % (bob, alice, made.root[0].id, made.targets.id)
    pretty = run_here("trust", "inspect", "--pretty", "--notary-server", trust.url, f"{GUN}:v2")
    assert pretty.stdout == (
        "\nSignatures for registry.example/app:v2\n\n"
        f"SIGNED TAG   {'DIGEST':67}SIGNERS\nv2           {'ab' * 32}   alice, bob\n"
        "\nList of signers and their keys for registry.example/app:v2\n\n"
        f"SIGNER    KEYS\nalice     {alice[:12]}\nbob       {bob[:12]}\n"
        "\nAdministrative keys for registry.example/app:v2\n\n"
        f"  Repository Key:\t{made.targets.id}\n  Root Key:\t{made.root[0].id}\n"
    )


_JSON = """\
[
    {
        "Name": "registry.example/app:v2",
        "SignedTags": [
            {
                "SignedTag": "v2",
                "Digest": "abababababababababababababababababababababababababababababababab",
                "Signers": [
                    "alice",
                    "bob"
                ]
            }
        ],
        "Signers": [
            {
                "Name": "bob",
                "Keys": [
                    {
                        "ID": "%s"
                    }
                ]
            },
            {
                "Name": "alice",
                "Keys": [
                    {
                        "ID": "%s"
                    }
                ]
            }
        ],
        "AdministrativeKeys": [
            {
                "Name": "Root",
                "Keys": [
                    {
                        "ID": "%s"
                    }
                ]
            },
            {
                "Name": "Repository",
                "Keys": [
                    {
                        "ID": "%s"
                    }
                ]
            }
        ]
    }
]
"""
"""What docker prints."""


class _Clock:
    @staticmethod
    def now(_zone: object) -> datetime:
        return NOW


def test_offline_needs_a_pin(trust: Notary) -> None:
    failed = run_here("trust", "inspect", "--offline", "--notary-server", trust.url, "registry.example/app")

    assert failed.exit_code == 2
    assert "remembered" in failed.stderr


def test_a_repository_without_trust_data_ends_with_10(trust: Notary) -> None:
    failed = run_here("trust", "inspect", "--notary-server", trust.url, "registry.example/other")

    assert failed.exit_code == 10
    assert "has no trust data" in failed.stderr
    assert failed.stdout == "[]\n", "as docker prints it"
