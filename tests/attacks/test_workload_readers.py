"""A workload file in which kubectl or docker compose finds other images than we do is refused, with the line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import sign
from imagesig.cli.workloads.file import read_workloads
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import anonymous
from imagesig.keys.file.provider import FileProvider
from imagesig.testing import InMemoryRegistry
from tests.cli.test_commands import imagesig

POD = "kind: Pod\nspec:\n  containers:\n  - image: r.example/good:1\n"
COMPOSE = "services:\n  web:\n    image: r.example/good:1\n"

REFUSED = {
    "a key in base64": POD + "    !!binary aW1hZ2U=: r.example/evil:1\n",
    "a list in base64": POD + "  !!binary aW5pdENvbnRhaW5lcnM=: [{image: r.example/evil:1}]\n",
    "a key that is called a merge": POD + "    !!merge image: {image: r.example/evil:1}\n",
    "a key of an unknown tag": POD + "  !x initContainers: [{image: r.example/evil:1}]\n",
    "a tag with another meaning": "%TAG !! tag:other,2000:\n---\n" + POD,
    "a version of YAML": "%YAML 1.1\n---\n" + POD,
    "two merges": "x: &x {image: r.example/evil:1}\ny: &y {image: r.example/evil:2}\n"
    + POD
    + "    <<: *x\n    <<: *y\n",
    "a merge behind what it changes": "x: &x {image: r.example/evil:1}\n" + POD + "    <<: *x\n",
    "a merge in quotes": POD + "    '<<': {image: r.example/evil:1}\n",
    "a merge with a tag": POD + "    !!merge <<: {image: r.example/evil:1}\n",
    "a merge that is an alias": "x: &x <<\n" + POD + "  - *x : {image: r.example/evil:1}\n",
    "a merge that is an alias of a merge": "x: {&x <<: {}}\n" + POD + "  - *x : {image: r.example/evil:1}\n",
    "a merge of a text": POD + "    <<: r.example/evil:1\n",
    "a key twice": POD + "    image: r.example/evil:1\n",
    "a list twice in JSON": '{"kind": "Pod", "spec": {"containers": [{"image": "r.example/a"}], "containers": []}}',
    "a key in another case": POD + "    Image: r.example/evil:1\n",
    "a list in another case": POD + "  initcontainers: [{image: r.example/evil:1}]\n",
    "a kind in another case": POD + "\u212aind: Job\n",
    "a key that is null": POD + "~: 1\n",
    "a key that is a number": POD + "1: 1\n",
    "a key that is true": POD + "yes: 1\n",
    "a key that is a date": POD + "2001-01-01: 1\n",
    "a key that is a list": POD + "[image]: 1\n",
    "a key that is true to Go": POD + "y: 1\n",
    "a value with a tag": POD + "    name: !foo bar\n",
    "an end of a document": "kind: ConfigMap\n...\n" + POD,
    "a document that begins on its marker": POD + "--- {kind: Job}\n",
    "a marker that is none": POD + "---kind\n",
    "an end of a line to some": POD + "    name: a\u2028    image: r.example/evil:1\n",
    "an end of a line to others": POD + "    name: a\x85    image: r.example/evil:1\n",
    "a carriage return alone": POD + "    name: a\r    image: r.example/evil:1\n",
    "a byte order mark inside": POD + "\ufeffkind: Job\n",
    "a value that holds itself": POD + "x: &x {y: *x}\n",
    "an image of a folder": POD.replace("r.example/good:1", "dir:latest"),
    "an image of a layout": POD.replace("r.example/good:1", "oci:x"),
    "an image of an archive": POD.replace("r.example/good:1", "oci-archive:x.tar"),
    "an image of an archive of Docker": POD.replace("r.example/good:1", "docker-archive:x.tar:a:1"),
    "an image of an absolute path": POD.replace("r.example/good:1", "/images/image"),
    "an image of a relative path": POD.replace("r.example/good:1", "./image"),
    "an image that is a number to Go": POD.replace("r.example/good:1", "1e3"),
    "an image in a block": POD.replace("r.example/good:1", ">\n      r.example/good:1"),
    "a file that includes others": "include: [other.yaml]\n" + COMPOSE,
    "a file that includes none": "include: []\n" + COMPOSE,
    "a service of another file": COMPOSE + "  db: {extends: {file: other.yaml, service: db}}\n",
    "a service of another file through a merge": "x-a: &a {file: o.yaml}\n" + COMPOSE + "  d: {extends: {<<: *a}}\n",
    "a variable": COMPOSE.replace("good:1", "good:${TAG}"),
    "a volume of a kind that is a variable": COMPOSE + "    volumes: [{type: '${T}', source: r.example/evil:1}]\n",
    "a tag of compose": COMPOSE + "    ports: !reset []\n",
    "both kinds of file": "kind: Pod\n" + COMPOSE,
    "an image of a folder in compose": COMPOSE.replace("r.example/good:1", "dir:latest"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A signed image in a registry, and the public key; to what lies beside it nobody looks."""
    folder = tmp_path_factory.mktemp("keys")
    with InMemoryRegistry() as server, FileProvider(folder).generate("k.key", KeyType.ECDSA_P256) as key:
        image = registry(f"{server.host}/good:1", credentials=anonymous)
        build_image(image.home, {"a": b"good"}, PLATFORMS[0], "1")
        sign(image, key)
        yield server.host, folder / "k.pub"


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_readers_read_differently_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_bytes(text.encode())
    with pytest.raises(InvalidArgument, match=r"deploy\.yaml:\d+: "):
        read_workloads(path)


@pytest.mark.parametrize(
    "case",
    [
        "a list in base64",
        "a merge behind what it changes",
        "a list in another case",
        "an end of a document",
        "a file that includes others",
        "a service of another file",
    ],
)
def test_the_command_does_not_verify_it(case: str, good: tuple[str, Path], tmp_path: Path) -> None:
    """Only the good image is found by a reader that overlooks the other."""
    host, public_key = good
    text = REFUSED[case].replace("r.example/good", f"{host}/good")
    (tmp_path / "deploy.yaml").write_bytes(text.encode())
    command = ["verify", "--key", str(public_key), "--workload", str(tmp_path / "deploy.yaml"), "--print-pinned"]
    done = imagesig(*command)
    assert done.returncode != 0, done.stdout
    assert not done.stdout
    assert "deploy.yaml:" in done.stderr


def test_a_file_that_all_read_alike_is_verified_and_pinned(good: tuple[str, Path], tmp_path: Path) -> None:
    host, public_key = good
    for number, text in enumerate((POD, COMPOSE, "x-x: &x {a: 1}\n" + COMPOSE + "    <<: *x\n")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text.replace("r.example/good", f"{host}/good"))
        done = imagesig("verify", "--key", str(public_key), "--workload", str(path), "--print-pinned")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("@sha256:") == 1
