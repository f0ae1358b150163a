"""`imagesig.docker.verify` and the value of `verify_signature`, over image objects as docker-py makes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imagesig import Policy, registry, sign
from imagesig.crypto.algorithms import KeyType
from imagesig.docker import ImageVerdict, from_env, pull_verified, verify
from imagesig.docker.verifying import image_verdict
from imagesig.errors import (
    AllowedUnverified,
    ImageNotFound,
    ImagesigError,
    InvalidArgument,
    KeyProviderError,
    LimitExceeded,
    MissingExtra,
    NeverPushed,
    NoSignatureAccepted,
    NoSignatures,
    NotInRegistry,
    RefusedByPolicy,
    TransportError,
    Unreachable,
)
from imagesig.images.build import build_index
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.policy import AcceptAnything, Rule, parse_scope
from imagesig.testing import InMemoryRegistry
from imagesig.testing.loopback_server import Answer

ABSENT = "sha256:" + "ab" * 32


@dataclass
class Image:
    """What is read of docker-py's image."""

    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Registries:
    """Two registries with the same image `app`, signed in neither; `pub` is the file of the key's public key."""

    here: InMemoryRegistry
    there: InMemoryRegistry
    digest: str
    key: SigningKey
    pub: str

    def sign(self, host: InMemoryRegistry, repository: str = "app") -> None:
        sign(f"{host.host}/{repository}@{self.digest}", self.key)

    def names(self, *hosts: InMemoryRegistry) -> list[str]:
        return [f"{host.host}/app@{self.digest}" for host in hosts]

    def image(self, *names: str, image_id: str = "sha256:" + "00" * 32) -> Image:
        return Image({"Id": image_id, "RepoDigests": list(names), "RepoTags": []})


@pytest.fixture
def two(key: SigningKey, key_folder: Path, quick_retries: None, no_proxies: None) -> Iterator[Registries]:
    with InMemoryRegistry() as here, InMemoryRegistry() as there:
        digest = ""
        for host in (here, there):
            digest = build_index(registry(f"{host.host}/app:1").home, {"file": b"content"}, "1").digest
        yield Registries(here, there, digest, key, str(key_folder / "k.pub"))


def test_a_signed_image_is_true_and_names_what_was_proven(two: Registries) -> None:
    two.sign(two.here)

    verdict = image_verdict(two.image(*two.names(two.here)), two.pub)

    assert bool(verdict) is True
    assert verdict.result is not None
    assert verdict.result.pinned == f"{two.here.host}/app@{two.digest}"
    assert verdict.reasons == ()
    assert str(verdict) == f"verified: {two.here.host}/app@{two.digest}"


def test_one_of_several_registries_is_enough(two: Registries) -> None:
    two.sign(two.there)

    assert verify(two.image(*two.names(two.here, two.there)), two.pub).pinned.startswith(two.there.host)


def test_proof_elsewhere_is_enough_when_a_registry_does_not_answer(two: Registries) -> None:
    two.sign(two.there)
    two.here.faults.append(lambda _: Answer(503))

    assert verify(two.image(*two.names(two.here, two.there)), two.pub).verified


def test_a_registry_that_does_not_answer_is_never_unsigned(two: Registries) -> None:
    two.here.faults.append(lambda _: Answer(503))

    for order in ((two.here, two.there), (two.there, two.here)):
        with pytest.raises(Unreachable):
            image_verdict(two.image(*two.names(*order)), two.pub)


def test_a_signature_of_another_key_is_false_with_its_reason(two: Registries, tmp_path: Path) -> None:
    FileProvider(tmp_path).generate("other.key", KeyType.ECDSA_P256)
    two.sign(two.here)

    verdict = image_verdict(two.image(*two.names(two.there, two.here)), str(tmp_path / "other.pub"))

    assert not verdict
    assert isinstance(verdict.error, NoSignatureAccepted)
    assert len(verdict.reasons) >= 2
    assert two.here.host in verdict.reasons[1]


FALSE: list[tuple[str, type[ImagesigError], tuple[str, ...]]] = [
    ("", NeverPushed, ()),
    ("", NeverPushed, ("<none>@<none>", f"<none>@{ABSENT}", f"moby-dangling@{ABSENT}")),
    ("my-image", NeverPushed, (f"localhost/my-image@{ABSENT}",)),
    ("localhost/my-image:1", NeverPushed, (f"localhost/my-image@{ABSENT}",)),
    ("", NoSignatures, ("{here}/app@{digest}",)),
    ("", NotInRegistry, ("{here}/other@{digest}",)),
    ("", NotInRegistry, ("{here}/app@" + ABSENT, "{there}/other@{digest}")),
    ("", NoSignatures, ("{here}/other@{digest}", "{there}/app@{digest}")),
    ("{there}/app:1", NeverPushed, ("{here}/app@{digest}",)),
    ("{here}/app/more:1", NeverPushed, ("{here}/app@{digest}",)),
    ("{here}/app@" + ABSENT, NeverPushed, ("{here}/app@{digest}",)),
    ("{there}/app:1", NotInRegistry, ("{there}/app@" + ABSENT, "{here}/app@{digest}")),
]


