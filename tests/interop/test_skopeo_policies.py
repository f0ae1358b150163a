"""The same policy.json and the same image: skopeo and imagesig give the same verdict, over generated combinations.

Every combination pulls by skopeo from a real registry. registries.conf has it fetch the names of several hosts from
that one, so that scopes and identities meet ordinary names.
"""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagesig import verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError, InvalidArgument, KeyProviderError, VerificationError
from imagesig.formats.cosign import Cosign
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry, registry_client
from imagesig.keys.file.private_key import PrivateKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.reference import parse_reference
from imagesig.policy import Policy
from imagesig.signature import Claim, Draft, SignerInfo, Subject
from imagesig.stores import STORES
from tests.interop.tools import Tools
from tests.peers.servers import RegistryServer, registry_server

pytestmark = pytest.mark.interop

COMBINATIONS = 400
SEED = 20261124

HOSTS = ("registry.example", "deep.registry.example:5000", "docker.io")
OTHER = "sha256:" + "cd" * 32
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature of a repository: by which key, naming what, for which digest if not the image's."""

    key: str
    name: str
    digest: str = ""


REPOSITORIES: dict[str, tuple[Signed, ...]] = {
    "team/unsigned": (),
    "team/app": (Signed("a", "{own}:1.0"),),
    "team/deep/app": (Signed("a", "{own}:1.0"), Signed("b", "{own}:1.0")),
    "team/second": (Signed("b", "{own}:2.0"),),
    "team/cosign": (Signed("a", "{own}"),),
    "team/pinned": (Signed("a", "{own}@{digest}"),),
    "team/both": (Signed("a", "{own}:1.0@{digest}"),),
    "team/moved": (Signed("a", "origin.example/team/moved:1.0"), Signed("b", "origin.example/other:1.0")),
    "library/app": (Signed("a", "app:1.0"),),
    "team/forged": (Signed("a", "{own}:1.0", OTHER), Signed("c", "{own}:1.0")),
    "team/nonsense": (Signed("a", "UPPER CASE"),),
}
"""Each is there in every host; `{own}` is its name in the host that the combination picks."""


@dataclass(frozen=True, slots=True)
class World:
    """The registry with its images, the keys, and skopeo."""

    place: str
    digest: str
    keys: Path
    tools: Tools


@dataclass(frozen=True, slots=True)
class Combination:
    number: int
    reference: str
    policy: Json


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("policies")
    private = {name: PrivateKey.generate(KeyType.ECDSA_P256) for name in "abc"}
    for name, key in private.items():
        (folder / f"{name}.pub").write_text(key.public_key.pem)
    (folder / "garbage.pub").write_text("not a key\n")
    with registry_server("tag", tmp_path_factory.mktemp("registry")) as server:
        digest = _fill(server, private)
        yield World(server.host, digest, folder, _skopeo(folder, server))


def _fill(server: RegistryServer, private: dict[str, PrivateKey]) -> str:
    """One image under two tags in every repository of every host, signed as the table says."""
    client = registry_client()
    digest = ""
    for host in HOSTS:
        for path, signatures in REPOSITORIES.items():
            home = registry(f"{server.host}/{_folder(host)}/{path}", client=client).home
            subject = build_image(home, {"bin/app": b"hello"}, PLATFORMS[0], "1.0")
            build_image(home, {"bin/app": b"hello"}, PLATFORMS[0], "2.0")
            digest = subject.digest
            for signed in signatures:
                name = signed.name.format(own=f"{host}/{path}", digest=digest)
                _sign(Image(home, digest, home), subject, private[signed.key], name, signed.digest)
    client.close()
    return digest


def _sign(image: Image, subject: Descriptor, key: PrivateKey, name: str, digest: str) -> None:
    """Attaches a signature that says whatever it should, as a signer of ours would refuse to."""
    form = Cosign()
    claim = Claim((Subject(digest or subject.digest),), name)
    draft = form.draft(claim, SignerInfo(key.public_key, "test:key"), datetime.now(UTC), ())
    assert isinstance(draft, Draft)
    stored = form.seal(draft, [key.sign(request) for request in draft.requests])
    STORES[form.storage].attach(image.signatures, subject, stored)()


def _folder(host: str) -> str:
    return host.partition(":")[0].replace(".", "-")


