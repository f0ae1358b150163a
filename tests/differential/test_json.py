"""Our readers of OCI's and Docker's documents beside Go's encoding/json: both read alike, or ours refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesig.encoding.json import parse
from imagesig.errors import ImagesigError, NotFound
from imagesig.images.archive.docker_document import parse_entry
from imagesig.images.layout.layout import Layout
from imagesig.images.local_home import LocalHome
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import parse_listing
from imagesig.oci.manifest import Index, Manifest, check_document, parse_index, parse_manifest
from imagesig.oci.shapes import DOCKER_ARCHIVE
from tests.differential.documents import INDEX, KINDS, MANIFEST, make_document
from tests.differential.readers import DOCUMENTS, EXAMPLES, Answer, Conversation, ask

pytestmark = pytest.mark.interop

GO_KINDS = {"x": "i"}


class Files(Layout):
    """A layout of one file."""

    def __init__(self, content: bytes) -> None:
        LocalHome.__init__(self, "oci", Path("layout"))
        self._content = content
        self._parsed = {}

    def _file(self, name: str, most: int) -> bytes:
        return self._content


def described(found: Descriptor | None) -> dict[str, Any] | None:
    """A descriptor as the Go reader shows it, of the members that we keep."""
    if found is None:
        return None
    platform = found.platform and (found.platform.os, found.platform.architecture, found.platform.variant)
    return {
        "mediaType": found.media_type,
        "digest": found.digest,
        "size": found.size,
        "annotations": dict(found.annotations),
        "artifactType": found.artifact_type,
        "platform": platform,
    }


def of_go(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    platform = found.get("platform")
    return {
        "mediaType": found["mediaType"],
        "digest": found["digest"],
        "size": found["size"],
        "annotations": found.get("annotations", {}),
        "artifactType": found.get("artifactType", ""),
        "platform": platform and (platform["os"], platform["architecture"], platform.get("variant", "")),
    }


def whole(found: Manifest | Index) -> dict[str, Any]:
    shown = {
        "annotations": dict(found.annotations),
        "subject": described(found.subject),
        "artifactType": found.artifact_type,
    }
    if isinstance(found, Manifest):
        return shown | {"config": described(found.config), "layers": [described(layer) for layer in found.layers]}
    return shown | {"manifests": [described(item) for item in found.manifests]}


def whole_of_go(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "annotations": document.get("annotations", {}),
        "subject": of_go(document.get("subject")),
        "artifactType": document.get("artifactType", ""),
    }
    if kind == "m":
        return shown | {
            "config": of_go(document["config"]),
            "layers": [of_go(item) for item in document["layers"] or []],
        }
    return shown | {"manifests": [of_go(item) for item in document["manifests"] or []]}


def check(kind: str, document: bytes, answer: Answer) -> bool:
    """Whether ours reads the document; if so, Go reads the same in it, and nothing else beside that."""
    try:
        mine = READERS[kind](document)
    except ImagesigError:
        return False
    if kind == "e":
        value = [] if answer.refused else answer.value
        for place, found in mine:
            # A list of referrers keeps no annotations: nothing of them is believed.
            assert described(found) == {**(of_go(value[place]["descriptor"]) or {}), "annotations": {}}, document
        return bool(mine)
    assert not answer.refused, (document, answer.error)
    theirs, kinds = answer.value["document"], set(answer.value["kinds"])
    if kind == "l":
        assert theirs == {"imageLayoutVersion": "1.0.0"}
    elif kind == "d":
        shown = [{"Config": item.config, "RepoTags": [*item.tags], "Layers": [*item.layers]} for item in mine]
        assert shown == [{**item, "RepoTags": item["RepoTags"] or []} for item in theirs], document
    elif kind == "x":
        listed = [of_go(item) for item in theirs["manifests"] or []]
        assert len(mine.read) + len(mine.unread) == len(listed), document
        assert [item for item in listed if item in map(described, mine.read)] == [*map(described, mine.read)], document
        for item in mine.unread:
            shown = {"annotations": dict(item.names.annotations), "digest": item.digest or ""}
            assert any(shown.items() <= (found or {}).items() for found in listed), document
        assert theirs.get("mediaType", "") in ("", INDEX)
        assert kinds <= {"manifests"}, document
    else:
        assert whole(mine) == whole_of_go(kind, theirs), document
        assert theirs.get("mediaType", "") in ("", MANIFEST if kind == "m" else INDEX)
        assert kinds <= ({"config", "layers"} if kind == "m" else {"manifests"}), document
        check_document(document, MANIFEST if kind == "m" else INDEX, "checked")
    return True


def _entries(document: bytes) -> list[tuple[int, Descriptor]]:
    listing = parse_listing(document, None, "listing")
    malformed = {place for place, _ in listing.malformed}
    return list(zip((n for n in range(listing.count) if n not in malformed), listing.entries, strict=True))


def _docker(document: bytes) -> list[Any]:
    entries = parse(document, "docker", DOCKER_ARCHIVE)
    if not isinstance(entries, list):
        raise NotFound("no list")
    return [parse_entry(entry, "entry") for entry in entries]


READERS: dict[str, Callable[[bytes], Any]] = {
    "m": lambda document: parse_manifest(document, MANIFEST, "manifest"),
    "i": lambda document: parse_index(document, INDEX, "index"),
    "x": lambda document: Files(document)._entries(),
    "l": lambda document: Files(document)._check_version(),
    "d": _docker,
    "e": _entries,
}
assert set(READERS) == set(KINDS)


def question(kind: str, document: bytes) -> bytes:
    return GO_KINDS.get(kind, kind).encode() + document


@pytest.fixture(scope="module")
def go() -> Iterator[Conversation]:
    with Conversation("json") as conversation:
        yield conversation


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False), kind=st.sampled_from(KINDS))
def test_documents_of_hypothesis_are_read_as_go_reads_them_or_refused(
    go: Conversation, random: Random, kind: str
) -> None:
    document = make_document(random, kind)
    check(kind, document, go.ask(question(kind, document)))


def test_generated_documents_are_read_as_go_reads_them_or_refused() -> None:
    random = Random(2026)
    kinds = [random.choice(KINDS) for _ in range(DOCUMENTS)]
    documents = [question(kind, make_document(random, kind)) for kind in kinds]
    read = refused_by_us_alone = 0
    for kind, (document, answer) in zip(kinds, ask("json", documents), strict=True):
        if check(kind, document[1:], answer):
            read += 1
        elif not answer.refused:
            refused_by_us_alone += 1
    # Neither reader refuses all, and ours is the stricter one.
    assert read > DOCUMENTS / 10
    assert refused_by_us_alone > DOCUMENTS / 100
