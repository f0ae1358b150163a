"""The wheel and the sdist as a user gets them: built, installed into empty environments, on every Python found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import imagesig
from tests.interop.homes import Homes, open_homes
from tests.peers import CACHE
from tests.peers.kms import KmsServer
from tests.peers.servers import SoftHsmToken, VaultServer

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parent.parent
OLDEST = 11
"""The oldest supported Python is 3.11."""
STEP_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Distributions:
    """What would be uploaded."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment that held nothing, not even pip."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def imagesig(self) -> Path:
        return self.folder / "bin" / "imagesig"

    def install(self, *requirements: str | Path) -> None:
        _run(sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", *requirements)


def _run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """What the command printed, both streams; fails with it unless the status is 0."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**_clean_environment(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STEP_SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout[-30_000:]}"
    return done.stdout


def _clean_environment() -> dict[str, str]:
    """This process's own, less what would let the source tree or the outer test run leak in."""
    leaks = ("PYTHON", "PYTEST", "COVERAGE", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(leaks)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _empty_environment(folder: Path, python: str | Path = sys.executable) -> Environment:
    _run(python, "-m", "venv", "--without-pip", folder)
    return Environment(folder)


def _other_pythons() -> dict[str, Path]:
    """One interpreter of each supported minor version other than the running one: on PATH, of pyenv, or a peer."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # pyenv's shims stand for versions that may not be switched on; its versions/ folder holds the real ones.
    on_path = [Path(folder) for folder in os.get_exec_path() if Path(folder).name != "shims"]
    found: dict[str, Path] = {}
    for folder in (*on_path, *sorted(pyenv.glob("versions/*/bin"), reverse=True)):
        for candidate in sorted(folder.glob("python3.*")):
            match = re.fullmatch(r"python3\.(\d+)", candidate.name)
            if match and int(match[1]) >= OLDEST and int(match[1]) != sys.version_info.minor:
                found.setdefault(candidate.name, candidate)
    if sys.version_info[:2] != (3, 14):
        found.setdefault("python3.14", CACHE / "bin" / "python3.14")
    return found


OTHER_PYTHONS = _other_pythons()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist, and the wheel built from that sdist: so nothing the build needs is missing from it."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="module")
def installed(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`pip install imagesig`: the wheel without extras."""
    environment = _empty_environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.install(built.wheel)
    return environment


def test_the_wheel_holds_the_package_its_types_and_its_license(built: Distributions) -> None:
    names = zipfile.ZipFile(built.wheel).namelist()

    assert "imagesig/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} == {"imagesig", f"imagesig-{imagesig.__version__}.dist-info"}


def test_the_sdist_holds_what_its_tests_need(built: Distributions) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "Makefile", "README.md", "LICENSE", "tests/conftest.py"} <= names
    assert {"tests/peers/recipes.py", "tests/peers/servers_src/vault/go.sum"} <= names


def test_the_installed_command_tells_its_version(installed: Environment, tmp_path: Path) -> None:
    assert imagesig.__version__ in _run(installed.imagesig, "--version", cwd=tmp_path)


def test_the_plugins_answer_from_a_plain_install(installed: Environment, tmp_path: Path) -> None:
    programs = installed.folder / "bin"

    metadata = _run(programs / "notation-imagesig", "get-plugin-metadata", cwd=tmp_path)
    call = '{"initOptions": {"keyResourceID": "x", "hashFunc": 5}, "methodName": "defaultAlgorithm"}'
    algorithm = _run(programs / "sigstore-kms-imagesig", "v1", call, cwd=tmp_path)

    assert json.loads(metadata)["version"] == imagesig.__version__
    assert json.loads(algorithm) == {"defaultAlgorithm": {"defaultAlgorithm": "ecdsa-p256"}}


def test_the_demo_runs_from_a_plain_install(installed: Environment, tmp_path: Path) -> None:
    _run(installed.imagesig, "demo", cwd=tmp_path, HOME=str(tmp_path))


def test_the_sdist_installs(built: Distributions, tmp_path: Path) -> None:
    environment = _empty_environment(tmp_path / "venv")

    environment.install(built.sdist)

    assert imagesig.__version__ in _run(environment.imagesig, "--version", cwd=tmp_path)


@pytest.mark.parametrize(
    ("extra", "uri"),
    [
        ("pkcs11", "pkcs11:token=imagesig;object=key?module-path=/usr/lib/softhsm/libsofthsm2.so"),
        ("vault", "hashivault://key"),
        ("aws", "awskms:///alias/key"),
    ],
)
def test_without_an_extra_its_key_uri_names_the_pip_command(
    installed: Environment, tmp_path: Path, extra: str, uri: str
) -> None:
    script = (
        "import sys\nfrom imagesig.errors import MissingExtra\nfrom imagesig.keys import open_key\n"
        "try:\n    open_key(sys.argv[1])\nexcept MissingExtra as error:\n    print(error, error.hint)\n"
    )

    said = _run(installed.python, "-c", script, uri, cwd=tmp_path, **_BACKENDS)

    assert re.search(rf"pip install '?\"?imagesig\[{extra}\]", said), said


_BACKENDS = {
    "VAULT_ADDR": "http://127.0.0.1:9",
    "VAULT_TOKEN": "none",
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}
"""Enough for each backend to get as far as its SDK; nothing listens there."""


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, softhsm: SoftHsmToken, vault: VaultServer, kms: KmsServer) -> Homes:
    return open_homes(tmp_path_factory.mktemp("keys"), softhsm, vault, kms)


