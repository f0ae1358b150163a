"""The documentation says what the code does: examples run, options are listed, links lead somewhere."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import imagesig
from imagesig.cli.main import cli
from imagesig.crypto.algorithms import KeyType
from imagesig.testing import ProviderContract
from tests.docs.blocks import PAGES, ROOT
from tests.docs.example_provider import MemoryProvider
from tests.public_names import PACKAGES, table

REFERENCE = (ROOT / "docs/api.rst").read_text(encoding="utf-8")
PACKAGE = Path(imagesig.__file__).parent


class TestTheExampleProvider(ProviderContract):
    key_types = (KeyType.ECDSA_P256,)

    @pytest.fixture
    def provider(self) -> Iterator[MemoryProvider]:
        return MemoryProvider()


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def test_every_command_and_option_is_documented_and_none_that_does_not_exist() -> None:
    text = (ROOT / "docs" / "cli.rst").read_text()
    real = set()
    for name, command in commands(cli):
        assert f"imagesig {name}" in text, f"imagesig {name} is not in docs/cli.rst"
        for parameter in command.params:
            real |= {option for option in parameter.opts if option.startswith("--")}
    documented = set(re.findall(r"``(--[a-z-]+)", text))
    assert documented - {"--version", "--help"} == real


def test_links_of_the_readme_lead_to_files() -> None:
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*.md")], ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:docs|tests|imagesig|benchmarks)/[\w./-]+)`", text):
        assert (PACKAGE.parent if name.startswith("imagesig/") else ROOT).joinpath(name).exists(), name


def undocumented(dotted: str) -> Iterator[str]:
    """What has no docstring: the item, or a method that its entry in the reference lists."""
    package, _, name = dotted.rpartition(".")
    item = getattr(import_module(package), name)
    if isinstance(item, type) or inspect.isfunction(item):
        found = vars(item)["__doc__"] if isinstance(item, type) else item.__doc__
        if not found or found.startswith(("Spec:", "Raises", f"{name}(", "An enumeration")):
            yield dotted
    entry = re.search(rf"^\.\. auto\w+:: {re.escape(dotted)}\n   :members: ([\w, ]+)$", REFERENCE, re.MULTILINE)
    for member in entry[1].split(", ") if entry else ():
        text = inspect.getdoc(getattr(item, member))
        if not text or text.startswith(("Spec:", "Raises `")):
            yield f"{dotted}.{member}"


@pytest.mark.parametrize("package", PACKAGES)
def test_help_says_what_each_public_name_gives(package: str) -> None:
    assert [missing for name in table(package) for missing in undocumented(f"{package}.{name}")] == []


@pytest.mark.parametrize("dotted", [f"{package}.{name}" for package in PACKAGES for name in table(package)])
def test_a_public_class_shows_its_parameters(dotted: str) -> None:
    """A `Struct` works them out when it is asked, from names that have to be there then."""
    package, _, name = dotted.rpartition(".")
    item = getattr(import_module(package), name)
    if isinstance(item, type):
        assert inspect.signature(item)