@pytest.mark.parametrize(("name", "kind", "digests"), FALSE)
def test_each_way_to_be_unverified_has_its_own_answer(
    two: Registries, name: str, kind: type[ImagesigError], digests: tuple[str, ...]
) -> None:
    def filled(text: str) -> str:
        return text.format(here=two.here.host, there=two.there.host, digest=two.digest)

    verdict = image_verdict(two.image(*map(filled, digests)), two.pub, name=filled(name))

    assert not verdict
    assert type(verdict.error) is kind
    assert verdict.reasons[0] == str(verdict.error)
    with pytest.raises(kind):
        verify(two.image(*map(filled, digests)), two.pub, name=filled(name))


def test_a_platform_that_the_image_does_not_have_is_not_an_image_that_was_not_pushed(two: Registries) -> None:
    two.sign(two.here)
    image = two.image(f"{two.there.host}/other@{two.digest}", *two.names(two.here))
    verdict = image_verdict(image, two.pub, platform="linux/s390x")

    assert not verdict
    assert "has no platform linux/s390x" in str(verdict)
    assert type(verdict.error) is ImageNotFound


def test_what_was_never_pushed_and_what_is_not_there_are_missing_images() -> None:
    assert issubclass(NeverPushed, ImageNotFound)
    assert issubclass(NotInRegistry, ImageNotFound)
    assert NeverPushed.exit_status == NotInRegistry.exit_status == 11


@pytest.mark.parametrize(
    "name", ["my-image", "my-image:3", "localhost/my-image", "acme/app", "sha256:" + "00" * 32, "00" * 32, "0000000000"]
)
def test_a_local_name_allows_every_registry(two: Registries, name: str) -> None:
    two.sign(two.here)

    assert image_verdict(two.image(*two.names(two.here)), two.pub, name=name)


def test_a_short_name_is_no_beginning_of_an_id(two: Registries) -> None:
    """Ids can be chosen by trying: the policy's rule for the name `db` decides, whatever the id begins with."""
    two.sign(two.here)
    rule = Policy.any_of(two.pub, annotations={"stage": "released"}).default
    policy = Policy(Policy.any_of(two.pub).default, {parse_scope("docker.io/library/db"): rule})
    image = two.image(*two.names(two.here), image_id="sha256:db" + "0" * 62)

    assert isinstance(image_verdict(image, policy, name="db").error, NeverPushed)
    assert image_verdict(image, policy, name="db" + "0" * 10)


def test_a_name_of_another_registry_is_not_proven_by_this_one(two: Registries) -> None:
    """`docker tag dev.example/app prod.example/app` makes no release of an image of the developers."""
    two.sign(two.here)
    image = two.image(*two.names(two.here))

    assert image_verdict(image, two.pub, name=f"{two.here.host}/app:1")
    assert image_verdict(image, two.pub, name=f"{two.here.host}/app:other-tag")
    assert not image_verdict(image, two.pub, name=f"{two.there.host}/app:1")
    assert not image_verdict(image, two.pub, name="docker.io/acme/app")


def test_a_local_name_with_a_rule_of_its_own_is_proven_by_that_rule_only(two: Registries) -> None:
    two.sign(two.here)
    rule = Policy.any_of(two.pub, annotations={"stage": "released"}).default
    policy = Policy(Policy.any_of(two.pub).default, {parse_scope("docker.io/acme"): rule})
    image = two.image(*two.names(two.here))

    assert image_verdict(image, policy, name="my-image")
    assert isinstance(image_verdict(image, policy, name="acme/app").error, NeverPushed)


@pytest.mark.parametrize(("scope", "name"), [("app:1", "app:1"), ("app:latest", "app"), ("app:latest", "app:latest")])
def test_a_tag_with_a_rule_of_its_own_is_proven_by_that_rule_only(two: Registries, scope: str, name: str) -> None:
    """The engine names digests without tags, to which the rule of a tag does not apply."""
    two.sign(two.here)
    released = Policy.any_of(two.pub, annotations={"stage": "released"}).default
    policy = Policy(Policy.any_of(two.pub).default, {parse_scope(f"{two.here.host}/{scope}"): released})
    image = two.image(*two.names(two.here))
    asked = f"{two.here.host}/{name}"

    assert isinstance(image_verdict(image, policy, name=asked).error, NoSignatureAccepted)
    assert image_verdict(image, policy, name=f"{two.here.host}/app:other")
    sign(f"{two.here.host}/app@{two.digest}", two.key, annotations={"stage": "released"})
    verdict = image_verdict(image, policy, name=asked)
    assert verdict.result is not None
    assert verdict.result.pinned == f"{two.here.host}/app@{two.digest}"