def _skopeo(folder: Path, server: RegistryServer) -> Tools:
    (folder / "registries.d").mkdir()
    (folder / "registries.d" / "default.yaml").write_text("default-docker: {use-sigstore-attachments: true}\n")
    (folder / ".config" / "containers").mkdir(parents=True)
    (folder / ".config" / "containers" / "registries.conf").write_text(
        "".join(
            f'[[registry]]\nprefix = "{host}"\nlocation = "{server.host}/{_folder(host)}"\ninsecure = true\n'
            for host in HOSTS
        )
    )
    return Tools(folder)


# --- combinations -------------------------------------------------------------------------------------------------


def combinations(world: World) -> list[Combination]:
    """The same ones for the same seed: image, name to ask with, scopes, keys, identities, lists of requirements."""
    dice = random.Random(SEED)
    made = []
    for number in range(COMBINATIONS):
        host, path = dice.choice(HOSTS), dice.choice([*REPOSITORIES, "team/app", "team/deep/app", "team/moved"])
        own = f"{host}/{path}"
        suffixes = [":1.0"] * 7 + [":2.0"] * 2 + [f"@{world.digest}"] * 5 + [f":1.0@{world.digest}"]
        reference = own + dice.choice(suffixes)
        made.append(Combination(number, reference, _policy(dice, world, host, path, reference)))
    return made


def _policy(dice: random.Random, world: World, host: str, path: str, reference: str) -> Json:
    domain = host.partition(":")[0]
    scopes = [
        "",
        host,
        f"{host}/{path}",
        reference,
        f"{host}/{path.rpartition('/')[0]}",
        f"*.{domain.partition('.')[2]}",
    ]
    decoys = [f"{host}/{path}x", f"{domain}x", f"{host}/{path}:3.0", f"*.{domain}", "*.example", f"{domain}:5001"]
    chosen = dice.sample(scopes, dice.choice((1, 1, 2, 3))) + dice.sample(decoys, dice.choice((0, 1, 2)))
    rules = {scope: _requirements(dice, world, host, path) for scope in chosen}
    transports: Json = {"docker": rules}
    if dice.random() < 0.2:
        transports["dir"] = {"/tmp": [{"type": "insecureAcceptAnything"}]}
    default = [{"type": dice.choice(("reject", "insecureAcceptAnything"))}]
    return {"default": default, "transports": transports}


def _requirements(dice: random.Random, world: World, host: str, path: str) -> list[Json]:
    count = dice.choice((1, 1, 1, 1, 1, 2, 2, 3))
    return [_requirement(dice, world, host, path) for _ in range(count)]


def _requirement(dice: random.Random, world: World, host: str, path: str) -> Json:
    chance = dice.random()
    if chance < 0.06:
        return {"type": "reject"}
    if chance < 0.14:
        return {"type": "insecureAcceptAnything"}
    requirement: Json = {"type": "sigstoreSigned", **_key_source(dice, world)}
    identity = _identity(dice, world, host, path)
    return requirement | ({"signedIdentity": identity} if identity else {})


def _key_source(dice: random.Random, world: World) -> Json:
    def file(name: str) -> str:
        return str(world.keys / f"{name}.pub")

    def data(name: str) -> str:
        return base64.b64encode((world.keys / f"{name}.pub").read_bytes()).decode()

    good: list[Json] = [
        {"keyPath": file("a")},
        {"keyPaths": [file("a"), file("b")]},
        {"keyPaths": [file("c"), file("a")]},
        {"keyData": data("a")},
        {"keyDatas": [data("b"), data("a")]},
    ]
    others: list[Json] = [
        {"keyPath": file("b")},
        {"keyPath": file("c")},
        {"keyPaths": [file("b"), file("b")]},
        {"keyDatas": [data("c")]},
        {"keyPath": file("missing")},
        {"keyPaths": [file("a"), file("missing")]},
        {"keyPath": file("garbage")},
        {"keyDatas": [data("a"), data("garbage")]},
    ]
    return dice.choice(good if dice.random() < 0.8 else others)


def _identity(dice: random.Random, world: World, host: str, path: str) -> Json | None:
    own = f"{host}/{path}"
    references = [f"{own}:1.0", f"{own}:2.0", f"{own}@{world.digest}", "origin.example/team/moved:1.0", "app:1.0"]
    prefixes = [host, own, f"{host}/team", "app", "registry.exampl", "registry.example", "docker.io/library"]
    targets = ["origin.example", "origin.example/team/moved", "docker.io", "docker.io/library", "app", host, "origin"]
    choices: list[Json | None] = [
        None,
        None,
        {"type": "matchRepoDigestOrExact"},
        {"type": "matchExact"},
        {"type": "matchRepository"},
        {"type": "matchRepository"},
        {"type": "exactReference", "dockerReference": dice.choice(references)},
        {"type": "exactRepository", "dockerRepository": dice.choice([*references, own, "app", "origin.example/other"])},
        {"type": "remapIdentity", "prefix": dice.choice(prefixes), "signedPrefix": dice.choice(targets)},
        {"type": "remapIdentity", "prefix": host, "signedPrefix": "origin.example"},
    ]
    if dice.random() < 0.5:
        return dice.choice([*_FITTING.get(path, []), {"type": "matchRepository"}, None])
    return dice.choice(choices)


