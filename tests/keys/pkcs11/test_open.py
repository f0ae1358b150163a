"""Which module and which PIN a PKCS#11 URI and the environment lead to."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from imagesig.errors import InvalidArgument, KeyProviderError
from imagesig.keys import KeySettings, open_key, resolve_key
from tests.commands import run_here
from tests.peers.servers import softhsm_module

URI = "pkcs11:token=t;object=a"


@pytest.mark.parametrize(
    "source",
    ["|cat /run/pin", "file:|cat", "file:pin", "pin", "http://host/pin", "file://h/pin", "%7Ccat%20/run/pin"],
)
def test_a_pin_source_other_than_a_file_is_refused(source: str) -> None:
    with pytest.raises(InvalidArgument, match="pin-source must be"):
        resolve_key(f"{URI}?module-path=/m.so&pin-source={source}", KeySettings({}))


@pytest.mark.parametrize("source", ["file:{}", "file://{}", "{}"])
def test_a_pin_source_may_be_a_path_or_a_file_uri(source: str, tmp_path: Path) -> None:
    uri = f"{URI}?module-path={tmp_path}/m.so&pin-source={source.format(tmp_path / 'pin')}"
    with pytest.raises(InvalidArgument, match=r"m\.so"):  # as far as the module, which is not there
        resolve_key(uri, KeySettings({}))


@pytest.mark.parametrize(
    ("query", "environ", "module"),
    [
        ("?module-path=/uri.so", {"IMAGESIG_PKCS11_MODULE": "/ours.so"}, "/uri.so"),
        ("", {"IMAGESIG_PKCS11_MODULE": "/ours.so", "COSIGN_PKCS11_MODULE_PATH": "/theirs.so"}, "/ours.so"),
        ("", {"COSIGN_PKCS11_MODULE_PATH": "/theirs.so"}, "/theirs.so"),
    ],
)
def test_the_module_is_that_of_the_uri_else_of_the_environment(
    query: str, environ: dict[str, str], module: str
) -> None:
    with pytest.raises(InvalidArgument, match=module):
        resolve_key(URI + query, KeySettings(environ))


def test_a_module_by_name_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidArgument) as refused:
        resolve_key(f"{URI}?module-name=softhsm", KeySettings({}))
    assert "module-path" in refused.value.hint


def test_a_relative_module_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.so").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match="absolute"):
        resolve_key(f"{URI}?module-path=m.so", KeySettings({}))


def _odd_modules(folder: Path) -> dict[str, tuple[Path, str, str]]:
    """Files that are no module which this process can load: what the loader says of each, and the hint."""
    library = softhsm_module().read_bytes()
    needed = library.replace(b"libc.so.6\0", b"libq.so.6\0")
    word_size = bytearray(library)
    word_size[4] = 1  # e_ident[EI_CLASS]: 32 bits
    contents = {
        "a text": (b"#!/bin/sh\n" * 100, "invalid ELF header", "another file"),
        "a short file": (b"x", "file too short", "another file"),
        "a module for 32 bits": (bytes(word_size), "wrong ELF class", "word size"),
        "a module without a library that it needs": (needed, "libq.so.6", "ldd"),
    }
    found = {}
    for name, (content, said, hint) in contents.items():
        path = folder / f"{'-'.join(name.split())}-{'long' * 20}.so"
        path.write_bytes(content)
        found[name] = (path, said, hint)
    other = folder / f"libm-{'long' * 20}.so"
    other.write_bytes(Path(find_loaded("libm.so.6")).read_bytes())
    return found | {"another library": (other, "C_GetFunctionList", "not a PKCS#11 module")}


def find_loaded(name: str) -> str:
    """The path of a library of this process."""
    ctypes.CDLL(name)
    return next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(name))


@pytest.mark.interop
@pytest.mark.parametrize(
    "name",
    [
        *("a text", "a short file", "a module for 32 bits", "a module without a library that it needs"),
        "another library",
    ],
)
def test_a_file_that_is_no_module_is_refused_with_the_reason_of_the_loader(name: str, tmp_path: Path) -> None:
    path, said, hint = _odd_modules(tmp_path)[name]
    done = run_here("key", "check", f"pkcs11:token=t;object=o?module-path={path}")
    assert isinstance(done.exception, KeyProviderError)
    assert said in str(done.exception)
    assert hint in done.exception.hint


def test_a_uri_that_names_no_key_is_shown() -> None:
    with pytest.raises(InvalidArgument, match="pkcs11:token=t: object=LABEL"):
        open_key(f"pkcs11:token=t?module-path={find_loaded('libm.so.6')}")
