"""When many images are verified in forks of the process, and when not."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imagesig.cli import verifying_processes
from imagesig.cli.verifying_processes import useful_forks, workers_for
from imagesig.crypto.algorithms import KeyType
from imagesig.keys import open_public_keys
from imagesig.keys.file.provider import FileProvider
from imagesig.policy import Policy


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying_processes, "useful_forks", lambda: 2)


@pytest.fixture(scope="module")
def public_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("keys")
    FileProvider(folder).generate("k.key", KeyType.ECDSA_P256).close()
    return str(folder / "k.pub")


def uses_forks(policy: Policy, total: int | None = 100) -> bool:
    with workers_for(policy, open_public_keys, total) as made:
        assert (made.executor is None) == (made.policy is policy)
        return made.executor is not None


def test_many_images_with_a_key_in_a_file_use_forks(public_key: str) -> None:
    assert uses_forks(Policy.any_of(public_key))
    assert uses_forks(Policy.any_of(Path(public_key).read_text()))


@pytest.mark.parametrize("total", [None, 1, 99])
def test_few_images_use_one_process(public_key: str, total: int | None) -> None:
    assert not uses_forks(Policy.any_of(public_key), total)


@pytest.mark.parametrize("uri", ["pkcs11:token=t;object=k", "hashivault://k", "awskms:///alias/k", "env://KEY"])
def test_a_key_that_needs_a_login_or_pin_keeps_one_process(public_key: str, uri: str) -> None:
    assert not uses_forks(Policy.any_of(public_key, uri))


def test_a_key_that_cannot_be_opened_keeps_one_process(tmp_path: Path) -> None:
    assert not uses_forks(Policy.any_of(str(tmp_path / "gone.pub")))


def test_one_core_uses_one_process(public_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying_processes, "useful_forks", lambda: 1)
    assert not uses_forks(Policy.any_of(public_key))


def test_the_keys_are_opened_before_forking(public_key: str) -> None:
    with workers_for(Policy.any_of(public_key), open_public_keys, 100) as made:
        assert made.policy.default.signed[0].anchors.keys


def test_no_forks_are_offered_beside_threads() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert useful_forks() == 0
    finally:
        done.set()
        thread.join()


def test_a_command_that_does_not_fork_does_not_load_multiprocessing() -> None:
    script = "import sys, imagesig.cli.commands.verify; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "imagesig.cli.verifying_processes" in loaded
    assert "multiprocessing" not in loaded
