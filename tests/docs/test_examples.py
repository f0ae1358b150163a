"""Every code block of the README and the documentation runs, page by page, beside the real tools."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import imagesig
from tests.docs.blocks import PAGES, ROOT, RUNNABLE, Block, blocks, page_name
from tests.docs.pages import prepared
from tests.docs.world import BlockFailed, World, world
from tests.public_names import PACKAGES

BLOCKS = [block for page in PAGES for block in blocks(page)]
LEFT_OUT = [block for block in BLOCKS if block.not_run is not None]
PUBLIC = frozenset({"imagesig.formats", "imagesig.errors", "imagesig.aio", *PACKAGES})
LOGGERS = frozenset({"imagesig.audit", "imagesig.http", "imagesig.keys.vault"})
ENTRY_POINTS = frozenset({"imagesig.key_providers"})


@pytest.mark.interop
@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.not_run is None}), ids=page_name)
def test_every_block_of_a_page_does_what_the_page_says(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with world(tmp_path) as here, prepared(page, here, request):
        for block in blocks(page):
            if block.not_run is None:
                here.run(block)


def test_a_block_that_is_not_run_says_why() -> None:
    """To read the list: pytest -s tests/docs -k says_why."""
    for block in LEFT_OUT:
        print(f"{block}: {block.not_run}")

    assert [str(block) for block in LEFT_OUT if not block.not_run] == []


def test_every_other_block_has_a_runner() -> None:
    assert [str(block) for block in BLOCKS if block.not_run is None and block.language not in RUNNABLE] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in ("python", "yaml")], ids=str)
def test_a_block_is_well_formed_even_if_it_is_not_run(block: Block) -> None:
    if block.language == "python":
        compile(block.source, str(block.page), "exec")
    else:
        yaml.safe_load(block.source)


PROGRAMS = sorted((ROOT / "docs" / "examples").glob("*.py"))
SOURCES = [(str(block), block.source) for block in BLOCKS if block.language == "python"]
SOURCES += [(program.name, program.read_text(encoding="utf-8")) for program in PROGRAMS]


@pytest.mark.parametrize("source", [source for _, source in SOURCES], ids=[name for name, _ in SOURCES])
def test_blocks_and_programs_import_public_names_from_public_packages(source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "imagesig":
            assert node.module in PUBLIC
            loaded = import_module(node.module)
            assert {alias.name for alias in node.names} <= set(loaded.__all__), f"not public in {node.module}"
        elif isinstance(node, ast.Import):
            assert {alias.name for alias in node.names if alias.name.startswith("imagesig")} <= PUBLIC


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "decisions"], ids=page_name)
def test_names_in_the_text_of_a_page_are_public(page: Path) -> None:
    """Of `imagesig.trust.Certificate` the package is public and has the name."""
    text = page.read_text(encoding="utf-8")
    for dotted in set(re.findall(r"(?<!imagesig )``?(imagesig(?:\.\w+)+)(?:\(.*?\))?``?", text)):
        package, _, name = dotted.rpartition(".")
        if dotted not in PUBLIC | LOGGERS | ENTRY_POINTS:
            assert package in PUBLIC, dotted
            assert hasattr(import_module(package), name), dotted


SOURCE = "".join(
    re.sub(r'"\s*f?"', "", path.read_text(encoding="utf-8")) for path in Path(imagesig.__file__).parent.rglob("*.py")
)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_errors_that_a_page_explains_are_in_the_code(page: Path) -> None:
    """Numbers and names in a quoted error are examples; two fifths of its words, in a row, are the code's."""
    section = page.read_text(encoding="utf-8").partition("Errors you may meet\n")[2].partition("\n---")[0]
    for title in re.findall(r"^``(.+)``$", section, re.MULTILINE):
        words = title.split()
        size = max(2, 2 * len(words) // 5)
        runs = [" ".join(words[start : start + size]) for start in range(len(words) - size + 1)]
        assert any(run in SOURCE for run in runs), title


class TestTheRunnerItself:
    """It notices a block that does not do what it says."""

    @pytest.fixture
    def here(self, tmp_path: Path) -> World:
        return World(tmp_path, {"registry.example": "localhost:1"}, {"PATH": "/usr/bin:/bin"})

    @pytest.mark.parametrize(
        ("language", "source"),
        [
            ("shell", "false; true"),
            ("shell", "false | true"),
            ("shell", 'echo "$NOT_SET"'),
            ("console", "echo no dollar"),
            ("python", "verify"),
            ("toml", "version = 2"),
            ("json", "{"),
            ("yaml", "a: b: c"),
        ],
    )
    def test_what_fails_is_an_error_with_its_line(self, here: World, language: str, source: str) -> None:
        with pytest.raises(BlockFailed, match=r"README\.md:7"):
            here.run(Block(PAGES[0], 7, language, source))

    def test_blocks_share_files_variables_and_names(self, here: World) -> None:
        here.run(Block(PAGES[0], 1, "console", "$ export HOST=registry.example \\\n    && echo hello > file"))
        here.run(Block(PAGES[0], 2, "python", "import os, pathlib\ntext = pathlib.Path('file').read_text()"))
        here.run(Block(PAGES[0], 3, "python", "assert (text, os.environ['HOST']) == ('hello\\n', 'localhost:1')"))

    def test_only_whole_host_names_are_replaced(self, here: World) -> None:
        text = "*.registry.example my-registry.example registry.example-2 registry.example/app"
        assert here.translate(text).endswith("registry.example-2 localhost:1/app")
        assert here.translate(text).count("localhost:1") == 1

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("a.rst", "Text::\n\n   one\n   two\n\nMore.\n", [("shell", "one\ntwo\n", 3, "", None)]),
            (
                "a.rst",
                ".. not run: no time\n\n.. code-block:: yaml\n\n   a: 1\n",
                [("yaml", "a: 1\n", 5, "", "no time")],
            ),
            ("a.rst", ".. not run:\n\n.. code-block:: shell\n\n   x\n", [("shell", "x\n", 5, "", "")]),
            (
                "a.rst",
                ".. code-block:: json\n   :caption: policy.json\n\n   {}\n\n.. code-block:: python\n\n   f()\n",
                [("json", "{}\n", 4, "policy.json", None), ("python", "f()\n", 8, "", None)],
            ),
            ("a.md", "```\nx\n```\n", [("", "x\n", 2, "", None)]),
            ("a.md", "<!-- not run: why -->\n```shell\nx\n```\n", [("shell", "x\n", 3, "", "why")]),
            ("a.md", "<!-- file: a.json -->\n```json\n{}\n```\n", [("json", "{}\n", 3, "a.json", None)]),
        ],
    )
    def test_blocks_of_both_forms_are_found(
        self, tmp_path: Path, name: str, text: str, expected: list[tuple[object, ...]]
    ) -> None:
        page = tmp_path / name
        page.write_text(text)
        found = [(item.language, item.source, item.line, item.file, item.not_run) for item in blocks(page)]
        assert found == expected
