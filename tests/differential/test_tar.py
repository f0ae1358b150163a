"""Our reader of tars beside Go's archive/tar: both read a tar alike, or ours refuses it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesig.errors import LimitExceeded, MalformedError
from imagesig.images.archive.members import read_members
from tests.differential.readers import DOCUMENTS, EXAMPLES, Answer, Conversation, ask
from tests.differential.tars import make_tar

pytestmark = pytest.mark.interop


class Bytes:
    """A tar in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._size = len(content)

    def read(self, size: int) -> bytes:
        return self._content.read(size)

    def skip(self, size: int) -> bool:
        return self._content.seek(size, io.SEEK_CUR) <= self._size

    def tell(self) -> int:
        return self._content.tell()


def ours(tar: bytes) -> dict[str, bytes | str] | None:
    """The members, links as text; None where the tar is refused."""
    try:
        found = read_members(Bytes(tar), "test", links=True)
    except (MalformedError, LimitExceeded):
        return None
    files = {member.name: tar[member.offset : member.offset + member.size] for member in found.files.values()}
    return {**files, **found.links}


def theirs(answer: Answer) -> dict[str, bytes | str]:
    """What containers/image and containerd find in it, by the names that they look for."""
    assert not answer.refused, answer.error
    found: dict[str, bytes | str] = {}
    for member in answer.value:
        name = base64.b64decode(member["clean"]).decode()
        if member["type"] in ("5", "g"):
            continue
        assert name not in found, f"{name} twice"
        if member["type"] == "2":
            found[name] = base64.b64decode(member["link"]).decode()
        else:
            assert member["type"] == "0"
            assert member["regular"]
            found[name] = base64.b64decode(member["content"])
    return found


@pytest.fixture(scope="module")
def go() -> Iterator[Conversation]:
    with Conversation("tar") as conversation:
        yield conversation


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_tars_of_hypothesis_are_read_as_go_reads_them_or_refused(go: Conversation, random: Random) -> None:
    tar = make_tar(random)
    mine = ours(tar)
    if mine is not None:
        assert mine == theirs(go.ask(tar))


def test_generated_tars_are_read_as_go_reads_them_or_refused() -> None:
    random = Random(2)
    read = 0
    for left in range(DOCUMENTS, 0, -5000):
        for tar, answer in ask("tar", [make_tar(random) for _ in range(min(left, 5000))]):
            mine = ours(tar)
            if mine is not None:
                read += 1
                assert mine == theirs(answer), tar
    assert read > DOCUMENTS // 20, "the generator makes too few tars that are read at all"