_FITTING: dict[str, list[Json]] = {
    "team/moved": [
        {"type": "exactRepository", "dockerRepository": "origin.example/other"},
        {"type": "exactReference", "dockerReference": "origin.example/team/moved:1.0"},
        {"type": "remapIdentity", "prefix": "registry.example", "signedPrefix": "origin.example"},
    ],
    "library/app": [
        {"type": "exactReference", "dockerReference": "app:1.0"},
        {"type": "remapIdentity", "prefix": "registry.example", "signedPrefix": "docker.io"},
    ],
}
"""Identities under which these repositories' signatures count: else few combinations would be accepted."""


# --- verdicts -----------------------------------------------------------------------------------------------------


def skopeo_accepts(world: World, combination: Combination) -> bool:
    """Raises if skopeo failed for another reason than the policy."""
    policy = world.keys / f"policy-{combination.number}.json"
    policy.write_text(json.dumps(combination.policy))
    done = world.tools.run(
        "skopeo",
        "--policy",
        str(policy),
        "--registries.d",
        str(world.keys / "registries.d"),
        "copy",
        f"docker://{combination.reference}",
        f"dir:{world.keys}/pulled-{combination.number}",
    )
    refused = "Source image rejected" in done.stderr or "both a tag and digest" in done.stderr
    assert done.ok or refused, f"{combination}\n{done.stderr}"
    return done.ok


def imagesig_accepts(world: World, combination: Combination) -> bool:
    name = parse_reference(combination.reference)
    home = registry(f"{world.place}/{_folder(name.domain)}/{name.path}").home
    image = Image(home, name.digest or name.tag, home, name)
    try:
        policy = Policy.from_containers_policy(world.keys / f"policy-{combination.number}.json")
        verify(image, policy, allow_unverified=True)
    except (VerificationError, KeyProviderError):
        return False
    except InvalidArgument:
        assert all((name.tag, name.digest)), combination  # the only reason there is
        return False
    except ImagesigError as error:
        raise AssertionError(f"{combination}: {error}") from error
    return True


def test_skopeo_and_imagesig_give_the_same_verdicts(world: World) -> None:
    made = combinations(world)
    with ThreadPoolExecutor(2) as pool:
        theirs: Sequence[bool] = list(pool.map(lambda item: skopeo_accepts(world, item), made))
    ours = [imagesig_accepts(world, item) for item in made]
    different = [
        f"skopeo {'accepts' if verdict else 'refuses'} {item.reference}\n{json.dumps(item.policy)}"
        for item, verdict, other in zip(made, theirs, ours, strict=True)
        if verdict != other
    ]
    assert not different, "\n\n".join(different)
    counts = Counter(theirs)
    assert min(counts[True], counts[False]) >= COMBINATIONS // 5, f"too one-sided to prove much: {counts}"


@pytest.mark.parametrize("number", range(8))
def test_local_images_have_the_same_scopes(number: int, world: World, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "image"
    folder.parent.mkdir(parents=True)
    build_image(Layout.create(folder), {"bin/app": b"hello"}, PLATFORMS[0], "1.0")
    dice = random.Random(SEED + number)
    kinds = ("reject", "insecureAcceptAnything")
    places = [str(folder), str(folder.parent), str(tmp_path), f"{folder}x", f"{folder}:1.0", ""]
    rules = {scope: [{"type": dice.choice(kinds)}] for scope in dice.sample(places, dice.choice((1, 2, 3)))}
    policy: Json = {"default": [{"type": dice.choice(kinds)}], "transports": {"oci": rules}}
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(policy))
    done = world.tools.run("skopeo", "--policy", str(path), "copy", f"oci:{folder}:1.0", f"dir:{tmp_path}/out")
    assert done.ok or "rejected by policy" in done.stderr, done.stderr
    try:
        verify(f"oci:{folder}:1.0", Policy.from_containers_policy(path), allow_unverified=True)
    except VerificationError:
        assert not done.ok, policy
    else:
        assert done.ok, policy