@pytest.mark.parametrize(
    ("extra", "uri"),
    [
        ("pkcs11", "pkcs11:token={token};object=packaged"),
        ("vault", "hashivault://packaged"),
        ("aws", "awskms:///alias/packaged"),
    ],
)
def test_an_extra_brings_what_its_keys_need_to_sign(
    built: Distributions, homes: Homes, tmp_path: Path, extra: str, uri: str
) -> None:
    environment = _empty_environment(tmp_path / "venv")

    environment.install(f"imagesig[{extra}] @ {built.wheel.as_uri()}")

    uri = uri.format(token=homes.environ["TOKEN_LABEL"])
    _run(environment.imagesig, "key", "generate", uri, cwd=tmp_path, **homes.environ)
    script = "import sys\nfrom imagesig.keys import open_key\nopen_key(sys.argv[1]).sign(b'message')\n"
    _run(environment.python, "-c", script, uri, cwd=tmp_path, **homes.environ)


@pytest.mark.parametrize("name", sorted(OTHER_PYTHONS))
def test_the_unit_tests_pass_on_every_other_python(built: Distributions, tmp_path: Path, name: str) -> None:
    # Campaigns that start hundreds of processes ask nothing of the version of Python.
    campaigns = ("attacks", "external", "fuzz", "mutants", "testing/test_hostile.py", "cli/test_canaries.py")

    _run_unit_tests(built, tmp_path, OTHER_PYTHONS[name], *(f"--ignore=tests/{name}" for name in campaigns))


def test_the_unit_tests_pass_with_the_lowest_declared_dependencies(built: Distributions, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    lowest = tmp_path / "lowest.txt"
    lowest.write_text("\n".join(item.replace(">=", "==") for item in declared))
    # The tests of what calls these packages.
    callers = ("cli", "crypto", "encoding", "formats", "images", "keys", "plugins", "policy", "trust", "witnesses")
    tests = [f"tests/{folder}" for folder in callers]

    _run_unit_tests(built, tmp_path, sys.executable, "--ignore=tests/cli/test_canaries.py", *tests, constraints=lowest)


def _run_unit_tests(
    built: Distributions, folder: Path, python: str | Path, *selected: str, constraints: Path | None = None
) -> None:
    """Runs tests of the sdist, without the package in it, so that they import the wheel."""
    environment = _empty_environment(folder / "venv", python)
    wanted = [
        f"imagesig[pkcs11,vault,aws,workload,cel] @ {built.wheel.as_uri()}",
        "--group",
        f"{ROOT}/pyproject.toml:test",
    ]
    environment.install(*wanted, *(("--constraint", constraints) if constraints else ()))
    tree = folder / "tree"
    shutil.unpack_archive(built.sdist, folder, filter="data")
    (folder / built.sdist.name.removesuffix(".tar.gz")).rename(tree)
    shutil.rmtree(tree / "imagesig")
    options = ("-q", "-n", "2", "-p", "no:cacheprovider", "-m", "not interop")

    said = _run(environment.python, "-m", "pytest", *options, *selected, cwd=tree)

    assert re.search(r"^\d+ passed", said.splitlines()[-1]), said[-6000:]
