"""Running docker from the plugin: its exit status, its environment, and its end."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import threading
import time
import warnings
from pathlib import Path

import pytest

from imagesig.docker.command import docker_program, run
from imagesig.errors import InvalidArgument
from tests.plugins.programs import executable

ORIGINAL, SOCKET = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "DOCKER_CLI_PLUGIN_SOCKET"


def environ(docker: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], ORIGINAL: str(docker), **more}


@pytest.mark.parametrize(("script", "status"), [("", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 15)", 143)])
def test_its_exit_status_is_docker_s(tmp_path: Path, script: str, status: int) -> None:
    docker = executable(tmp_path / "docker", f"import os, sys\n{script}\n")

    assert run(["build"], environ(docker)) == status


@pytest.mark.parametrize("abstract", [True, False])
def test_when_the_docker_above_ends_the_build_is_interrupted(tmp_path: Path, abstract: bool) -> None:
    """docker that was told to end closes the socket of its plugin."""
    docker = executable(
        tmp_path / "docker",
        f"import os, signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(9))\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').close()\n"
        f"time.sleep(30 if {SOCKET!r} not in os.environ else 0)\n",
    )
    address = f"@imagesig-test-{os.getpid()}" if abstract else str(tmp_path / "above.sock")
    with socket.socket(socket.AF_UNIX) as above:
        above.bind("\0" + address[1:] if abstract else address)
        above.listen()

        def end_later() -> None:
            with above.accept()[0]:
                while not (tmp_path / "ready").exists():
                    time.sleep(0.01)

        thread = threading.Thread(target=end_later, daemon=True)
        thread.start()
        assert run([], environ(docker, **{SOCKET: address})) == 9
        thread.join()


def test_the_docker_that_runs_the_plugin_is_run_again(tmp_path: Path) -> None:
    docker = executable(tmp_path / "bin" / "docker", "")

    assert docker_program({ORIGINAL: str(docker), "PATH": ""}) == str(docker)
    assert docker_program({"PATH": str(docker.parent)}) == str(docker)


def test_without_docker_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="docker's command is needed"):
        docker_program({"PATH": str(tmp_path)})


@pytest.mark.parametrize("fails", ["subprocess.Popen.wait", "threading.Thread.start"])
def test_docker_is_ended_and_waited_for_when_its_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    docker, works = executable(tmp_path / "docker", "import time\ntime.sleep(60)\n"), subprocess.Popen.wait

    def fail(*_: object) -> None:
        monkeypatch.setattr(subprocess.Popen, "wait", works)
        raise RuntimeError

    monkeypatch.setattr(fails, fail)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError):
            run([], environ(docker, **{SOCKET: "@imagesig-none"}))
        gc.collect()
    assert not [str(item.message) for item in said]
