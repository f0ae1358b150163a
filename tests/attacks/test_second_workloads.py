"""Workload files by somebody else: what would run is what was named, and a file of any form ends in our error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imagesig.cli.workloads.file import parse_workloads
from imagesig.errors import InvalidArgument
from tests.commands import run

GOOD = "r.example/good:1"
COMPOSE = f"services:\n  web:\n    image: {GOOD}\n"
CHAIN = "".join(f"- &a{number} {{<<: *a{number - 1}}}\n" for number in range(1, 5000))
ELSEWHERE = {
    "a folder": "    build: .\n",
    "another repository": "    build: https://git.example/evil.git\n",
    "a file in the file": "    build: {context: ., dockerfile_inline: FROM r.example/evil}\n",
    "always": "    build: .\n    pull_policy: build\n",
    "a merge": "    <<: {build: .}\n",
    "a program": "    provider: {type: evil}\n",
}


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_service_whose_image_is_not_what_runs_is_refused(place: str, tmp_path: Path) -> None:
    text = (f"services:\n  web:\n{ELSEWHERE[place]}    image: {GOOD}\n").encode()
    with pytest.raises(InvalidArgument, match=r"f\.yaml:\d+: a service with an image and with"):
        parse_workloads(text, "f.yaml")


def test_one_that_is_only_built_is_refused_and_one_that_is_not_built_is_read() -> None:
    with pytest.raises(InvalidArgument, match=r"f:4: a service with 'build'"):
        parse_workloads((COMPOSE + "  db: {build: .}\n").encode(), "f")
    mentions = parse_workloads((COMPOSE + "  x: {image: r.example/x, build: null}\n").encode(), "f").mentions
    assert [mention.image for mention in mentions] == [GOOD, "r.example/x"]


@pytest.mark.parametrize(
    "text",
    [
        f"x-c:\n- &a0 {{image: {GOOD}}}\n{CHAIN}services:\n  web: *a4999\n",
        f"x-c:\n- &a0 {{image: {GOOD}}}\n{CHAIN}services: *a4999\n",
        f"x-c:\n- &a0 {{image: {GOOD}}}\n{CHAIN}services: {{web: {{image: {GOOD}, extends: *a4999}}}}\n",
    ],
    ids=["a service", "all services", "what a service extends"],
)
def test_merges_of_merges_of_merges_end_in_our_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(text)
    started = time.process_time()
    with pytest.raises(InvalidArgument, match=r"f\.yaml:\d+: merges"):
        parse_workloads(text.encode(), "f.yaml")
    assert time.process_time() - started < 2
    done = run("verify", "--key", "k.pub", "--workload", "f.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert b"internal error" not in done.stderr
