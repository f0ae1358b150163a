"""Our reader of workloads beside kubectl's: both read a file alike, or ours refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesig.cli.workloads.file import parse_workloads
from imagesig.cli.workloads.yaml_nodes import Mappings, is_kind, is_plain_text, items, read_documents
from imagesig.errors import InvalidArgument
from tests.differential.readers import DOCUMENTS, EXAMPLES, Answer, Conversation, ask
from tests.differential.yamls import make_compose, make_yaml

pytestmark = pytest.mark.interop

OTHER = object()
"""A scalar that is no text to us."""
DIGEST = "sha256:" + "ab" * 32


def ours(content: bytes) -> list[Any] | None:
    """The documents as Go's values; None where the file is refused."""
    text = content.decode()
    try:
        documents = read_documents(text.removeprefix("\ufeff"), "test")
        mappings = Mappings("test")
        return [value for value in (_value(document, mappings) for document in documents) if value is not OTHER]
    except InvalidArgument:
        return None


def _value(node: Any, mappings: Mappings) -> Any:
    if is_kind(node, "mapping"):
        return {key: _value(value, mappings) for key, value in mappings.members(node).items()}
    if is_kind(node, "sequence"):
        return [_value(item, mappings) for item in items(node)]
    return node.value if is_plain_text(node) else OTHER


def check_alike(content: bytes, mine: list[Any] | None, answer: Answer) -> None:
    """Whatever is text to us is that text to Go, in the same place; and no place is there to one of both alone.

    Of a file that Go refuses kubectl has deployed the documents before the error.
    """
    theirs = [document for document in answer.value or [] if isinstance(document, (dict, list, str))]
    if mine is not None:
        assert same(mine[: len(theirs)] if answer.refused else mine, theirs), (content, mine, answer)


def same(mine: Any, theirs: Any) -> bool:
    if mine is OTHER:
        return not isinstance(theirs, (dict, list))
    if isinstance(mine, dict):
        return isinstance(theirs, dict) and mine.keys() == theirs.keys() and all(same(mine[k], theirs[k]) for k in mine)
    if isinstance(mine, list):
        return isinstance(theirs, list) and len(mine) == len(theirs) and all(map(same, mine, theirs))
    return bool(mine == theirs)


def images(value: Any) -> Iterator[str]:
    """The images of pod specs anywhere in a document of Go's."""
    if isinstance(value, list):
        for item in value:
            yield from images(item)
    if isinstance(value, dict):
        for key, member in value.items():
            if key in ("containers", "initContainers", "ephemeralContainers") and isinstance(member, list):
                yield from (item["image"] for item in member if isinstance(item, dict) and "image" in item)
            if key == "volumes" and isinstance(member, list):
                for item in member:
                    image = item.get("image") if isinstance(item, dict) else None
                    if isinstance(image, dict) and "reference" in image:
                        yield image["reference"]
            yield from images(member)


def pinned(content: bytes) -> tuple[set[str], bytes] | None:
    """The images that we find, and the file with all of them pinned; None where that is refused."""
    try:
        workloads = parse_workloads(content, "test")
        found = {mention.image for mention in workloads.mentions}
        return found, workloads.pinned(dict.fromkeys(found, DIGEST))
    except InvalidArgument:
        return None


def of_objects(answer: Answer) -> set[str]:
    return {
        image
        for document in answer.value
        if isinstance(document, dict) and "kind" in document
        for image in images(document)
    }


@pytest.fixture(scope="module")
def go() -> Iterator[Conversation]:
    with Conversation("yaml") as conversation:
        yield conversation


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_files_of_hypothesis_are_read_as_kubectl_reads_them_or_refused(go: Conversation, random: Random) -> None:
    content = make_yaml(random)
    check_alike(content, ours(content), go.ask(content))


def test_generated_files_are_read_as_kubectl_reads_them_or_refused() -> None:
    random = Random(3)
    read = 0
    for left in range(DOCUMENTS, 0, -5000):
        for content, answer in ask("yaml", [make_yaml(random) for _ in range(min(left, 5000))]):
            mine = ours(content)
            read += mine is not None and not answer.refused
            check_alike(content, mine, answer)
    assert read > DOCUMENTS // 20, "the generator makes too few files that are read at all"


def test_kubectl_finds_the_images_that_we_find_and_only_pinned_ones_in_what_we_pin() -> None:
    random = Random(4)
    found = 0
    made = [content for content in (make_yaml(random) for _ in range(DOCUMENTS // 4)) if pinned(content)]
    results = [result for result in map(pinned, made) if result]
    before = [answer for _, answer in ask("yaml", made)]
    after = [answer for _, answer in ask("yaml", [result[1] for result in results])]
    for content, (mine, written), old, new in zip(made, results, before, after, strict=True):
        if b"services" in content or old.refused:
            continue
        assert of_objects(old) == mine, content
        assert not new.refused, written
        assert of_objects(new) == {image if "@" in image else f"{image}@{DIGEST}" for image in mine}, written
        found += 1
    assert found > DOCUMENTS // 100


def test_compose_finds_no_image_that_we_do_not_find_and_only_pinned_ones_in_what_we_pin() -> None:
    random = Random(5)
    found = 0
    made = [content for content in (make_compose(random) for _ in range(DOCUMENTS // 5)) if pinned(content)]
    results = [result for result in map(pinned, made) if result]
    before = [answer for _, answer in ask("compose", made)]
    after = [answer for _, answer in ask("compose", [result[1] for result in results])]
    for content, (mine, written), old, new in zip(made, results, before, after, strict=True):
        if old.refused:
            continue
        assert set(old.value) <= mine, content
        assert not new.refused, written
        assert set(new.value) == {image if "@" in image else f"{image}@{DIGEST}" for image in old.value}, written
        found += 1
    assert found > DOCUMENTS // 100
