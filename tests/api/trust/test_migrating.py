"""`migrate_trust`, with a trust server and a registry in this process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from imagesig import (
    ContentTrust,
    MigratedTag,
    Outcome,
    Policy,
    Session,
    TrustServers,
    aio,
    inspect,
    migrate_trust,
    sign,
    verify,
)
from imagesig.content_trust import InMemoryTrust
from imagesig.errors import (
    Expired,
    ImageNotFound,
    InvalidArgument,
    KeyProviderUnavailable,
    NoSignatureAccepted,
    NoSignatures,
    NotTrusted,
)
from imagesig.oci.digest import sha256
from imagesig.testing import Answer, InMemoryRegistry, MemoryProvider, Request
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import NOW, Delegation, TrustRepository, certified, p256, tag

ANNOTATION = "imagesig.content-trust.signers"
PAST = NOW - timedelta(days=10)


class Stage:
    """A repository `app` with images, of which the trust data name some; `key` signs them again."""

    def __init__(self, registry: InMemoryRegistry, server: Notary) -> None:
        self.registry, self.server = registry, server
        self.key = MemoryProvider().open()
        self.servers = TrustServers(memory=InMemoryTrust())
        self.name, self.sizes = f"{registry.host}/app", dict[str, int]()
        self.trusted = self.repository("app")

    def repository(self, name: str) -> TrustRepository:
        full = f"{self.registry.host}/{name}"
        made = TrustRepository(
            full,
            root=[certified(full)],
            tags={},
            delegations={
                "targets/releases": Delegation([p256()], {}),
                "targets/alice": Delegation([p256()], {}),
                "targets/bob": Delegation([p256()], {}),
            },
        )
        self.server.repositories[full] = made
        return made

    def push(self, name: str, **more: Any) -> str:
        """An image in the registry; its digest."""
        self.registry.add_image(name, **more)
        content, _ = self.registry.manifest(*name.split(":"))
        self.sizes[sha256(content)] = len(content)
        return sha256(content)

    def release(self, name: str, digest: str, *signers: str) -> None:
        """Names the digest in the releases and in the roles of the signers."""
        for role in ("releases", *signers):
            item = self.trusted.delegations[f"targets/{role}"]
            item.tags = {**item.tags, name: tag(digest, self.sizes.get(digest, 418))}

    def trust(self, *repositories: TrustRepository) -> ContentTrust:
        return ContentTrust(self.server.url, tuple(item.root[0].id for item in repositories or (self.trusted,)))

    def migrate(self, *names: str, **options: Any) -> dict[str, Outcome[MigratedTag]]:
        """The outcomes by tag."""
        options = {"trust_servers": self.servers, "now": NOW, **options}
        outcomes = migrate_trust(names or [self.name], self.key, options.pop("trust", self.trust()), **options)
        found = list(outcomes)
        assert len({str(item.image) for item in found}) == len(found)
        return {str(item.image).removeprefix(f"{self.name}:"): item for item in found}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with InMemoryRegistry() as registry, notary() as server:
        yield Stage(registry, server)


def states(outcomes: dict[str, Outcome[MigratedTag]]) -> dict[str, str]:
    return {name: item.result.state if item.result else type(item.error).__name__ for name, item in outcomes.items()}


def test_each_signed_tag_is_signed_by_its_trusted_digest_with_its_name_and_signers(stage: Stage) -> None:
    one, index = stage.push("app:1.0"), stage.push("app:2.0", platforms=("linux/amd64", "linux/arm64"))
    stage.push("app:nobody")
    stage.release("1.0", one, "alice", "bob")
    stage.release("2.0", index)

    outcomes = stage.migrate()

    assert states(outcomes) == {"1.0": "migrated", "2.0": "migrated", "nobody": "unsigned"}
    for name, digest, signers in (("1.0", one, ("alice", "bob")), ("2.0", index, ("Repo Admin",))):
        result = outcomes[name].result
        assert result is not None
        assert (result.digest, result.signers, result.moved, result.expired) == (digest, signers, False, "")
        rule = Policy.any_of(stage.key, annotations={ANNOTATION: ",".join(signers)}, formats=["cosign"])
        assert verify(f"{stage.name}:{name}", rule).signatures[0].claim.reference == f"{stage.name}:{name}"
    assert len(outcomes["2.0"].result.signatures) == 6  # type: ignore[union-attr]  # three manifests, two formats
    with pytest.raises(NoSignatures):
        verify(f"{stage.name}:nobody", Policy.any_of(stage.key))


def test_a_second_run_adds_nothing(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"), "alice")
    assert states(stage.migrate(dry_run=True)) == {"1.0": "planned"}
    assert states(stage.migrate()) == {"1.0": "migrated"}
    before = stage.registry.asked("PUT")

    assert states(stage.migrate()) == {"1.0": "present"}
    assert stage.registry.asked("PUT") == before


def test_a_tag_that_moved_is_signed_by_the_trusted_digest(stage: Stage) -> None:
    trusted = stage.push("app:1.0")
    stage.release("1.0", trusted)
    other = stage.push("app:1.0", platforms=("linux/amd64",))

    result = stage.migrate()["1.0"].result

    assert result is not None
    assert (result.state, result.digest, result.registry_digest, result.moved) == ("migrated", trusted, other, True)
    assert verify(f"{stage.name}@{trusted}", Policy.any_of(stage.key)).verified
    with pytest.raises(NoSignatures):
        verify(f"{stage.name}@{other}", Policy.any_of(stage.key))


def test_a_tag_that_the_registry_lost_is_signed_and_a_digest_that_it_lost_is_not(stage: Stage) -> None:
    trusted, gone = stage.push("app:1.0"), "sha256:" + "ef" * 32
    for name, digest in (("lost", trusted), ("gone", gone), ("1.0", gone)):
        stage.release(name, digest)

    outcomes = stage.migrate()

    assert states(outcomes) == {"lost": "migrated", "gone": "ImageNotFound", "1.0": "ImageNotFound"}
    assert outcomes["lost"].result is not None
    assert "is gone" in outcomes["lost"].result.warnings[0]
    assert not outcomes["lost"].result.moved
    assert isinstance(outcomes["gone"].error, ImageNotFound)
    assert f"no longer has {gone}" in str(outcomes["gone"].error)
    assert "the tag is gone too" in str(outcomes["gone"].error)
    assert f"the tag means {trusted} now" in str(outcomes["1.0"].error)


def test_signers_of_the_authority_must_have_signed_the_tag(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"), "alice", "bob")
    stage.release("2.0", stage.push("app:2.0"), "alice")
    stage.release("3.0", stage.push("app:3.0"))
    trust = ContentTrust(stage.server.url, stage.trusted.root[0].id, signers=("alice", "bob"))

    outcomes = stage.migrate(trust=trust)

    assert states(outcomes) == {"1.0": "migrated", "2.0": "NoSignatureAccepted", "3.0": "NoSignatureAccepted"}
    assert "not signed by bob" in str(outcomes["2.0"].error)
    assert "not signed by alice and bob" in str(outcomes["3.0"].error)


def test_a_manifest_of_another_size_than_the_signed_one_is_not_signed(stage: Stage) -> None:
    digest = stage.push("app:1.0")
    stage.sizes[digest] += 1
    stage.release("1.0", digest)
    stage.sizes[digest] -= 1
    stage.release("latest", digest)

    outcomes = stage.migrate()
    assert states(outcomes) == {"1.0": "NoSignatureAccepted", "latest": "migrated"}
    assert "bytes for sha256:" in str(outcomes["1.0"].error)


def test_tags_of_one_digest_are_one_bundle_and_a_classic_signature_each(stage: Stage) -> None:
    digest = stage.push("app:1.0")
    for name in ("1.0", "1", "latest"):
        stage.release(name, digest, "alice")

    assert states(stage.migrate()) == dict.fromkeys(("1.0", "1", "latest"), "migrated")
    found = inspect(f"{stage.name}@{digest}").signatures
    assert sorted(item.format for item in found) == ["bundle", "cosign", "cosign", "cosign"]
    assert set(states(stage.migrate()).values()) == {"present"}


@pytest.mark.parametrize("role", ["timestamp", "targets", "targets/releases", "root"])
def test_expired_trust_data_are_reported_and_used_only_if_that_is_accepted(stage: Stage, role: str) -> None:
    stage.release("1.0", stage.push("app:1.0"), "alice")
    if role in stage.trusted.delegations:
        stage.trusted.delegations[role].expires = PAST
    stage.trusted.expires[role] = PAST

    outcome = stage.migrate()["1.0"]

    assert isinstance(outcome.error, NoSignatureAccepted)
    assert isinstance(outcome.error.rejections[0].error, Expired)
    assert f"expired on {PAST:%Y-%m-%d}" in str(outcome.error)
    with pytest.raises(NoSignatures):
        verify(f"{stage.name}:1.0", Policy.any_of(stage.key))
    accepted = stage.migrate(accept_expired=True)["1.0"].result
    assert accepted is not None
    assert (accepted.state, accepted.expired) == ("migrated", f"{PAST:%Y-%m-%d}")


def test_an_expired_root_certificate_is_treated_like_an_expired_file(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))
    stage.trusted.root = [certified(stage.name, end=PAST)]

    outcome = stage.migrate()["1.0"]
    assert isinstance(outcome.error, NoSignatureAccepted)
    accepted = stage.migrate(accept_expired=True)["1.0"].result
    assert accepted is not None
    assert accepted.expired == f"{PAST:%Y-%m-%d}"


def test_accepting_expired_data_accepts_nothing_else(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))
    stage.trusted.expires["timestamp"] = PAST
    for change in ("root", "targets", "targets/releases", "snapshot", "timestamp"):
        stage.trusted.signed_by = {change: [p256()]}
        if change in stage.trusted.delegations:
            stage.trusted.delegations[change].signed_by = [p256()]
        (outcome,) = stage.migrate(accept_expired=True, trust_servers=TrustServers(memory=InMemoryTrust())).values()
        assert outcome.error is not None or outcome.result.state == "unsigned", change  # type: ignore[union-attr]
    stage.trusted.signed_by = {}
    other = ContentTrust(stage.server.url, certified(stage.name).id)
    (outcome,) = stage.migrate(accept_expired=True, trust=other).values()
    assert isinstance(outcome.error, NoSignatureAccepted)
    assert isinstance(outcome.error.rejections[0].error, NotTrusted)


def test_one_repository_that_fails_does_not_stop_the_rest(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))
    strange = stage.repository("strange")
    strange.root = [certified("registry.example/other")]
    names = [f"{stage.registry.host}/{name}" for name in ("none", "strange")]
    wrong = [f"{stage.name}@sha256:{'0' * 64}", "oci:layout", "UPPER/case:tag:tag"]

    outcomes = stage.migrate(*names, *wrong, stage.name, trust=stage.trust(stage.trusted, strange))

    assert isinstance(outcomes[names[0]].error, NoSignatures)
    assert isinstance(outcomes[names[1]].error, NoSignatureAccepted)
    assert all(isinstance(outcomes[name].error, InvalidArgument) for name in wrong)
    assert outcomes["1.0"].ok
    assert outcomes["1.0"].index == 5


def test_a_named_tag_is_migrated_alone_and_must_be_released(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))
    stage.release("2.0", stage.push("app:2.0"))
    stage.push("app:nobody")

    assert states(stage.migrate(f"{stage.name}:1.0")) == {"1.0": "migrated"}
    assert states(stage.migrate(f"{stage.name}:nobody")) == {"nobody": "NoSignatures"}


def test_a_registry_that_does_not_list_its_tags_is_a_warning(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))

    def no_list(request: Request) -> Answer | None:
        return Answer(403) if request.path.endswith("/tags/list") else None

    stage.registry.faults.append(no_list)
    result = stage.migrate()["1.0"].result
    assert result is not None
    assert "tags that nobody signed are not known" in result.warnings[0]


def test_two_hundred_tags_are_one_call_to_the_key(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    for number in range(200):
        stage.release(f"v{number}", stage.push(f"app:v{number}"))
    real = stage.key.signed
    monkeypatch.setattr(stage.key, "signed", lambda requests: calls.append(len(requests)) or real(requests))

    assert set(states(stage.migrate(formats=["cosign"])).values()) == {"migrated"}
    assert calls == [200]


def test_a_key_that_fails_ends_the_run_or_becomes_the_outcomes(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))
    stage.key = MemoryProvider(fail_after=0).open()

    with pytest.raises(KeyProviderUnavailable):
        stage.migrate()
    outcome = stage.migrate(on_key_error="outcome")["1.0"]
    assert isinstance(outcome.error, KeyProviderUnavailable)
    assert outcome.document()["migrated"] is False


def test_what_the_same_key_signed_by_hand_is_recognized(stage: Stage) -> None:
    digest = stage.push("app:1.0")
    stage.release("1.0", digest, "alice")
    sign(f"{stage.name}@{digest}", stage.key, identity=f"{stage.name}:1.0", annotations={ANNOTATION: "alice"})

    assert states(stage.migrate()) == {"1.0": "present"}


def test_the_functions_of_sessions_and_asyncio_do_the_same(stage: Stage) -> None:
    stage.release("1.0", stage.push("app:1.0"))

    async def collected(outcomes: Any) -> list[str]:
        return [item.result.state async for item in outcomes]

    with Session(trust_servers=stage.servers) as session:
        (made,) = session.migrate_trust([stage.name], stage.key, stage.trust(), now=NOW)
    assert made.ok
    options: dict[str, Any] = {"now": NOW, "trust_servers": stage.servers}
    assert asyncio.run(collected(aio.migrate_trust([stage.name], stage.key, stage.trust(), **options))) == ["present"]


@pytest.mark.parametrize("place", ["tuf/{}/metadata", "{}/metadata", "v2/{}/_trust/tuf", "{}/_trust/tuf", "{}", "."])
def test_a_backup_replaces_the_server(stage: Stage, tmp_path: Path, place: str) -> None:
    stage.release("1.0", stage.push("app:1.0"), "alice")
    folder = tmp_path / place.format(stage.name)
    for name, content in stage.trusted.files().items():
        if name.count(".") == 1:  # as docker keeps them: without those by hash
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    stage.server.stop()
    servers = TrustServers(memory=InMemoryTrust(), backup=tmp_path)

    result = stage.migrate(trust_servers=servers)["1.0"].result
    assert result is not None
    assert (result.state, result.signers) == ("migrated", ("alice",))

    (folder / "targets" / "alice.json").unlink()
    result = stage.migrate(trust_servers=TrustServers(memory=InMemoryTrust(), backup=tmp_path))["1.0"].result
    assert result is not None
    assert result.signers == ("Repo Admin",)
    assert "targets/alice.json is not used: the folder lacks it" in result.warnings[0]
    shutil.rmtree(folder / "targets")
    (outcome,) = stage.migrate(trust_servers=TrustServers(memory=InMemoryTrust(), backup=tmp_path)).values()
    assert isinstance(outcome.error, NoSignatureAccepted), "the releases are missing"


def test_a_folder_without_the_files_of_a_remembered_repository_is_called_that(stage: Stage, tmp_path: Path) -> None:
    """The hint for a server would be to forget what is remembered, and the folder is the fault."""
    stage.release("1.0", stage.push("app:1.0"))
    memory = InMemoryTrust()
    assert stage.migrate(trust_servers=TrustServers(memory=memory))["1.0"].result
    path = tmp_path / "app" / "metadata"  # of the name without its registry
    path.mkdir(parents=True)
    (path / "root.json").write_bytes(stage.trusted.files()["root.json"])

    (outcome,) = stage.migrate(trust_servers=TrustServers(memory=memory, backup=tmp_path)).values()

    assert isinstance(outcome.error, NoSignatureAccepted)
    assert f"{tmp_path} has no trust data for {stage.name}, and some are remembered" in str(outcome.error)
    assert f"{stage.name}/metadata" in outcome.error.hint
    assert "remove" not in outcome.error.hint


@pytest.mark.parametrize("options", [{"workers": 0}, {"formats": ["none"]}, {"accept_expired": "yes"}], ids=str)
def test_wrong_options_are_refused_at_once(stage: Stage, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        migrate_trust([stage.name], stage.key, stage.trust(), **options)
    with pytest.raises(InvalidArgument):
        migrate_trust(stage.name, stage.key, stage.trust())
