from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

import imagesig
from imagesig import ContentTrust, Policy, Transport, TrustServers, sign, verify, verify_many
from imagesig.content_trust import FolderMemory, InMemoryTrust
from imagesig.errors import (
    ImagesigError,
    InvalidArgument,
    NoSignatureAccepted,
    NoSignatures,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.keys.provider import SigningKey
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from imagesig.testing.loopback_server import Answer
from tests.commands import run_here
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import NOW, Delegation, TrustRepository, certified, p256, tag

TRANSPORT = Transport(timeout=20)
PRIVATE = p256().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as server:
        yield server


@pytest.fixture
def trust() -> Iterator[Notary]:
    with notary() as server:
        yield server


class Stage:
    """Two images of one repository: the trust server releases `signed` as 1.0, the registry's tag is `moved`."""

    def __init__(self, registry: InMemoryRegistry, server: Notary) -> None:
        self.registry, self.server = registry, server
        registry.add_image("app:signed")
        registry.add_image("app:1.0", platforms=("linux/amd64",))
        content, _ = registry.manifest("app", "signed")
        self.signed, self.size = sha256(content), len(content)
        self.moved = sha256(registry.manifest("app", "1.0")[0])
        self.name = f"{registry.host}/app"
        self.root = certified(self.name)
        self.repository = TrustRepository(self.name, root=[self.root], tags={"1.0": tag(self.signed, self.size)})
        server.repositories[self.name] = self.repository
        self.memory = InMemoryTrust()

    def trust(self, **more: Any) -> ContentTrust:
        return ContentTrust(**{"server": self.server.url, "pin": self.root.id, **more})

    def verify(self, policy: Any = None, name: str = ":1.0", **more: Any) -> imagesig.VerificationResult:
        servers = more.pop("servers", None) or TrustServers(memory=self.memory)
        return verify(
            self.name + name,
            self.trust() if policy is None else policy,
            trust_servers=servers,
            **{"now": NOW, "transport": TRANSPORT, **more},
        )


@pytest.fixture
def stage(registry: InMemoryRegistry, trust: Notary) -> Stage:
    return Stage(registry, trust)


def test_the_digest_of_the_released_tag_is_verified_and_pinned(stage: Stage) -> None:
    result = stage.verify()

    assert result.verified
    assert result.digest == stage.signed
    assert result.pinned == f"{stage.name}@{stage.signed}"
    (signature,) = result.signatures
    assert signature.format == "content-trust"
    assert signature.claim.reference == f"{stage.name}:1.0"
    assert any("the registry's tag is " + stage.moved in text for text in result.warnings)


def test_every_other_authority_judges_the_released_digest(stage: Stage, key: SigningKey) -> None:
    both = Policy.all_of(stage.trust(), key)
    sign(f"{stage.name}:1.0", key, transport=TRANSPORT)
    with pytest.raises(NoSignatureAccepted):
        stage.verify(both)
    sign(f"{stage.name}@{stage.signed}", key, identity=f"{stage.name}:1.0", transport=TRANSPORT)

    assert stage.verify(both).digest == stage.signed
    assert stage.verify(Policy.any_of(key, stage.trust())).digest == stage.signed
    assert stage.verify(Policy.at_least(2, stage.trust(), key)).digest == stage.signed


def test_without_a_released_tag_the_authority_does_not_count_and_the_registry_resolves(
    stage: Stage, key: SigningKey
) -> None:
    stage.repository.tags = {}
    with pytest.raises(NoSignatures, match="is not released"):
        stage.verify()
    sign(f"{stage.name}:1.0", key, transport=TRANSPORT)

    assert stage.verify(Policy.any_of(stage.trust(), key)).digest == stage.moved
    with pytest.raises(NoSignatureAccepted, match="is not released"):
        stage.verify(Policy.all_of(stage.trust(), key))


def test_a_repository_without_trust_data_does_not_count(stage: Stage, key: SigningKey) -> None:
    stage.server.repositories.clear()
    sign(f"{stage.name}:1.0", key, transport=TRANSPORT)

    assert stage.verify(Policy.any_of(stage.trust(), key)).digest == stage.moved
    with pytest.raises(NoSignatures, match="has no trust data"):
        stage.verify()


@pytest.mark.parametrize("answer", [Answer(500), Answer(404), Answer(403), Answer(302), Answer(close=True)])
@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_does_not_answer_is_an_error_under_any_too(stage: Stage, key: SigningKey, answer: Answer) -> None:
    sign(f"{stage.name}:1.0", key, transport=TRANSPORT)
    stage.server.answer = answer

    with pytest.raises((Unreachable, UnexpectedResponse, imagesig.Unauthorized)):
        stage.verify(Policy.any_of(key, stage.trust()))


def test_a_server_that_is_silent_is_an_error_and_no_verdict(stage: Stage, key: SigningKey) -> None:
    sign(f"{stage.name}:1.0", key, transport=TRANSPORT)
    stage.server.answer = Answer(pieces=lambda: itertools.cycle([b" ", 0.1]), content_length=1 << 16)

    for policy in (stage.trust(), Policy.any_of(key, stage.trust())):
        with pytest.raises((imagesig.DeadlineExceeded, Unreachable)):
            stage.verify(policy, timeout=1.0)


def _expired(stage: Stage) -> None:
    stage.repository.expires["targets"] = NOW


def _rolled_back(stage: Stage) -> None:
    stage.repository.versions["targets"] = 2
    stage.verify()
    stage.repository.versions["targets"] = 1


def _replaced(stage: Stage) -> None:
    stage.verify()
    stage.repository.root = [certified(stage.name)]


def _deleted(stage: Stage) -> None:
    stage.verify()
    stage.server.repositories.clear()


def _another_root(stage: Stage) -> None:
    stage.repository.root = [certified(stage.name)]


def _another_repository(stage: Stage) -> None:
    other = certified(f"{stage.name}2", key=stage.root)
    stage.repository.root = [other]


@pytest.mark.parametrize("change", [_expired, _rolled_back, _replaced, _deleted, _another_root, _another_repository])
def test_trust_data_that_cannot_be_verified_refuse_the_image_under_any_too(
    stage: Stage, key: SigningKey, change: Any
) -> None:
    sign(f"{stage.name}:1.0", key, transport=TRANSPORT)
    change(stage)

    for policy in (stage.trust(), Policy.any_of(key, stage.trust()), Policy.all_of(key, stage.trust())):
        with pytest.raises(NoSignatureAccepted, match="its trust data cannot be verified") as refused:
            stage.verify(policy)
        assert refused.value.rejections[0].authority == "content trust"


def test_a_digest_counts_if_a_released_tag_names_it(stage: Stage) -> None:
    assert stage.verify(name=f"@{stage.signed}").verified
    assert stage.verify(name=f":1.0@{stage.signed}").verified
    for name in (f"@{stage.moved}", f":1.0@{stage.moved}", f":other@{stage.signed}"):
        with pytest.raises(NoSignatures, match="is not released"):
            stage.verify(name=name)
    with pytest.raises(NoSignatures, match=f"{stage.moved} is not released as tag '1.0'"):  # the tag itself is released
        stage.verify(name=f":1.0@{stage.moved}")


def test_a_signer_must_have_signed_the_same_digest(stage: Stage) -> None:
    alice, bob = (Delegation([p256()], {"1.0": tag(digest, stage.size)}) for digest in (stage.signed, stage.moved))
    stage.repository.delegations = {"targets/alice": alice, "targets/bob": bob}

    assert stage.verify(stage.trust(signers="alice")).verified
    for signers in (("bob",), ("alice", "bob"), ("carol",)):
        with pytest.raises(NoSignatureAccepted, match="not signed by"):
            stage.verify(stage.trust(signers=signers))


def test_a_tag_of_a_signer_alone_is_not_released(stage: Stage) -> None:
    stage.repository.tags = {}
    stage.repository.delegations = {"targets/alice": Delegation([p256()], {"1.0": tag(stage.signed)})}

    with pytest.raises(NoSignatures, match="is not released"):
        stage.verify(stage.trust(signers="alice"))


def test_a_length_that_is_not_the_manifests_is_refused(stage: Stage) -> None:
    stage.repository.tags = {"1.0": tag(stage.signed, stage.size + 1)}

    with pytest.raises(NoSignatureAccepted, match="bytes"):
        stage.verify()


def test_a_skipped_role_is_a_warning(stage: Stage) -> None:
    stage.repository.delegations = {"targets/releases": Delegation([p256()], {}, expires=NOW)}

    assert any("targets/releases is not used" in text for text in stage.verify().warnings)


def test_a_signer_who_delegates_to_many_roles_stops_no_verification(stage: Stage) -> None:
    key = p256()
    stage.repository.delegations = {"targets/alice": Delegation([key], {})}
    for first in ("a", "b"):
        below = [f"targets/alice/{first}", *(f"targets/alice/{first}/{number}" for number in range(60))]
        stage.repository.delegations |= {name: Delegation([key], {}) for name in below}

    assert stage.verify().digest == stage.signed


def test_a_key_that_signs_trust_data_and_images_is_one_signer(stage: Stage, key: SigningKey) -> None:
    sign(f"{stage.name}@{stage.signed}", key, identity=f"{stage.name}:1.0", transport=TRANSPORT)
    targets = stage.repository.targets.public
    policy = Policy.at_least(2, stage.trust(), targets)

    with pytest.raises(NoSignatureAccepted):
        stage.verify(policy)


def test_first_use_is_remembered_and_said(stage: Stage) -> None:
    trust = stage.trust(pin=(), first_use=True)

    assert any("trusted at first contact" in text for text in stage.verify(trust).warnings)
    _replaced(stage)
    with pytest.raises(NoSignatureAccepted, match="rolled back or replaced"):
        stage.verify(trust)


def test_offline_uses_what_is_remembered_until_it_expires(stage: Stage) -> None:
    stage.repository.expires["timestamp"] = NOW + timedelta(days=14)
    with pytest.raises(Unreachable, match="is not remembered"):
        stage.verify(servers=TrustServers(memory=stage.memory, offline=True))
    stage.verify()
    stage.server.asked.clear()

    assert stage.verify(servers=TrustServers(memory=stage.memory, offline=True)).digest == stage.signed
    assert not stage.server.asked
    with pytest.raises(NoSignatureAccepted, match=r"timestamp.json version 1: expired"):
        stage.verify(servers=TrustServers(memory=stage.memory, offline=True), now=NOW + timedelta(days=15))


def test_a_new_timestamp_is_asked_for_each_time(stage: Stage) -> None:
    stage.verify()
    stage.server.asked.clear()
    stage.verify()

    assert stage.server.asked == ["timestamp.json"]


def test_many_tags_of_a_repository_cost_one_update(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.content_trust.servers._VIEW_SECONDS", 10**9)
    stage.repository.tags["2.0"] = stage.repository.tags["1.0"]
    images = [f"{stage.name}:1.0", f"{stage.name}:2.0"] * 3

    outcomes = verify_many(
        images, stage.trust(), now=NOW, transport=TRANSPORT, trust_servers=TrustServers(memory=stage.memory)
    )

    assert {outcome.result.digest for outcome in outcomes if outcome.result} == {stage.signed}
    assert stage.server.asked.count("timestamp.json") == 1


def test_images_outside_registries_are_refused(stage: Stage, tmp_path: Path) -> None:
    imagesig.copy(f"{stage.name}:1.0", f"oci:{tmp_path}/layout:1.0", transport=TRANSPORT)
    with pytest.raises(InvalidArgument, match="tags of registries"):
        verify(f"oci:{tmp_path}/layout:1.0", stage.trust(), trust_servers=TrustServers(memory=stage.memory))


def test_a_rule_that_warns_lets_pass_without_proof(stage: Stage) -> None:
    policy = Policy.any_of(stage.trust())
    warning = Policy(imagesig.policy.Rule(policy.default.requirements, "default", True))
    stage.repository.expires["targets"] = NOW

    result = stage.verify(warning, allow_unverified=True)

    assert not result.verified
    assert result.digest == stage.moved


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no pin"),
        ({"pin": "00", "first_use": True}, "cannot be combined"),
        ({"pin": 7}, "pin 7"),
        ({"pin": ["a", ""]}, "pin ''"),
        ({"pin": "ab" * 32, "signers": "Alice"}, "signer 'Alice'"),
        ({"pin": "ab" * 32, "name": ""}, "the name is empty"),
        ({"pin": "ab" * 32, "server": 7}, "server"),
        ({"pin": "ab" * 32, "server": "https://user:secret@notary.example"}, "without login"),
        ({"pin": "AB" * 64}, "may be a private key"),
        ({"pin": "a\nb"}, "one line is needed"),
        ({"pin": PRIVATE}, "private key"),
    ],
    ids=["none", "both", "number", "empty", "signer", "name", "server", "login", "hex", "lines", "private"],
)
def test_a_wrong_authority_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        Policy.any_of(ContentTrust(**given))
    assert not any(text in str(refused.value) for text in ("secret", "ABAB", PRIVATE[40:60]))


