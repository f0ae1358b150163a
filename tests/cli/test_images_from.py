"""Lists of images and workload files on the command line, over a registry in memory."""

from __future__ import annotations

import io
import json
import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import sign, verify_many
from imagesig.cli.images_from import Images, read_list
from imagesig.cli.output.failure import worst
from imagesig.cli.processes import ForkPool
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument, NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import anonymous
from imagesig.keys.file.provider import FileProvider
from imagesig.testing import Answer, InMemoryRegistry
from tests.cli.test_commands import imagesig

GONE = "127.0.0.1:1/gone:1.0"
"""Nobody listens on port 1."""


@pytest.fixture(scope="module")
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: InMemoryRegistry) -> Path:
    """A key pair, and in the registry: four signed images, an unsigned one and one signed by somebody else."""
    path = tmp_path_factory.mktemp("keys")
    provider = FileProvider(path)
    with provider.generate("k.key", KeyType.ECDSA_P256) as key, provider.generate("x.key", KeyType.ECDSA_P256) as other:
        for name in ("a", "b", "c", "d", "unsigned", "forged"):
            image = registry(f"{server.host}/{name}:1.0", credentials=anonymous)
            build_image(image.home, {"name": name.encode()}, PLATFORMS[0], "1.0")
            if name != "unsigned":
                sign(image, other if name == "forged" else key, formats=["cosign"])
    return path


def verify(folder: Path, *arguments: str):
    return imagesig("verify", "--key", str(folder / "k.pub"), *arguments, HOME=str(folder))


# --- lists ------------------------------------------------------------------------------------------------------------


def listed(content: bytes) -> list[tuple[str, str]]:
    return [(str(image), image.where) for image in read_list(io.BytesIO(content), "list")]