def test_a_local_name_without_a_tag_is_the_tag_latest(two: Registries) -> None:
    two.sign(two.here)
    rule = Policy.any_of(two.pub, annotations={"stage": "released"}).default
    policy = Policy(Policy.any_of(two.pub).default, {parse_scope("docker.io/acme/app:latest"): rule})
    image = two.image(*two.names(two.here))

    for name in ("acme/app", "acme/app:latest"):
        assert isinstance(image_verdict(image, policy, name=name).error, NeverPushed)
    assert image_verdict(image, policy, name="acme/app:other")


def test_what_the_policy_allows_unverified_or_refuses_is_false(two: Registries) -> None:
    image = two.image(*two.names(two.here))

    allowed = image_verdict(image, Policy(Rule((AcceptAnything(),))))
    refused = image_verdict(image, Policy())

    assert not allowed
    assert isinstance(allowed.error, AllowedUnverified)
    assert len(allowed.reasons) == 2
    assert not refused
    assert isinstance(refused.error, RefusedByPolicy)


def test_without_a_policy_the_default_one_applies_and_none_is_an_error(
    two: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.sign(two.here)
    monkeypatch.setenv("IMAGESIG_POLICY", str(tmp_path / "policy.toml"))
    for image in (two.image(), two.image(*two.names(two.here))):
        with pytest.raises(InvalidArgument, match="IMAGESIG_POLICY"):
            image_verdict(image, None)

    requirement = 'require = [{ any = ["release"] }]'
    (tmp_path / "policy.toml").write_text(
        f'version = 1\n[authorities.release]\nkey_file = "{two.pub}"\n[default]\n{requirement}\n'
    )

    assert image_verdict(two.image(*two.names(two.here)), None)


def test_a_key_that_cannot_be_used_is_an_error(two: Registries, tmp_path: Path) -> None:
    image = two.image(*two.names(two.here))

    with pytest.raises((InvalidArgument, KeyProviderError)):
        image_verdict(image, str(tmp_path / "missing.pub"))
    with pytest.raises((InvalidArgument, KeyProviderError)):
        image_verdict(image, "hashivault://")


@pytest.mark.parametrize("given", ["app", None, 3, Image(attrs=[])], ids=["text", "none", "number", "no attributes"])  # type: ignore[arg-type]
def test_something_else_than_an_image_is_an_error(two: Registries, given: Any) -> None:
    with pytest.raises(InvalidArgument, match="image object of docker-py"):
        verify(given, two.pub)


class Failing:
    """What a program may give in place of docker-py's client or image."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError("hunter2")


@pytest.mark.parametrize("given", [None, 5, object, Failing()], ids=["none", "number", "object", "failing"])
def test_something_else_than_a_client_is_an_error_before_a_request(two: Registries, given: Any) -> None:
    with pytest.raises(InvalidArgument, match="client"):
        pull_verified(given, f"{two.here.host}/app:1", two.pub)
    assert two.here.asked("GET", "manifests") == 0


@pytest.mark.parametrize(
    "answer", [ValueError("hunter2"), None, [5], ["text"]], ids=["raises", "none", "number", "text"]
)
def test_what_a_program_s_client_raises_or_answers_is_explained_as_its_own(two: Registries, answer: Any) -> None:
    def pull(*_: object, **__: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    two.sign(two.here)
    client = SimpleNamespace(api=SimpleNamespace(pull=pull), images=SimpleNamespace(get=lambda name: None))
    with pytest.raises(TransportError, match=r"the client failed with \w+Error") as caught:
        pull_verified(client, f"{two.here.host}/app:1", two.pub)
    assert "hunter2" not in str(caught.value)


def test_an_image_whose_attributes_fail_is_an_error(two: Registries) -> None:
    for name in ("", "app"):
        with pytest.raises(InvalidArgument, match="image: failed with ValueError"):
            verify(Failing(), two.pub, name=name)


@pytest.mark.parametrize("digests", ["text", {"a": "b"}, 3])
def test_digests_that_are_no_list_are_an_error(two: Registries, digests: object) -> None:
    with pytest.raises(InvalidArgument, match="a list is needed"):
        verify(Image({"RepoDigests": digests}), two.pub)


def test_too_many_digests_are_an_error_before_a_request(two: Registries) -> None:
    names = [f"{two.here.host}/app{number}@{two.digest}" for number in range(201)]

    with pytest.raises(LimitExceeded, match="201 digests"):
        verify(two.image(*names), two.pub)


def test_without_docker_py_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.partition(".")[0] == "docker" or name == "imagesig.docker.client"
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "docker", None)

    with pytest.raises(MissingExtra) as caught:
        from_env()

    assert caught.value.hint == "run: pip install 'imagesig[docker]'"


def test_a_verdict_without_proof_is_false() -> None:
    assert not ImageVerdict()


def test_each_repository_is_judged_by_its_own_rule(two: Registries) -> None:
    two.sign(two.there)
    policy = Policy(rules={parse_scope(two.here.host): Policy.any_of(two.pub).default})

    verdict = image_verdict(two.image(*two.names(two.there, two.here)), policy)

    assert isinstance(verdict.error, RefusedByPolicy)
