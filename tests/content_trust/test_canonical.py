from __future__ import annotations

import pytest

from imagesig.content_trust.canonical import canonical_json
from imagesig.errors import MalformedError


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        ({"\U00010000": 1, "\uffff": 2, "Z": 3, "a": 4}, '{"Z":3,"a":4,"\uffff":2,"\U00010000":1}'),
        ('a"\\/\n\u007f\u00e9<', '"a\\"\\\\/\n\u007f\u00e9<"'),
        ([True, False, [], {}, -7, 3.0], "[true,false,[],{},-7,3]"),
    ],
    ids=["order", "bytes", "escapes", "values"],
)
def test_canonical_bytes_are_those_of_notary(value: object, written: str) -> None:
    assert canonical_json(value) == written.encode()


@pytest.mark.parametrize("value", [1.5, 2**53 + 1, -(2**60), 1e300])
def test_a_number_that_readers_round_is_refused(value: float) -> None:
    with pytest.raises(MalformedError, match="whole number"):
        canonical_json({"length": value})
