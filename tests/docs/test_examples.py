"""Every code block of the README and the documentation runs, page by page, beside the real tools."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, RUNNABLE, Block, blocks, page_name
from tests.docs.pages import prepared
from tests.docs.world import world

WITH_BLOCKS = [page for page in PAGES if any(block.not_run is None for block in blocks(page))]
PUBLIC = frozenset(
    {"imagesig"}
    | {
        f"imagesig.{name}"
        for name in "keys images formats policy trust witnesses errors testing aio".split()
    }
)


@pytest.mark.interop
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=page_name)
def test_every_block_of_a_page_does_what_it_says(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with world(tmp_path) as here, prepared(page, here, request):
        for block in blocks(page):
            if block.not_run is None:
                here.run(block)


def test_a_block_that_is_not_run_says_why() -> None:
    """`pytest -s -k says_why` prints them."""
    left = [block for page in PAGES for block in blocks(page) if block.not_run is not None]
    for block in left:
        print(f"{block}: {block.not_run}")
    assert [str(block) for block in left if not block.not_run] == []


def test_every_other_block_has_a_runner() -> None:
    strange = [
        str(block)
        for page in PAGES
        for block in blocks(page)
        if block.not_run is None and block.language not in RUNNABLE
    ]
    assert strange == []