@pytest.mark.parametrize("url", ["http://notary.example", "https://a:b@notary.example", "ftp://x", "notary"])
def test_a_server_needs_https(stage: Stage, url: str) -> None:
    with pytest.raises(InvalidArgument):
        stage.verify(stage.trust(server=url))


def test_a_pin_may_be_a_file(stage: Stage, tmp_path: Path) -> None:
    for name, content in (("root.pub", stage.root.public.pem.encode()), ("root.crt", stage.root.certificates)):
        (tmp_path / name).write_bytes(content)
        assert stage.verify(stage.trust(pin=tmp_path / name)).verified
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(InvalidArgument, match="content trust pin"):
            stage.verify(stage.trust(pin=missing))


def test_a_memory_that_cannot_be_written_or_read_is_an_error(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImagesigError, match="content trust memory"):
        stage.verify(servers=TrustServers(memory=FolderMemory(tmp_path / "file" / "below")))
    memory = FolderMemory(tmp_path / "state")
    stage.verify(servers=TrustServers(memory=memory))
    (written,) = (tmp_path / "state").glob("*.json")
    written.write_text("{")
    with pytest.raises(InvalidArgument, match="not JSON"):
        stage.verify(servers=TrustServers(memory=memory))


def test_a_session_and_explain_use_the_servers(stage: Stage) -> None:
    servers = TrustServers(memory=stage.memory)
    with imagesig.Session(TRANSPORT, trust_servers=servers) as session:
        assert session.verify(f"{stage.name}:1.0", stage.trust(), now=NOW).digest == stage.signed
        explained = session.explain(f"{stage.name}:1.0", stage.trust(), now=NOW)
    assert explained.is_met
    assert "content trust of" in str(explained.document())


