"""A list of images that breaks off: what came before it is judged, and its outcomes are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import imagesig
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.commands import run
from tests.makers import private_key

PEM = private_key().to_pem(None).decode()


@pytest.fixture
def image(tmp_path: Path) -> str:
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1")
    name = f"oci:{tmp_path}/image:1"
    with imagesig.key_from_pem(PEM) as key:
        imagesig.sign(name, key, identity="registry.example/a:1")
    return name


@pytest.mark.parametrize("how", ["threads", "one thread", "in order", "executor"])
def test_verify_many_gives_the_outcomes_of_what_came_before(image: str, how: str) -> None:
    def images() -> Iterator[str]:
        yield from [image, f"{image}9", image]
        raise ValueError("the list broke off")

    options: dict[str, Any] = {"one thread": {"workers": 1}, "in order": {"in_order": True}}.get(how, {})
    outcomes: list[Any] = []
    with ThreadPoolExecutor(2) as executor:
        if how == "executor":
            options = {"executor": executor}
        found = imagesig.verify_many(images(), private_key().public_key, **options)
        with pytest.raises(ValueError, match="broke off"):
            outcomes.extend(found)  # keeps what came
    assert {outcome.index: outcome.ok for outcome in outcomes} == {0: True, 1: False, 2: True}


@pytest.mark.parametrize("line", [b"two words", b"\xff", b"a\0b", b"x" * 5000])
@pytest.mark.parametrize("output", ["text", "json", "jsonl", "junit"])
def test_the_command_writes_them_and_the_error(image: str, output: str, line: bytes, tmp_path: Path) -> None:
    (tmp_path / "k.pub").write_bytes(private_key().public_key.pem.encode())
    (tmp_path / "list").write_bytes(f"{image}\n{image}9\n".encode() + line + f"\n{image}\n".encode())
    done = run(
        "verify", "--key", "k.pub", "--identity", "any", "--output", output, "--images-from", "list", cwd=tmp_path
    )
    assert done.returncode == 2
    assert b"error: list:3: " in done.stderr
    if output == "text":
        assert done.stdout.startswith(image.rpartition(":")[0].encode() + b"@sha256:")
    elif output == "json":
        document = json.loads(done.stdout)
        assert [item["verified"] for item in document["images"]] == [True, False]
        assert document["error"] == "InvalidArgument"
    elif output == "jsonl":
        lines = [json.loads(text) for text in done.stdout.splitlines()]
        assert [item.get("verified") for item in sorted(lines[:2], key=lambda item: item["index"])] == [True, False]
        assert lines[2]["error"] == "InvalidArgument"
    else:
        assert len(ElementTree.fromstring(done.stdout).findall(".//testcase")) == 2
