"""Changes of trust data through the public functions: conflicts, repairs, expiry, and whose data are accepted."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imagesig import (
    ChangedTrust,
    ContentTrust,
    InspectedTrust,
    KeyType,
    Session,
    SigningKey,
    TrustServers,
    add_signer,
    aio,
    init_trust,
    remove_signer,
    revoke_trust,
    rotate_trust_key,
    sign_trust,
    verify,
)
from imagesig.content_trust import InMemoryTrust, TrustKeys, canonical_id
from imagesig.content_trust.canonical import canonical_json
from imagesig.content_trust.key import key_id, written_key
from imagesig.content_trust.metadata import parse_root, parse_targets, serialized
from imagesig.content_trust.private_folder import PrivateKeyFolder
from imagesig.content_trust.signing_key import ProviderKey, signing_key
from imagesig.errors import (
    DeadlineExceeded,
    Expired,
    ImagesigError,
    InvalidArgument,
    KeyMismatch,
    KeyNotFound,
    MalformedError,
    NoSignatures,
    NotTrusted,
    SignatureRejected,
    Stale,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from imagesig.testing.loopback_server import Answer
from tests.content_trust.repository import NOW, Delegation, Key, TrustRepository, certified
from tests.content_trust.repository import tag as entry
from tests.content_trust.test_keyring import Folder
from tests.content_trust.writable_notary import Files, WritableNotary, refusal, writable_notary

_WRITTEN = Key.written.fget  # type: ignore[attr-defined]
YEARS = timedelta(days=365)


class Stage:
    def __init__(self, registry: InMemoryRegistry, server: WritableNotary) -> None:
        self.server, self.gun, self.memory = server, f"{registry.host}/app", InMemoryTrust()
        self.digests = {}
        for tag in ("1.0", "2.0"):
            registry.add_image(f"app:{tag}", platforms=("linux/amd64",) * int(tag[0]))
            self.digests[tag] = sha256(registry.manifest("app", tag)[0])
        self.root, self.targets, self.alice, self.bob = map(self.key, ("root", "targets", "alice", "bob"))

    def key(self, name: str, kind: KeyType = KeyType.ECDSA_P256) -> SigningKey:
        return FileKey(PrivateKey.generate(kind), name)

    @property
    def own(self) -> TrustKeys:
        return TrustKeys(root=self.root, targets=self.targets)

    def servers(self) -> TrustServers:
        return TrustServers(server=self.server.url, memory=self.memory)

    def init(self, **more: object) -> ChangedTrust:
        return init_trust(self.gun, self.own, trust_servers=self.servers(), **more)  # type: ignore[arg-type]

    def sign(self, tag: str, keys: TrustKeys | None = None, **more: object) -> ChangedTrust:
        servers = self.servers()
        return sign_trust(f"{self.gun}:{tag}", keys or self.own, trust_servers=servers, **more)  # type: ignore[arg-type]

    def add(self, name: str, key: SigningKey, **more: object) -> ChangedTrust:
        public = [key.info.public_key]
        return add_signer(self.gun, name, public, self.own, trust_servers=self.servers(), **more)  # type: ignore[arg-type]

    def later(self, files: Files) -> Files:
        """The present targets, signed once more: the update of a writer who is faster."""
        signed = dict(parse_targets("targets", self.server.current[self.gun]["targets"]).document.signed)
        signed["version"] = parse_targets("targets", files["targets"]).document.version
        made = signing_key(self.targets).sign(canonical_json(signed))
        return {"targets": serialized(signed, [(made.key_id, made.method, b64encode(made.value).decode())])}

    def released(self, tag: str = "1.0", **more: object) -> str:
        trust = ContentTrust(self.server.url, self.root.info.public_key)
        servers = TrustServers(memory=InMemoryTrust())
        return verify(f"{self.gun}:{tag}", trust, trust_servers=servers, **more).digest  # type: ignore[arg-type]

    def tags(self, role: str = "targets") -> set[str]:
        return set(parse_targets(role, self.server.current[self.gun][role]).tags)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with InMemoryRegistry() as registry, writable_notary() as server:
        yield Stage(registry, server)


def test_a_tag_is_signed_with_the_digest_and_size_in_the_registry(stage: Stage) -> None:
    done = stage.sign("1.0")

    assert (done.created, done.tag, done.digest) == (True, "1.0", stage.digests["1.0"])
    assert done.versions == {"root": 1, "targets": 1}
    assert stage.released() == done.digest
    again = stage.sign(f"1.0@{stage.digests['2.0']}")
    assert (again.digest, again.created) == (stage.digests["2.0"], False)
    assert stage.released() == stage.digests["2.0"]


def test_without_a_tag_or_in_a_file_nothing_is_signed(stage: Stage) -> None:
    for name in (stage.gun, f"{stage.gun}@{stage.digests['1.0']}", "oci:folder:1.0"):
        with pytest.raises(InvalidArgument):
            sign_trust(name, stage.own, trust_servers=stage.servers())
    assert not stage.server.updates


def test_a_tag_or_digest_is_no_whole_repository(stage: Stage) -> None:
    public_key, options = PrivateKey.generate(KeyType.ECDSA_P256).public_key, {"trust_servers": stage.servers()}
    changes: tuple[Callable[[str], object], ...] = (
        lambda name: init_trust(name, stage.own, **options),
        lambda name: add_signer(name, "alice", [public_key], stage.own, **options),
        lambda name: remove_signer(name, "alice", stage.own, **options),
        lambda name: rotate_trust_key(name, "targets", stage.own, **options),
    )
    for name in (f"{stage.gun}:1.0", f"{stage.gun}@{stage.digests['1.0']}"):
        for change in changes:
            with pytest.raises(InvalidArgument, match="whole repository") as refused:
                change(name)
            assert refused.value.hint == f"give {stage.gun}"
    assert not stage.server.updates


def test_a_writer_who_was_slower_makes_the_change_on_top_of_the_other_one(stage: Stage) -> None:
    stage.init()
    other = Stage.__new__(Stage)
    other.__dict__.update(stage.__dict__ | {"memory": InMemoryTrust()})
    once: list[int] = []

    def faster(_name: str, _files: Files) -> None:
        if not once:
            once.append(1)
            other.sign("2.0")

    stage.server.before = faster
    done = stage.sign("1.0")

    assert stage.tags() == {"1.0", "2.0"}
    assert done.versions == {"targets": 3}


def test_a_writer_who_is_always_slower_gives_up(stage: Stage) -> None:
    stage.init()
    stage.server.updates.clear()

    def ahead(name: str, files: Files) -> Answer:
        stage.server.store(name, stage.later(files))
        return refusal(400, "VERSION")

    stage.server.before = ahead
    with pytest.raises(Stale):
        stage.sign("1.0")
    assert len(stage.server.updates) == 8


def test_an_update_that_was_stored_before_its_answer_was_lost_is_done(stage: Stage) -> None:
    stage.init()

    def lost(name: str, files: Files) -> Answer:
        stage.server.store(name, files)
        return refusal(400, "VERSION")

    stage.server.before = lost
    assert stage.sign("1.0").versions == {"targets": 2}
    assert len(stage.server.updates) == 2


@pytest.mark.parametrize("kind", [Unreachable, DeadlineExceeded, Unauthorized])
def test_a_change_that_cannot_be_read_back_is_said_to_be_stored(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: type[ImagesigError]
) -> None:
    def fails(*_: object) -> None:
        raise kind("too late")

    stage.init()
    with monkeypatch.context() as patch:
        patch.setattr(TrustServers, "read_back", fails)
        with pytest.raises(kind, match=r"the change is stored, but .*: too late"):
            stage.sign("1.0")

    assert stage.released() == stage.digests["1.0"]


def test_files_that_the_server_cannot_serve_are_published_again_under_the_next_version(stage: Stage) -> None:
    stage.init()
    stage.server.stored = lambda role, content: content + b" " if role == "targets" else content

    def heals(_name: str, _files: Files) -> None:
        if len(stage.server.updates) == 3:
            stage.server.stored = lambda _role, content: content

    stage.server.before = heals
    done = stage.sign("1.0")

    assert done.versions == {"targets": 3}
    assert stage.released() == stage.digests["1.0"]


def test_a_server_that_never_serves_what_it_stored_is_an_error_after_two_repairs(stage: Stage) -> None:
    stage.init()
    stage.server.stored = lambda role, content: content + b" " if role == "targets" else content

    with pytest.raises(MalformedError):
        stage.sign("1.0")
    assert [parse_targets("targets", item["targets"]).document.version for item in stage.server.updates[1:]] == [
        2,
        3,
        4,
    ]


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (refusal(400, "INVALID_UPDATE", {"Error": {"Msg": "no signatures"}}), UnexpectedResponse, "no signatures"),
        (refusal(403, "DENIED"), Unauthorized, "403"),
        (Answer(302, headers={"location": "/elsewhere"}), UnexpectedResponse, "302"),
        (Answer(400, b"\xff"), UnexpectedResponse, "400"),
    ],
    ids=["invalid", "denied", "redirect", "no document"],
)
def test_a_refused_update_is_an_error_that_says_why(
    stage: Stage, answer: Answer, error: type[Exception], said: str
) -> None:
    stage.init()
    stage.server.before = lambda _name, _files: answer
    with pytest.raises(error, match=said):
        stage.sign("1.0")
    assert stage.server.versions(stage.gun)["targets"] == 1


def test_a_server_without_the_snapshot_key_is_an_error_that_says_how_to_give_it(stage: Stage) -> None:
    stage.init()
    message = "no snapshot was included in update and server does not hold current snapshot key for repository"
    stage.server.before = lambda _name, _files: refusal(
        400, "INVALID_UPDATE", {"Name": "ErrBadHierarchy", "Error": {"Msg": message}}
    )
    with pytest.raises(UnexpectedResponse, match="hold current snapshot key") as refused:
        stage.sign("1.0")
    assert "give the snapshot key" in refused.value.hint
    assert "imagesig trust rotate REPO snapshot" in refused.value.hint


def test_present_trust_data_must_be_pinned_remembered_or_ours(stage: Stage) -> None:
    stage.init()
    targets = TrustKeys(stage.targets)
    stage.sign("1.0", targets)  # remembered
    stage.memory = InMemoryTrust()
    with pytest.raises(InvalidArgument, match="no root is pinned or remembered"):
        stage.sign("1.0", targets)
    stage.sign("1.0", targets, trust=ContentTrust(pin=stage.root.info.public_key))
    stage.memory = InMemoryTrust()
    with pytest.raises(NotTrusted):
        stage.sign("1.0", targets, trust=ContentTrust(pin=stage.bob.info.public_key))
    with pytest.raises(NotTrusted):
        stage.sign("1.0", TrustKeys(stage.targets, root=stage.bob))
    stage.sign("1.0", stage.own)  # the root key is ours
    assert stage.server.versions(stage.gun)["targets"] == 4


def test_a_new_repository_needs_no_pin_and_no_root_key_but_a_folder(stage: Stage) -> None:
    """As with docker: the first signer makes the root key. Trust data that are there are not taken over."""
    folder = Folder()
    made = stage.sign("1.0", TrustKeys(folder=folder))
    assert made.created
    assert sorted(folder.roles().values()) == ["root", f"targets {stage.gun}"]
    stage.memory = InMemoryTrust()
    for keys in (TrustKeys(folder=Folder()), TrustKeys(stage.targets)):
        with pytest.raises(InvalidArgument, match="no root is pinned or remembered"):
            stage.sign("2.0", keys)
        with pytest.raises(InvalidArgument, match="no root is pinned or remembered"):
            add_signer(stage.gun, "alice", [stage.alice.info.public_key], keys, trust_servers=stage.servers())
    with pytest.raises(InvalidArgument, match="no root is pinned or remembered"):
        revoke_trust(f"{stage.gun}/other", TrustKeys(folder=Folder()), trust_servers=stage.servers())
    assert stage.server.versions(stage.gun) == {"root": 1, "targets": 1, "snapshot": 1, "timestamp": 1}


def test_a_repository_that_another_writer_made_first_is_not_trusted(stage: Stage) -> None:
    other = Stage.__new__(Stage)
    other.__dict__.update(stage.__dict__ | {"memory": InMemoryTrust()})
    once: list[int] = []

    def faster(_name: str, _files: Files) -> None:
        if not once:
            once.append(1)
            other.init()

    stage.server.before = faster
    with pytest.raises(InvalidArgument, match="no root is pinned or remembered"):
        stage.sign("1.0", TrustKeys(folder=Folder()))
    assert stage.tags() == set()


def test_the_root_of_a_new_repository_is_compared_with_a_pin_in_a_file(stage: Stage, tmp_path: Path) -> None:
    for name, key in (("root", stage.root), ("bob", stage.bob)):
        (tmp_path / name).write_text(key.info.public_key.pem)
    with pytest.raises(NotTrusted, match="not one that is pinned"):
        stage.init(trust=ContentTrust(pin=str(tmp_path / "bob")))
    assert stage.init(trust=ContentTrust(pin=str(tmp_path / "root"))).created


def test_a_repository_that_disappeared_is_not_made_anew(stage: Stage) -> None:
    stage.sign("1.0")
    stage.server.current.clear()
    stage.server.named.clear()
    with pytest.raises(SignatureRejected):
        stage.sign("1.0")
    stage.memory = InMemoryTrust()
    with pytest.raises(NotTrusted):
        stage.sign("1.0", trust=ContentTrust(pin=stage.bob.info.public_key))
    assert not stage.server.current


def test_signers_sign_in_their_role_and_in_releases(stage: Stage) -> None:
    stage.add("alice", stage.alice)
    stage.add("bob", stage.bob)
    done = stage.sign("1.0", TrustKeys(stage.alice))

    assert set(done.versions) == {"targets/alice", "targets/releases"}
    trust = ContentTrust(stage.server.url, stage.root.info.public_key, signers="alice")
    servers = TrustServers(memory=InMemoryTrust())
    assert verify(f"{stage.gun}:1.0", trust, trust_servers=servers).verified
    with pytest.raises(KeyNotFound, match="no key of its delegated roles"):
        stage.sign("1.0", stage.own)
    assert stage.sign("2.0", TrustKeys(stage.bob)).versions["targets/releases"] == 2
    assert stage.tags("targets/releases") == {"1.0", "2.0"}


@pytest.mark.parametrize(
    "name", ["", "releases", "Alice", "a/b", "-a", "a" * 300, "a\n"], ids=lambda text: repr(text[:9])
)
def test_another_name_of_a_signer_is_refused(stage: Stage, name: str) -> None:
    with pytest.raises(InvalidArgument):
        stage.add(name, stage.alice)


def test_a_removed_signer_leaves_what_another_key_can_sign_again(stage: Stage) -> None:
    stage.add("alice", stage.alice)
    stage.add("bob", stage.bob)
    stage.sign("1.0", TrustKeys(stage.alice))

    def remove(keys: TrustKeys, **more: bool) -> ChangedTrust:
        return remove_signer(stage.gun, "alice", keys, trust_servers=stage.servers(), **more)

    with pytest.raises(KeyNotFound, match="alone has signed"):
        remove(stage.own)
    done = remove(TrustKeys(stage.bob, root=stage.root, targets=stage.targets))
    assert done.versions == {"targets": 3, "targets/releases": 2}
    assert stage.released() == stage.digests["1.0"]
    assert canonical_id(stage.alice.info.public_key).encode() not in stage.server.current[stage.gun]["targets"]
    with pytest.raises(KeyNotFound):
        stage.sign("1.0", TrustKeys(stage.alice))
    with pytest.raises(NoSignatures, match="no signer alice"):
        remove(stage.own)


def test_a_removed_signer_keeps_no_key_that_releases_even_one_that_imagesig_does_not_use(stage: Stage) -> None:
    key = ec.generate_private_key(ec.SECP224R1())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    odd = {"keytype": "ecdsa", "keyval": {"private": None, "public": b64encode(spki).decode()}}
    odd_id = key_id("ecdsa", b64encode(spki).decode())
    stage.add("alice", stage.alice)
    signed: Any = dict(parse_targets("targets", stage.server.current[stage.gun]["targets"]).document.signed)
    signed["version"] += 1
    signed["delegations"]["keys"][odd_id] = odd
    for role in signed["delegations"]["roles"]:
        role["keyids"].append(odd_id)
    made = signing_key(stage.targets).sign(canonical_json(signed))
    written = serialized(signed, [(made.key_id, made.method, b64encode(made.value).decode())])
    stage.server.store(stage.gun, {"targets": written})

    remove_signer(stage.gun, "alice", stage.own, trust_servers=stage.servers())
    left: Any = parse_targets("targets", stage.server.current[stage.gun]["targets"]).document.signed["delegations"]
    assert left == {"keys": {}, "roles": [{"keyids": [], "name": "targets/releases", "paths": [""], "threshold": 1}]}


NONSENSE: dict[str, Callable[[dict[str, Any], str], None]] = {
    "too many delegations": lambda signed, key: signed["delegations"].update(
        roles=[{"keyids": [key], "name": f"targets/alice/{n}", "paths": [""], "threshold": 1} for n in range(101)]
    ),
    "a role twice": lambda signed, key: signed["delegations"].update(
        roles=[{"keyids": [key], "name": "targets/alice/a", "paths": [""], "threshold": 1}] * 2
    ),
    "a role elsewhere": lambda signed, key: signed["delegations"].update(
        roles=[{"keyids": [key], "name": "targets/releases", "paths": [""], "threshold": 1}]
    ),
    "no list": lambda signed, _key: signed.update(targets=[]),
}


@pytest.mark.parametrize("case", NONSENSE)
@pytest.mark.parametrize("is_known", [False, True], ids=["new", "remembered"])
def test_a_signer_who_signs_nonsense_stops_nobody_else_and_can_be_removed(
    stage: Stage, case: str, is_known: bool
) -> None:
    stage.add("alice", stage.alice)
    stage.add("bob", stage.bob)
    stage.sign("1.0", TrustKeys(stage.bob))
    made = signing_key(stage.alice)

    def publish(version: int, change: Callable[[dict[str, Any], str], None]) -> None:
        signed: dict[str, Any] = {"_type": "Targets", "delegations": {"keys": {}, "roles": []}, "targets": {}}
        signed |= {"expires": "2037-01-01T00:00:00Z", "version": version}
        change(signed, made.sign(b"x").key_id)
        signature = made.sign(canonical_json(signed))
        written = serialized(signed, [(signature.key_id, signature.method, b64encode(signature.value).decode())])
        stage.server.store(stage.gun, {"targets/alice": written})

    if is_known:
        publish(1, lambda _signed, _key: None)
        stage.sign("2.0", TrustKeys(stage.bob))
    publish(2, NONSENSE[case])

    assert stage.released() == stage.digests["1.0"]
    assert stage.sign("2.0", TrustKeys(stage.bob)).digest == stage.digests["2.0"]
    remove_signer(stage.gun, "alice", stage.own, force=True, trust_servers=stage.servers())
    assert stage.sign("1.0", TrustKeys(stage.bob)).digest == stage.digests["1.0"]


def test_a_forced_removal_says_that_nothing_is_released_and_signing_goes_on(stage: Stage) -> None:
    stage.add("alice", stage.alice)
    stage.sign("1.0", TrustKeys(stage.alice))
    done = remove_signer(stage.gun, "alice", stage.own, force=True, trust_servers=stage.servers())
    assert any("no longer signed" in note for note in done.warnings)
    with pytest.raises(NoSignatures):
        stage.released()

    stage.add("bob", stage.bob)
    done = stage.sign("2.0", TrustKeys(stage.bob))
    assert done.versions == {"targets/bob": 1, "targets/releases": 2}
    assert any("are not kept" in note for note in done.warnings)
    stage.add("alice", stage.alice)
    assert stage.sign("1.0", TrustKeys(stage.alice)).versions == {"targets/alice": 2, "targets/releases": 3}
    assert stage.tags("targets/releases") == {"1.0", "2.0"}


def test_a_revoked_tag_is_in_no_role_that_releases_it(stage: Stage) -> None:
    stage.sign("1.0")
    stage.add("alice", stage.alice)
    stage.sign("1.0", TrustKeys(stage.alice))
    with pytest.raises(KeyNotFound, match=r"releases the tag 1\.0"):
        revoke_trust(f"{stage.gun}:1.0", TrustKeys(stage.alice), trust_servers=stage.servers())
    keys = TrustKeys(stage.alice, root=stage.root, targets=stage.targets)
    done = revoke_trust(f"{stage.gun}:1.0", keys, trust_servers=stage.servers())

    assert set(done.versions) == {"targets", "targets/alice", "targets/releases"}
    with pytest.raises(NoSignatures):
        stage.released()
    with pytest.raises(NoSignatures, match="nothing to revoke"):
        revoke_trust(stage.gun, keys, trust_servers=stage.servers())


def test_without_the_last_signer_the_hint_is_to_add_one(stage: Stage) -> None:
    stage.sign("1.0")
    stage.add("alice", stage.alice)
    with pytest.raises(KeyNotFound, match="targets/alice") as caught:
        stage.sign("2.0")
    assert "--key" in caught.value.hint
    remove_signer(stage.gun, "alice", stage.own, trust_servers=stage.servers())
    with pytest.raises(KeyNotFound, match="they have none") as caught:
        stage.sign("2.0")

    assert "signer add" in caught.value.hint
    stage.add("bob", stage.bob)
    stage.sign("2.0", TrustKeys(stage.bob))
    assert stage.released("2.0") == stage.digests["2.0"]


@pytest.mark.parametrize("tag", ["", ":1.0"], ids=["no-tag", "tag"])
def test_a_digest_revokes_nothing(stage: Stage, tag: str) -> None:
    stage.sign("1.0")
    stage.sign("2.0")
    with pytest.raises(InvalidArgument, match="not a digest"):
        revoke_trust(f"{stage.gun}{tag}@{stage.digests['2.0']}", stage.own, trust_servers=stage.servers())

    assert stage.tags() == {"1.0", "2.0"}


@pytest.mark.parametrize("days", [10, 900], ids=["renewed", "revoked"])
def test_no_key_signs_what_a_signer_delegates_which_could_be_the_file_of_another_role(stage: Stage, days: int) -> None:
    alice, own, mallory = (PrivateKey.generate(KeyType.ECDSA_P256) for _ in range(3))
    stage.alice, stage.targets = FileKey(alice, "alice"), FileKey(own, "targets")
    stage.sign("1.0")
    stage.add("alice", stage.alice)
    below = Delegation([Key(mallory.loaded), Key(own.loaded)], {"1.0": entry(), "3.0": entry()}, version=1000)
    below.expires, below.signed_by = NOW + timedelta(days=days), below.keys[:1]
    made = TrustRepository(
        delegations={"targets/alice": Delegation([Key(alice.loaded)], {}), "targets/alice/x": below}
    ).files()
    stage.server.store(stage.gun, {role: made[f"{role}.json"] for role in ("targets/alice", "targets/alice/x")})
    keys = TrustKeys(stage.alice, root=stage.root, targets=stage.targets)

    renewed = add_signer(stage.gun, "bob", [stage.bob.info.public_key], keys, trust_servers=stage.servers())
    revoked = revoke_trust(f"{stage.gun}:1.0", keys, trust_servers=stage.servers())

    assert (set(renewed.versions), set(revoked.versions)) == ({"targets"}, {"targets"})
    assert any("targets/alice/x still has the tag" in note for note in revoked.warnings)
    assert stage.server.current[stage.gun]["targets/alice/x"] == made["targets/alice/x.json"]


@pytest.mark.parametrize("kind", ["root", "targets"])
def test_a_key_of_another_repository_in_dockers_folder_signs_nothing_that_its_administrator_lists(
    stage: Stage, kind: str, tmp_path: Path
) -> None:
    folder = PrivateKeyFolder(tmp_path, lambda _role: lambda _request: "a passphrase")
    theirs, bob = folder.generate(kind, "" if kind == "root" else "registry.example/other"), folder.generate("bob")
    stage.init()
    for name, key in (("mallory", theirs.key), ("bob", bob.key)):
        public = [stage.alice.info.public_key, key.public_key]
        add_signer(stage.gun, name, public, stage.own, trust_servers=stage.servers())
    stage.sign("1.0", TrustKeys(stage.alice))

    done = stage.sign("2.0", TrustKeys(folder=folder))

    assert done.versions == {"targets/bob": 2, "targets/releases": 2}
    for role in ("targets/mallory", "targets/releases"):
        signed = parse_targets(role, stage.server.current[stage.gun][role]).document.signatures
        assert theirs.key.id not in [one.key_id for one in signed]


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_rotated_key_signs_and_clients_follow(stage: Stage, role: str) -> None:
    stage.sign("1.0")
    new = stage.key("new") if role in ("root", "targets") else None
    done = rotate_trust_key(stage.gun, role, stage.own, new_key=new, trust_servers=stage.servers())
    assert done.versions["root"] == 2

    servers = stage.servers()
    trust = ContentTrust(stage.server.url, first_use=True)
    assert verify(f"{stage.gun}:1.0", trust, trust_servers=servers).digest == stage.digests["1.0"]
    if new is not None:
        keys = {"root": stage.root, "targets": stage.targets, role: new}
        assert stage.sign("2.0", TrustKeys(**keys)).versions["targets"] >= 2
        if role == "targets":
            with pytest.raises(KeyMismatch):
                rotate_trust_key(stage.gun, role, TrustKeys(**keys), new_key=new, trust_servers=servers)
        with pytest.raises((KeyNotFound, SignatureRejected)):
            rotate_trust_key(stage.gun, "timestamp" if role == "root" else "root", stage.own, trust_servers=servers)


def test_a_snapshot_key_of_ours_signs_the_snapshot(stage: Stage) -> None:
    stage.sign("1.0")
    new = stage.key("snapshot")
    done = rotate_trust_key(stage.gun, "snapshot", stage.own, new_key=new, trust_servers=stage.servers())
    assert set(done.versions) == {"root", "snapshot"}
    keys = TrustKeys(new, root=stage.root, targets=stage.targets)
    assert set(stage.sign("2.0", keys).versions) == {"targets", "snapshot"}
    assert stage.released("2.0") == stage.digests["2.0"]


def test_files_that_expire_soon_are_signed_again_if_their_keys_are_here(stage: Stage) -> None:
    stage.init(now=NOW - 9.6 * YEARS)
    done = stage.sign("1.0")
    assert done.versions == {"root": 2, "targets": 2}
    assert any("root certificate ends" in note for note in done.warnings)
    stage.add("alice", stage.alice)
    stage.sign("1.0", TrustKeys(stage.alice), now=NOW - 3.1 * YEARS)  # its delegation has expired now
    assert stage.sign("2.0", TrustKeys(stage.alice)).versions == {"targets/alice": 2, "targets/releases": 2}
    assert stage.tags("targets/alice") == {"1.0", "2.0"}
    renewed = rotate_trust_key(stage.gun, "root", stage.own, new_key=stage.root, trust_servers=stage.servers())
    assert renewed.versions == {"root": 3}
    assert not renewed.warnings


def test_expired_files_stop_a_writer_who_cannot_sign_them(stage: Stage) -> None:
    stage.init(now=NOW - 3.1 * YEARS)
    stage.add("alice", stage.alice, now=NOW - 3.1 * YEARS)
    with pytest.raises(Expired, match=r"targets\.json"):
        stage.sign("1.0", TrustKeys(stage.alice))


def test_a_repository_is_made_once(stage: Stage) -> None:
    assert stage.init().root == (canonical_id(stage.root.info.public_key),)
    with pytest.raises(InvalidArgument, match="it has trust data already"):
        stage.init()


def test_a_root_that_another_writer_published_first_is_a_conflict_with_any_answer_of_the_server(stage: Stage) -> None:
    stage.sign("1.0")
    once: list[int] = []

    def faster(_name: str, _files: Files) -> Answer | None:
        if once:
            return None
        once.append(1)
        other = TrustServers(server=stage.server.url, memory=InMemoryTrust())
        rotate_trust_key(stage.gun, "timestamp", stage.own, trust_servers=other)
        return refusal(400, "INVALID_UPDATE", {"Name": "ErrBadRoot", "Error": {"Msg": "must increment the version"}})

    stage.server.before = faster
    new = stage.key("new")
    done = rotate_trust_key(stage.gun, "targets", stage.own, new_key=new, trust_servers=stage.servers())
    assert done.versions == {"root": 3, "targets": 2}


def test_a_role_that_needs_two_signatures_is_not_rotated_to_one_key(stage: Stage) -> None:
    made = TrustRepository(name=stage.gun, root=[certified(stage.gun), certified(stage.gun)], threshold=2)
    files = made.files()
    stage.server.keys[stage.gun, "snapshot"], stage.server.keys[stage.gun, "timestamp"] = made.snapshot, made.timestamp
    stage.server.store(stage.gun, {role: files[f"{role}.json"] for role in ("root", "targets")})
    pins = tuple(key.public for key in made.root)
    with pytest.raises(InvalidArgument, match="needs 2 signatures"):
        rotate_trust_key(
            stage.gun,
            "root",
            stage.own,
            new_key=stage.bob,
            trust=ContentTrust(pin=pins),
            trust_servers=stage.servers(),
        )


def test_a_threshold_that_another_writer_raises_meanwhile_is_not_lowered(stage: Stage) -> None:
    stage.init()
    root = parse_root(stage.server.current[stage.gun]["root"])
    own, bob = signing_key(stage.targets), signing_key(stage.bob)
    raised = {
        **root.document.signed,
        "keys": {**root.document.signed["keys"], bob.key.id: written_key(bob.key.public_key)},  # type: ignore[dict-item]
        "roles": {
            **root.document.signed["roles"],  # type: ignore[dict-item]
            "targets": {"keyids": [own.key.id, bob.key.id], "threshold": 2},
        },
        "version": 2,
    }
    targets = {**parse_targets("targets", stage.server.current[stage.gun]["targets"]).document.signed, "version": 2}

    def written(signed: dict[str, object], *keys: ProviderKey) -> bytes:
        made = [key.sign(canonical_json(signed)) for key in keys]
        return serialized(signed, [(one.key_id, one.method, b64encode(one.value).decode()) for one in made])

    def faster(_name: str, files: Files) -> None:
        if len(stage.server.updates) == 2:
            signer = signing_key(stage.root).named(root.roles["root"].keys[0])
            stage.server.store(stage.gun, {"root": written(raised, signer), "targets": written(targets, own, bob)})

    stage.server.before = faster
    keys = TrustKeys(stage.bob, root=stage.root, targets=stage.targets)
    with pytest.raises(InvalidArgument, match="targets needs 2 signatures"):
        rotate_trust_key(stage.gun, "targets", keys, new_key=stage.alice, trust_servers=stage.servers())


def test_a_writer_accepts_no_old_timestamp_and_nothing_older_than_before(stage: Stage) -> None:
    stage.sign("1.0")
    older = ({**stage.server.current[stage.gun]}, {**stage.server.named[stage.gun]})
    stage.sign("2.0")
    with pytest.raises(Expired, match=r"timestamp\.json"):
        stage.sign("1.0", now=NOW + timedelta(days=15))
    stage.server.current[stage.gun], stage.server.named[stage.gun] = older
    with pytest.raises(NotTrusted, match="rolled"):
        stage.sign("1.0")
    assert len(stage.server.updates) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda key: {**key, "keyval": {**key["keyval"], "private": "c2VjcmV0"}},
        lambda key: {**key, "keytype": "rsa"},
        lambda key: {**key, "keyval": {**key["keyval"], "public": "AAAA"}},
        lambda key: {"keytype": key["keytype"]},
        lambda _key: {},
        lambda _key: [],
    ],
    ids=["private", "type", "short", "no value", "empty", "list"],
)
def test_a_key_of_the_server_that_is_no_key_makes_no_repository(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr(Key, "written", property(lambda self: change(_WRITTEN(self))))
    with pytest.raises(MalformedError):
        stage.init()
    assert not stage.server.updates


def test_a_server_that_gives_other_files_of_the_same_version_is_an_error(stage: Stage) -> None:
    stage.init()

    def swaps(name: str, files: Files) -> Answer:
        stage.server.store(name, stage.later(files))
        return Answer(200)

    stage.server.before = swaps
    with pytest.raises(MalformedError, match="other bytes than were stored"):
        stage.sign("1.0")


def test_a_change_that_fails_leaves_no_trust_behind(stage: Stage) -> None:
    stage.add("alice", stage.alice)
    stage.memory = InMemoryTrust()
    with pytest.raises(KeyNotFound):
        stage.sign("1.0", TrustKeys(stage.bob), trust=ContentTrust(first_use=True))
    assert not stage.memory.load(stage.server.url, stage.gun)


def test_the_same_servers_see_the_change_at_once(stage: Stage) -> None:
    stage.sign("1.0")
    servers, trust = stage.servers(), ContentTrust(stage.server.url, stage.root.info.public_key)
    assert verify(f"{stage.gun}:1.0", trust, trust_servers=servers).digest == stage.digests["1.0"]
    sign_trust(f"{stage.gun}:1.0@{stage.digests['2.0']}", stage.own, trust_servers=servers)
    assert verify(f"{stage.gun}:1.0", trust, trust_servers=servers).digest == stage.digests["2.0"]


def test_a_session_changes_and_shows_trust_data_with_its_trust_servers(stage: Stage) -> None:
    """The memory is that of the session, so the second change needs neither the root key nor a pin."""
    image, servers = f"{stage.gun}:1.0", stage.servers()
    with Session(trust_servers=servers) as session:
        assert session.init_trust(stage.gun, stage.own).created
        session.add_signer(stage.gun, "alice", [stage.alice.info.public_key], TrustKeys(stage.targets))
        assert session.sign_trust(image, TrustKeys(stage.alice)).digest == stage.digests["1.0"]
        (shown,) = session.inspect_trust(image).tags
        assert shown.signers == ("alice",)
        session.revoke_trust(image, TrustKeys(stage.alice))
        session.rotate_trust_key(stage.gun, "targets", stage.own, new_key=stage.bob)

    async def changed() -> tuple[ChangedTrust, InspectedTrust]:
        async with aio.Session(trust_servers=servers) as session:
            await session.sign_trust(image, TrustKeys(stage.alice))
            removed = await session.remove_signer(stage.gun, "alice", TrustKeys(stage.bob), force=True)
            return removed, await session.inspect_trust(image)

    removed, found = asyncio.run(changed())
    assert any("no longer signed" in text for text in removed.warnings)
    assert found.tags == found.signers == ()
