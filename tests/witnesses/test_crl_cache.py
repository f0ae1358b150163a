"""A cache keeps lists as notation does, appears whole or not at all, is bounded, and never fails."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest

from imagesig.witnesses import CrlBytes, FileCrlCache, MemoryCrlCache
from imagesig.witnesses.crl_cache import Layered
from imagesig.witnesses.memory import Memory

URL = "http://crl.example/1.crl"
CRL = CrlBytes(b"a list", b"its delta")


def test_a_file_is_named_and_written_as_notation_does(tmp_path: Path) -> None:
    FileCrlCache(tmp_path / "crl").put(URL, CRL)

    path = tmp_path / "crl" / hashlib.sha256(URL.encode()).hexdigest()
    assert json.loads(path.read_text()) == {
        "baseCRL": base64.b64encode(b"a list").decode(),
        "deltaCRL": base64.b64encode(b"its delta").decode(),
    }
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cache", [MemoryCrlCache(), None], ids=["memory", "file"])
@pytest.mark.parametrize("crl", [CRL, CrlBytes(b"a list")], ids=["with delta", "without"])
def test_a_list_in_the_cache_is_found(cache: MemoryCrlCache | None, crl: CrlBytes, tmp_path: Path) -> None:
    kept = cache or FileCrlCache(tmp_path)
    kept.put(URL, crl)

    assert kept.get(URL) == crl
    assert kept.get(URL + "x") is None


@pytest.mark.parametrize(
    "content",
    [
        b"{}", b'{"baseCRL":1}', b'{"baseCRL":"YQ==","deltaCRL":2}', b'{"baseCRL":"*"}',
        b"", b"{", b"[]", b'{"baseCRL":""}', b'{"baseCRL":"YQ==","baseCRL":"YQ=="}',
    ],
)  # fmt: skip
def test_a_file_that_is_damaged_is_not_there(content: bytes, tmp_path: Path) -> None:
    (tmp_path / hashlib.sha256(URL.encode()).hexdigest()).write_bytes(content)

    assert FileCrlCache(tmp_path).get(URL) is None


def test_a_file_larger_than_two_lists_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.witnesses.crl_cache._FILE_BYTES", 10)
    cache = FileCrlCache(tmp_path)
    cache.put(URL, CRL)

    assert cache.get(URL) is None


def test_a_read_only_folder_is_not_a_failure(tmp_path: Path) -> None:
    # CVE-2024-51491: a cache that fails must not fail the verification.
    (tmp_path / "file").write_text("in the way")
    cache = FileCrlCache(tmp_path / "file")
    cache.put(URL, CRL)

    assert cache.get(URL) is None


def test_a_failed_rename_is_not_a_failure_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def across_devices(self: Path, target: Path) -> Path:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "replace", across_devices)
    FileCrlCache(tmp_path).put(URL, CRL)

    assert list(tmp_path.iterdir()) == []


def test_the_oldest_files_go_and_those_of_others_stay(tmp_path: Path) -> None:
    cache = FileCrlCache(tmp_path, files=2)
    (tmp_path / "somebody else's").write_text("mine")
    os.utime(tmp_path / "somebody else's", (1, 1))
    for number in range(3):
        cache.put(f"{URL}{number}", CRL)
        os.utime(tmp_path / hashlib.sha256(f"{URL}{number}".encode()).hexdigest(), (number + 10, number + 10))
    cache.put(f"{URL}3", CRL)

    assert [cache.get(f"{URL}{number}") is not None for number in range(4)] == [False, False, True, True]
    assert (tmp_path / "somebody else's").exists()


def test_the_slower_cache_fills_the_faster_one(tmp_path: Path) -> None:
    memory, files = MemoryCrlCache(), FileCrlCache(tmp_path)
    files.put(URL, CRL)

    assert Layered(memory, files).get(URL) == CRL
    assert memory.get(URL) == CRL


def test_both_caches_store_a_list(tmp_path: Path) -> None:
    memory, files = MemoryCrlCache(), FileCrlCache(tmp_path)
    Layered(memory, files).put(URL, CRL)

    assert memory.get(URL) == files.get(URL) == CRL


def test_a_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    memory = Memory(10)
    memory.put("a", b"12345")
    memory.put("b", b"12345")
    memory.get("a")
    memory.put("c", b"12345")

    assert [memory.get(name) is not None for name in "abc"] == [True, False, True]


def test_an_entry_larger_than_the_memory_is_not_stored_and_drops_nothing() -> None:
    memory = Memory(10)
    memory.put("a", b"12345")
    memory.put("b", b"1" * 11)

    assert memory.get("a") == b"12345"
    assert memory.get("b") is None


def test_a_new_entry_replaces_the_old_one() -> None:
    memory = Memory(10)
    memory.put("a", b"1234567890")
    memory.put("a", b"1")

    assert memory.get("a") == b"1"


def test_a_memory_forgets_in_time() -> None:
    memory = Memory(10, seconds=-1)
    memory.put("a", b"1")

    assert memory.get("a") is None
