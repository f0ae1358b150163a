"""The child process of `hostile_runs`: does what it is told with images, and says how it ended and what it cost."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec import Struct

from imagesig import ImagesigError, SigningKey, copy, deadlines, key_from_pem, sign, verify
from imagesig.images.open import open_image
from imagesig.images.registry import tag_change
from imagesig.policy import Policy
from imagesig.trust import CertificateAuthority

WARM = "warm"


class Task(Struct, frozen=True):
    """What to do with one image, within so many seconds. `folder` is where a copy goes to."""

    name: str
    work: str
    image: str
    key: str
    certificate: str
    folder: str
    timeout: float
    identity: str = ""


class Tasks(Struct, frozen=True):
    """Several of them: at the same time, or one after the other."""

    tasks: list[Task]
    together: bool


class Ended(Struct, frozen=True):
    """How it ended: a digest or an exception; seconds; and KiB of memory beyond those before the first task."""

    name: str
    outcome: str | BaseException
    seconds: float
    kib: int


def peak() -> int:
    """The most KiB that this process has had since `forget_peak`.

    Not `ru_maxrss`: a child begins with what its parent had when it was made, and hides its own below that.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def policy_of(task: Task) -> Policy:
    if task.certificate:
        return Policy.any_of(CertificateAuthority.from_pem("signer", task.certificate.encode()))
    return Policy.any_of(task.key, **({"identity": task.identity} if task.identity else {}))


def done(task: Task, signer: SigningKey) -> str:
    transport: dict[str, Any] = {"timeout": task.timeout}
    if not task.image.startswith(("oci", "dir:", "docker-archive:")):
        transport["credentials"] = ("", "")
    if task.work == "sign":
        return sign(open_image(task.image, **transport), signer, formats=["cosign", "bundle"]).digest
    if task.work == "copy":
        target = f"oci:{Path(task.folder) / 'copied'}:1.0"
        return copy(open_image(task.image, **transport), target, timeout=task.timeout).digest
    return verify(open_image(task.image, **transport), policy_of(task)).digest


def main() -> None:
    """All tasks of a message are done in a fork of their own, after one ordinary verification."""
    key, good = pickle.load(sys.stdin.buffer)
    signer = key_from_pem(key)
    deadlines._BACKOFF_SECONDS = 0.001  # repetitions without pauses
    tag_change._SETTLE_SECONDS_MOST = 0.1  # one slow answer would make each of twenty pauses long
    while message := pickle.load(sys.stdin.buffer):
        if message.tasks[0].name == WARM:
            answer(message, signer)
        elif child := os.fork():
            os.waitpid(child, 0)
        else:
            done(good, signer)
            answer(message, signer)
            os._exit(0)


def answer(message: Tasks, signer: SigningKey) -> None:
    def run(task: Task) -> Ended:
        nonlocal before
        if not message.together:
            gc.collect()
            forget_peak()
            before = peak()
        started = time.monotonic()
        outcome: str | BaseException
        try:
            outcome = done(task, signer)
        except BaseException as error:
            outcome = error.without_frames() if isinstance(error, ImagesigError) else error
        seconds = time.monotonic() - started
        kib = peak() - before
        return Ended(task.name, outcome, seconds, kib)

    forget_peak()
    before = peak()
    if message.together:
        with ThreadPoolExecutor(len(message.tasks)) as pool:
            ended = list(pool.map(run, message.tasks))
    else:
        ended = [run(task) for task in message.tasks]
    sys.stdout.buffer.write(pickle.dumps(ended))
    sys.stdout.buffer.flush()