def test_servers_pickle_without_their_connections() -> None:
    made = pickle.loads(pickle.dumps(TrustServers(offline=True)))

    assert isinstance(made, TrustServers)


@pytest.mark.parametrize("moved", [True, False])
def test_a_copy_is_admitted_only_by_its_own_digest(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """A copy resolves the tag at the registry: what is verified must be what is copied."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"""version = 1
        [authorities.dct.content_trust]
        server = "{stage.server.url}"
        pins = [{{ key_id = "{stage.root.id}" }}]
        [default]
        require = [{{ any = ["dct"] }}]
        """
    )
    if not moved:
        content, kind = stage.registry.manifest("app", "signed")
        stage.registry.put_manifest("app", content, kind, "1.0")

    done = run_here("copy", "--policy", policy, "--all-platforms", f"{stage.name}:1.0", f"oci:{tmp_path}/copy:1.0")

    assert (done.exit_code == 12) is moved, done.stderr
    assert (done.exit_code == 0) is not moved, done.stderr
    assert (tmp_path / "copy" / "index.json").exists() is not moved


def test_a_pinned_image_is_judged_by_its_own_digest(stage: Stage) -> None:
    pinned = replace(imagesig.registry(f"{stage.name}:1.0"), target=stage.moved)

    with pytest.raises(NoSignatureAccepted, match="but the image is"):
        verify(pinned, stage.trust(), trust_servers=TrustServers(memory=stage.memory), now=NOW)


def test_a_policy_file_names_a_trust_server(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "root.pub").write_text(stage.root.public.pem)
    (tmp_path / "policy.toml").write_text(
        f"""version = 1
        [authorities.dct.content_trust]
        server = "{stage.server.url}"
        pins = [{{ key_file = "root.pub" }}]
        signers = ["alice"]
        [authorities.release]
        key_pem = '''{p256().public.pem}'''
        [[rules]]
        scope = "{stage.registry.host}"
        require = [{{ any = ["dct", "release"] }}]
        """
    )
    policy = Policy.load(tmp_path / "policy.toml")
    with pytest.raises(NoSignatureAccepted, match="not signed by alice") as refused:
        stage.verify(policy)
    assert {finding.authority for finding in refused.value.findings} == {"dct", "release"}
    stage.repository.delegations = {"targets/alice": Delegation([p256()], {"1.0": tag(stage.signed, stage.size)})}
    assert stage.verify(policy).signatures[0].authority == "dct"
    checked = run_here("policy", "check", tmp_path / "policy.toml")
    assert checked.exit_code == 0, checked.stderr
    assert "signed by any of dct, release" in checked.stdout


def test_platforms_are_those_of_the_index_that_was_named(stage: Stage, registry: InMemoryRegistry) -> None:
    content, _ = registry.manifest("app", "1.0")
    stage.repository.tags = {"1.0": tag(stage.moved, len(content))}

    result = stage.verify(platform="linux/amd64")

    assert result.through_index
    assert result.digest in content.decode()
