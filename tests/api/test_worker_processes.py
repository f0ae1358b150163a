"""`worker_processes`: they verify, a killed one is replaced, and none outlives the program."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from imagesig import InvalidArgument, KeyType, sign, verify_many, worker_processes
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys import FileProvider


def test_images_of_a_killed_process_are_verified_by_its_successor(tmp_path: Path) -> None:
    key = FileProvider(tmp_path).generate("release.key", KeyType.ECDSA_P256)
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], tag="1")
    image = f"oci:{tmp_path / 'image'}:1"
    sign(image, key)
    with worker_processes(1) as pool:
        outcomes = verify_many([image] * 64, key.info.public_key, executor=pool, workers=1)
        assert next(outcomes).ok
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGKILL)

        assert all(outcome.ok for outcome in outcomes)


def test_no_process_outlives_a_killed_program(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent("""
            import os, time
            from imagesig import worker_processes

            if __name__ == "__main__":
                with worker_processes(1) as pool:
                    print(pool.submit(os.getpid).result(), flush=True)
                    time.sleep(60)
        """)
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environ, text=True) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        program.kill()
    ends = time.monotonic() + 10
    while _runs(worker) and time.monotonic() < ends:
        time.sleep(0.02)
    assert not _runs(worker)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("count", [-1, 0, 2**16 + 1, 2**31, 2**63])
def test_a_number_of_processes_that_no_machine_runs_is_refused(count: int) -> None:
    with pytest.raises(InvalidArgument, match=f"{count} processes, 1 to {2**16} are possible"):
        worker_processes(count)
