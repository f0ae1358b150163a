"""Public names stand in one table for each package; stubs, reference and errors agree with it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import imagesig
from imagesig import errors
from tests.public_names import PACKAGES, modules, stub_path, table

API = (Path(__file__).parents[1] / "docs" / "api.rst").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported(package: str) -> None:
    loaded = import_module(package)

    for name in loaded.__all__:
        assert getattr(loaded, name) is not None
    assert sorted([*table(package), *modules(package)]) == loaded.__all__ == dir(loaded)


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_of_the_table(package: str) -> None:
    """If this fails: python -m tests.public_names."""
    nodes = ast.parse(stub_path(package).read_text(encoding="utf-8")).body
    imported = [
        (alias.asname, node.module) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    ]

    assert dict(imported) == table(package) | dict.fromkeys(modules(package), package)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_is_the_name_of_a_module_of_its_package(package: str) -> None:
    """Loading the module would put it in the place of the name."""
    folder = stub_path(package).parent
    inside = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}

    assert not inside.intersection(table(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_does_not_exist_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        import_module(package).nobody  # noqa: B018 - the access raises


def test_the_package_shows_its_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", imagesig.__version__)


def test_every_error_can_be_imported_from_the_top() -> None:
    classes = {
        name
        for name, item in vars(errors).items()
        if isinstance(item, type) and item.__module__.startswith(errors.__name__) and not name.startswith("_")
    }

    assert {name for name, module in table("imagesig").items() if module == errors.__name__} == classes


def test_the_reference_documents_public_names_and_all_of_them() -> None:
    documented = re.findall(r"^\.\. (?:auto\w+|py:data):: (imagesig[\w.]*)", API, re.MULTILINE)
    public = {f"{package}.{name}" for package in PACKAGES for name in table(package)}
    documented_modules = {"imagesig.aio", "imagesig.errors"}

    assert not set(documented) - public - documented_modules, "names of the reference that are not public"
    covered = {name.rpartition(".")[2] for name in documented}
    errors_at_top = {name for name, module in table("imagesig").items() if module == errors.__name__}
    missing = {name for package in PACKAGES for name in table(package)} - covered - errors_at_top
    assert not missing, "public names without a line in docs/api.rst"


def test_a_star_import_gives_the_public_names() -> None:
    script = "from imagesig import *; print(verify, Policy, NoSignatures)"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
