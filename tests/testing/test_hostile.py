"""Each hostile registry and home ends in the right error, within the deadline, with at most 16 MiB of extra memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagesig.errors import DeadlineExceeded, ImagesigError, InvalidArgument, NoSignatures
from imagesig.testing import Answer, InMemoryRegistry
from imagesig.testing.hostile import (
    HOSTILE_HOMES,
    HOSTILITIES,
    HostileRegistry,
    Work,
    hostile_home,
    hostile_homes,
    hostile_registry,
)
from tests.testing import hostile_runs
from tests.testing.hostile_runs import SECONDS, Result

SLACK = 5.0
"""Seconds after the deadline: the machine may be busy."""
KIB = 16 * 1024


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Result]:
    """How those that tests ask for ended, in one child process."""
    calls = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    asked = {call.params.get("name") for call in calls if call is not None}
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "child").mkdir()
    with hostile_runs.a_child(folder / "child") as child:
        registries = hostile_runs.registries(child, [name for name in HOSTILITIES if name in asked])
        homes = hostile_runs.homes(child, folder / "homes", [name for name in HOSTILE_HOMES if name in asked])
        found = [*registries, *homes]
    return {item.name: item for item in found}


ALL = (*HOSTILITIES, *HOSTILE_HOMES)


def test_every_name_is_of_one_hostility() -> None:
    assert len(set(ALL)) == len(HOSTILITIES) + len(HOSTILE_HOMES)


@pytest.mark.parametrize("name", ALL)
def test_it_ends_right_in_time_with_little_memory_and_printable_words(name: str, results: Mapping[str, Result]) -> None:
    ended = results[name]
    assert ended.is_right, f"{ended.outcome!r}"
    assert ended.seconds < SECONDS + SLACK, f"{ended.outcome!r}"
    assert ended.kib <= KIB, f"{ended.outcome!r}, {ended.kib / 1024:.1f} MiB"
    if isinstance(ended.outcome, ImagesigError):
        assert (str(ended.outcome) + ended.outcome.hint).isprintable()
        assert len(str(ended.outcome)) < 10_000


# --- through the command ----------------------------------------------------------------------------------------------

SAMPLE = (
    "manifest-endless-body",
    "manifest-dripping-headers",
    "referrers-login-page",
    "blob-closed-in-body",
    "token-silent",
    "redirect-manifest-to-metadata-service",
    "redirect-blob-to-open-bracket",
    "realm-file",
    "manifest-of-duplicates",
    "referrers-of-depth",
    "cose-empty-arrays",
    "referrers-100000",
    "tag-moves-to-a-signed-image",
    "tag-moves-to-an-unsigned-image",
    "entry-type-control",
    "layer-type-control",
)
SAMPLE_HOMES = (
    "layout-manifest-other-bytes",
    "layout-index.json-fifo",
    "layout-index-twins",
    "layout-swapping-link",
    "dir-signature-1-link-absolute",
    "archive-gzip-of-empty-members",
    "archive-two-descriptions",
    "archive-name-control",
)


def test_the_command_refuses_them_without_a_traceback(tmp_path: Path) -> None:
    with ExitStack() as stack:
        served = {name: stack.enter_context(hostile_registry(name)) for name in SAMPLE}
        at_home = {name: stack.enter_context(hostile_home(name, tmp_path / name)) for name in SAMPLE_HOMES}
        key = tmp_path / "key.pub"
        key.write_text(next(iter(served.values())).key)
        environment = {**os.environ, "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
        started = {}
        for name, item in (*served.items(), *at_home.items()):
            command = [sys.executable, "-m", "imagesig", "verify", "--key", str(key), "--timeout", str(SECONDS)]
            command += ["--identity", item.identity] if item.identity else []
            process = subprocess.Popen(
                [*command, item.image], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
            )
            started[name] = stack.enter_context(process)
        for name, process in started.items():
            out, err = process.communicate(timeout=60)
            item = served.get(name) or at_home[name]
            assert "Traceback" not in err, name
            assert all(line.isprintable() for line in (out + err).splitlines()), name
            assert process.returncode == 0 or "error: " in err, f"{name}: {err}"
            if process.returncode == 0:
                assert item.harmless, f"{name}: {out}"
                assert item.digest in out, name


# --- the tools themselves ---------------------------------------------------------------------------------------------


def test_an_unknown_hostility_is_an_invalid_argument(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument), hostile_registry("none"):
        pass
    with pytest.raises(InvalidArgument), hostile_home("none", tmp_path):
        pass


def test_only_a_right_error_and_the_right_digest_of_a_harmless_one_are_right() -> None:
    with hostile_registry("list-becomes-empty") as harmless, hostile_registry("tag-moves-to-a-signed-image") as other:
        assert harmless.is_right(harmless.digest)
        assert not harmless.is_right(other.digest)
        assert not other.is_right(other.digest)
        assert other.is_right(NoSignatures("no"))
        assert not other.is_right(DeadlineExceeded("no"))
        assert not other.is_right(ValueError("no"))


def test_each_kind_of_work_has_its_hostilities() -> None:
    for work in Work:
        assert sum(item.work is work for item in HOSTILITIES.values()) >= 20, work


def test_all_homes_are_made_one_after_the_other(tmp_path: Path) -> None:
    homes = hostile_homes(tmp_path)
    first = next(homes)
    assert (tmp_path / first.name).is_dir()
    homes.close()


def test_a_body_is_sent_in_pieces_with_pauses_and_ends_with_the_registry() -> None:
    import http.client

    with InMemoryRegistry() as server:
        server.faults.append(lambda _request: Answer(pieces=lambda: (b"a", 0.01, b"b", 3600.0)))
        connection = http.client.HTTPConnection(server.host, timeout=10)
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        assert answer.read(2) == b"ab"
        started = time.monotonic()
    assert time.monotonic() - started < 60  # the answer has an hour
    connection.close()


def test_a_registry_shows_what_came(tmp_path: Path) -> None:
    with hostile_registry("manifest-status-403") as served:
        assert isinstance(served, HostileRegistry)
        assert served.requests == []
        assert not list(tmp_path.iterdir())
