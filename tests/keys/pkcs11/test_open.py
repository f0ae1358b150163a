"""Which module and which PIN a PKCS#11 URI and the environment lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.errors import InvalidArgument
from imagesig.keys import KeySettings, resolve_key

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
