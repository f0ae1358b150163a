"""A list in a document: what stands beside it is small."""

from __future__ import annotations

import pytest

from imagesig import limits
from imagesig.encoding.json_list import parse_list
from imagesig.encoding.shape import OURS
from imagesig.errors import LimitExceeded


def _document(beside: int, inside: int) -> bytes:
    return b'{"x":"' + b"a" * beside + b'","manifests":["' + b"b" * inside + b'"]}'


def test_more_than_the_limit_beside_a_list_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="beside its manifests"):
        parse_list(_document(limits.LIST_REST_BYTES, 1), "manifests", "list", OURS, most=9)


def test_a_document_without_its_list_is_all_beside_it() -> None:
    with pytest.raises(LimitExceeded, match="beside its layers"):
        parse_list(_document(1, limits.LIST_REST_BYTES), "layers", "list", OURS, most=9)


def test_what_is_in_the_list_does_not_count() -> None:
    assert parse_list(_document(1, 3 * limits.LIST_REST_BYTES), "manifests", "list", OURS, most=9).count == 1