def test_blank_lines_and_comments_do_not_count() -> None:
    content = b"# all of them\n\n  a:1  \nb#1\nc:1 # why\n\t\n#d\n\r\ne:1\r\nf"
    assert listed(content) == [
        ("a:1", "list:3"),
        ("b#1", "list:4"),
        ("c:1", "list:5"),
        ("e:1", "list:9"),
        ("f", "list:10"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\nb\0c\n", "list:2: a NUL byte"),
        (b"a\n\n\xff\xfe\n", "list:3: not UTF-8"),
        (b"a b\n", "list:1: 'a b', one image per line"),
        (b"a\n" + b"x" * 5000, "list:2: more than 4096 bytes"),
    ],
)
def test_a_line_that_is_no_image_is_refused_with_its_number(content: bytes, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        listed(content)


def test_a_byte_order_mark_is_no_part_of_the_first_image() -> None:
    assert listed(b"\xef\xbb\xbfa:1\n") == [("a:1", "list:1")]


def test_an_image_that_is_named_again_keeps_its_first_place(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("b\na\nb\nc\na\n")
    assert list(Images(["c"], str(tmp_path / "list"))) == ["c", "b", "a"]


def test_a_list_is_read_only_as_far_as_needed(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a\nb\n\0\n")
    images = iter(Images([], str(tmp_path / "list")))
    assert [next(images), next(images)] == ["a", "b"]
    with pytest.raises(InvalidArgument, match="list:3"):
        next(images)


def test_a_list_names_the_images_to_verify(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("".join(f"{server.host}/{name}:1.0\n" for name in "abcd"))
    done = verify(folder, "--images-from", str(tmp_path / "list"))
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^127\S+@sha256:\S+$", done.stdout, re.MULTILINE)) == 4
    assert done.stderr.splitlines()[-1] == "4 images: 4 verified"


def test_the_summary_counts_every_kind_and_the_worst_decides_the_status(
    folder: Path, server: InMemoryRegistry, tmp_path: Path
) -> None:
    names = [f"{server.host}/{name}:1.0" for name in ("a", "unsigned", "forged", "none", "b")]
    (tmp_path / "list").write_text("\n".join([*names, f"{server.host}/UPPER"]))
    done = verify(folder, "--images-from", str(tmp_path / "list"), "--timeout", "5")
    summary = "6 images: 2 verified, 1 refused, 1 unsigned, 1 not found, 1 failed"
    assert done.stderr.splitlines()[-1] == summary
    assert done.returncode == 2
    assert f"error: {tmp_path / 'list'}:6: image reference" in done.stderr


def test_an_unreachable_registry_is_counted_as_such(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{server.host}/a:1.0\n{GONE}\n")
    done = verify(folder, "--images-from", str(tmp_path / "list"), "--timeout", "20")
    assert done.stderr.splitlines()[-1] == "2 images: 1 verified, 1 unreachable"
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([10, 11, 12, 13, 1], 1),
        ([10, 11, 12, 13], 12),
        ([10, 11, 13], 10),
        ([11, 13], 11),
        ([13], 13),
        ([10, 11], 10),
        ([11], 11),
        ([], 0),
    ],
)
def test_the_worst_status_is_1_then_12_10_11_13(statuses: list[int], status: int) -> None:
    assert worst(statuses) == status


def test_an_empty_list_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# nothing\n")
    done = verify(folder, "--images-from", str(tmp_path / "list"))
    assert done.returncode == 2
    assert "no image was named" in done.stderr


def test_a_missing_list_is_a_usage_error(folder: Path, tmp_path: Path) -> None:
    done = verify(folder, "--images-from", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_no_image_at_all_is_a_usage_error(folder: Path) -> None:
    assert verify(folder).returncode == 2


def test_json_is_one_document_in_the_order_of_the_images(
    folder: Path, server: InMemoryRegistry, tmp_path: Path
) -> None:
    names = [f"{server.host}/{name}:1.0" for name in ("d", "unsigned", "a", "c", "b")]
    (tmp_path / "list").write_text("\n".join(names))
    document = json.loads(verify(folder, "--images-from", str(tmp_path / "list"), "--output", "json").stdout)
    assert [entry["image"] for entry in document["images"]] == names
    assert document["imagesig"] == 1
    assert document["command"] == "verify"
    assert document["summary"] == {"total": 5, "verified": 4, "unsigned": 1}


def test_json_lines_stand_for_themselves(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    names = [f"{server.host}/{name}:1.0" for name in ("d", "unsigned", "a")]
    (tmp_path / "list").write_text("\n".join(names))
    done = verify(folder, "--images-from", str(tmp_path / "list"), "--output", "jsonl")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["image"]: line["verified"] for line in lines} == {names[0]: True, names[1]: False, names[2]: True}
    assert sorted(line["index"] for line in lines) == [0, 1, 2]


def test_a_list_is_signed_and_failures_are_reported(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    for name in ("new1", "new2"):
        image = registry(f"{server.host}/{name}:1.0", credentials=anonymous)
        build_image(image.home, {"name": name.encode()}, PLATFORMS[0], "1.0")
    names = [f"{server.host}/{name}:1.0" for name in ("new1", "none", "new2")]
    (tmp_path / "list").write_text("\n".join(names))
    done = imagesig("sign", "--key", str(folder / "k.key"), "--images-from", str(tmp_path / "list"), HOME=str(folder))
    assert done.returncode == 11
    assert done.stderr.splitlines()[-1] == "3 images: 2 signed, 1 not found"
    assert verify(folder, names[0], names[2]).returncode == 0


# --- workload files ---------------------------------------------------------------------------------------------------


def deployment(server: InMemoryRegistry, *names: str) -> str:
    containers = "".join(f"      - name: {name}\n        image: {server.host}/{name}:1.0  # {name}\n" for name in names)
    head = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n"
    return head + containers


def test_images_of_a_manifest_are_verified(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text(deployment(server, "a", "unsigned"))
    done = verify(folder, "--workload", str(tmp_path / "deploy.yaml"))
    assert done.returncode == 10
    assert f"error: {tmp_path / 'deploy.yaml'}:10: " in done.stderr


def test_a_manifest_is_printed_with_its_digests(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    text = deployment(server, "a", "b", "a")
    (tmp_path / "deploy.yaml").write_text(text)
    done = verify(folder, "--workload", str(tmp_path / "deploy.yaml"), "--print-pinned")
    assert done.returncode == 0, done.stderr
    assert re.sub(r"@sha256:[0-9a-f]{64}", "", done.stdout) == text
    assert done.stdout.count("@sha256:") == 3


def test_nothing_is_printed_unless_all_are_verified(folder: Path, server: InMemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text(deployment(server, "a", "unsigned"))
    done = verify(folder, "--workload", str(tmp_path / "deploy.yaml"), "--print-pinned")
    assert done.returncode == 10
    assert done.stdout == ""


def test_print_pinned_without_a_manifest_is_a_usage_error(folder: Path, server: InMemoryRegistry) -> None:
    assert verify(folder, "--print-pinned", f"{server.host}/a:1.0").returncode == 2


def test_a_manifest_that_is_wrong_is_a_usage_error_with_its_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text("kind: Pod\nspec: [\n")
    done = verify(folder, "--workload", str(tmp_path / "deploy.yaml"))
    assert done.returncode == 2
    assert "deploy.yaml:3: not YAML" in done.stderr


def test_a_registry_that_refuses_one_image_does_not_stop_the_rest(
    folder: Path, server: InMemoryRegistry, tmp_path: Path
) -> None:
    server.faults.append(lambda request: Answer(403) if "/b/" in request.path else None)
    try:
        done = verify(folder, *(f"{server.host}/{name}:1.0" for name in "abc"))
    finally:
        server.faults.clear()
    assert done.stderr.splitlines()[-1] == "3 images: 2 verified, 1 failed"
    assert done.returncode == 1


# --- forks of the process ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["text", "jsonl"])
def test_many_images_on_several_cores_have_the_verdicts_of_one(
    folder: Path, server: InMemoryRegistry, tmp_path: Path, output: str
) -> None:
    there = ["a", "b", "c", "d", "unsigned", "forged"]
    images = [f"{server.host}/{name}:1.0" for name in [*there, *(f"none{number}" for number in range(120))]]
    listed = tmp_path / "images.txt"
    listed.write_text("\n".join(images))
    few = tmp_path / "few.txt"
    few.write_text("\n".join(images[:20]))
    many = verify(folder, "--images-from", str(listed), "--output", output)
    one = verify(folder, "--images-from", str(few), "--output", output)
    assert "126 images: 4 verified, 1 refused, 1 unsigned, 120 not found" in many.stderr
    assert many.returncode == one.returncode
    assert set(one.stdout.splitlines()) <= set(many.stdout.splitlines())
    assert set(one.stderr.replace(str(few), str(listed)).splitlines()[:-1]) <= set(many.stderr.splitlines())


def test_a_fork_that_is_killed_leaves_no_image_without_its_verdict(folder: Path, server: InMemoryRegistry) -> None:
    images = [f"{server.host}/{name}:1.0" for name in ("a", "unsigned", "b", "c")] * 60
    others = multiprocessing.active_children()
    with ForkPool(2) as pool:
        forks = [process for process in multiprocessing.active_children() if process not in others]
        outcomes = verify_many(images, str(folder / "k.pub"), executor=pool, workers=4)
        found = [next(outcomes)]
        forks[0].kill()
        found += outcomes
    assert sorted(outcome.index for outcome in found) == list(range(len(images)))
    assert {outcome.image for outcome in found if outcome.ok} == {*images} - {images[1]}
    assert {type(outcome.error) for outcome in found} == {type(None), NoSignatures}
