"""Several signers of one image at the same time, each with a key of its own."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

from imagesig import sign
from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.provider import FileProvider


def sign_in_threads(image: str, folder: Path, count: int, **options: Any) -> None:
    """Signs an image in so many threads; the keys are files in the folder."""
    work = [threading.Thread(target=_sign, args=(image, folder, number, options)) for number in range(count)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()


def sign_in_processes(image: str, folder: Path, count: int, **options: Any) -> None:
    """The same in so many processes; none of them fails."""
    context = multiprocessing.get_context("spawn")
    work = [context.Process(target=_sign, args=(image, folder, number, options)) for number in range(count)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert [process.exitcode for process in work] == [0] * count


def _sign(image: str, folder: Path, number: int, options: dict[str, Any]) -> None:
    sign(image, FileProvider(folder).generate(f"{number}.key", KeyType.ECDSA_P256), **options)
