"""What a verification by key loads: counts of modules, which do not depend on how busy the machine is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imagesig import sign
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from imagesig.testing import InMemoryRegistry

_LIBRARY = "import imagesig; imagesig.verify(sys.argv[2], sys.argv[1])"
_COMMAND = """
sys.argv[1:] = ["verify", "--key", *sys.argv[1:]]
import os
os._exit = sys.exit  # the command ends the process at once, before the names could be printed
from imagesig.__main__ import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
"""
_COUNT = """
import sys
sys.modules["typing_extensions"] = None  # msgspec loads it where the tools for tests have installed it
before = set(sys.modules)
{}
print(*(set(sys.modules) - before))
"""
_FOR_OTHERS = {
    "imagesig.api.verify.platforms", "imagesig.api.verify.revoking", "imagesig.crypto.certificate",
    "imagesig.formats.certified", "imagesig.formats.notation", "imagesig.policy.files.load",
    "imagesig.trust.chain", "imagesig.trust.holder", "imagesig.trust.revocation",
    "cryptography.hazmat.backends.openssl.backend", "cryptography.x509", "logging", "ssl", "tomllib",
    "imagesig.cli.output.reports", "imagesig.policy.files.default", "dis", "tokenize",
    *(() if sys.version_info >= (3, 14) else ("ast",)),  # there msgspec needs it
}  # fmt: skip
"""For platforms, certificates, policy files, reports and TLS, back ends and what the standard `inspect` loads."""
_FOR_REGISTRIES = {"imagesig.http", "imagesig.images.registry", "imagesig.url", "httptools", "socket"}


def _loaded(program: str, public_key: Path, image: str) -> set[str]:
    command = [sys.executable, "-c", _COUNT.format(program), str(public_key), image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "imagesig.oci.digest" in loaded, "these are not names of modules"
    return loaded


@pytest.mark.parametrize(("program", "ours", "all_modules"), [(_LIBRARY, 103, 200), (_COMMAND, 130, 250)])
@pytest.mark.parametrize("form", ["cosign", "bundle"])
def test_verifying_a_layout_loads_no_code_for_other_things(
    tmp_path: Path, form: str, program: str, ours: int, all_modules: int
) -> None:
    build_image(Layout.create(tmp_path / "image"), {"bin/app": b"app"}, PLATFORMS[0], "1.0")
    with FileProvider(tmp_path).generate("release.key", KeyType.ECDSA_P256) as key:
        sign(f"oci:{tmp_path}/image:1.0", key, formats=[form], identity="registry.example/app:1.0")

    loaded = _loaded(program, tmp_path / "release.pub", f"oci:{tmp_path}/image:1.0")

    assert not loaded & (_FOR_OTHERS | _FOR_REGISTRIES)
    assert len([name for name in loaded if name.startswith("imagesig")]) <= ours, sorted(loaded)
    assert len(loaded) <= all_modules, sorted(loaded)


def test_verifying_in_a_registry_loads_no_code_for_other_things(tmp_path: Path) -> None:
    with InMemoryRegistry() as server, FileProvider(tmp_path).generate("release.key", KeyType.ECDSA_P256) as key:
        build_image(registry(f"{server.host}/app:1.0").home, {"bin/app": b"app"}, PLATFORMS[0], "1.0")
        sign(f"{server.host}/app:1.0", key, formats=["bundle"])

        loaded = _loaded(_COMMAND, tmp_path / "release.pub", f"{server.host}/app:1.0")

    assert not loaded & (_FOR_OTHERS | {"imagesig.images.layout", "imagesig.images.registry.tag_change", "random"})
    assert len([name for name in loaded if name.startswith("imagesig")]) <= 150, sorted(loaded)
    assert len(loaded) <= 286, sorted(loaded)
