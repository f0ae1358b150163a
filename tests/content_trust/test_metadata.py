from __future__ import annotations

import sys
from datetime import UTC
from typing import Any

import pytest

from imagesig import limits
from imagesig.content_trust.metadata import parse_document, parse_targets, serialized
from imagesig.errors import LimitExceeded, MalformedError
from tests.content_trust.repository import Delegation, TrustRepository, p256, tag


def test_a_file_is_written_byte_for_byte_as_notary_writes_it() -> None:
    signed = {"version": 1, "_type": "Targets", "targets": {}, "delegations": {"keys": {}, "roles": []}}

    assert serialized(signed, [("ab", "ecdsa", "AA==")]) == (
        b'{"signed":{"_type":"Targets","delegations":{"keys":{},"roles":[]},"targets":{},"version":1},'
        b'"signatures":[{"keyid":"ab","method":"ecdsa","sig":"AA=="}]}'
    )


@pytest.mark.parametrize("role", ["root", "timestamp", "targets", "targets/releases"])
def test_a_file_above_its_limit_is_not_parsed(role: str) -> None:
    most = {"root": limits.TRUST_ROOT_BYTES, "timestamp": limits.TRUST_TIMESTAMP_BYTES}
    with pytest.raises(LimitExceeded, match="at most"):
        parse_document(role, b" " * (most.get(role, limits.TRUST_TARGETS_BYTES) + 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signatures", "[" + ",".join(['{"keyid":"a","method":"b","sig":""}'] * 65) + "]"),
        ("keys", "{" + ",".join(f'"{number}":{{}}' for number in range(257)) + "}"),
        ("roles", "[" + ",".join(["{}"] * 101) + "]"),
    ],
)
def test_more_items_than_the_limit_are_refused(name: str, value: str) -> None:
    content = TrustRepository().files()["targets.json"].decode()
    start = content.index(f'"{name}":') + len(name) + 3
    end = content.index("]" if name != "keys" else "}", start) + 1

    with pytest.raises(LimitExceeded, match="at most"):
        parse_targets("targets", (content[:start] + value + content[end:]).encode())


@pytest.mark.parametrize(
    "text",
    ['"version":1,"version":1', '"version":1.5', '"version":1.0', '"version":1e0', '"version":true', '"version":-1'],
)
def test_numbers_and_members_are_read_strictly(text: str) -> None:
    content = TrustRepository().files()["targets.json"].replace(b'"version":1', text.encode())

    with pytest.raises(MalformedError):
        parse_targets("targets", content)


@pytest.mark.parametrize(
    ("expires", "ends"),
    [
        ("2999-08-26T14:12:13.21926558+02:00", "2999-08-26T12:12:13.219265+00:00"),
        ("2036-11-20T22:51:20Z", "2036-11-20T22:51:20+00:00"),
    ],
)
def test_times_have_nanoseconds_and_offsets(expires: str, ends: str) -> None:
    made = TrustRepository(change={"targets": lambda signed: signed.update(expires=expires)})
    found = parse_document("targets", made.files()["targets.json"]).expires

    assert found.astimezone(UTC).isoformat() == ends


def _calls(content: bytes) -> int:
    """How many functions of Python the parser calls: a measure of work that no busy machine changes."""
    count = 0

    def count_call(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(count_call)
    try:
        parse_targets("targets", content)
    finally:
        sys.setprofile(None)
    return count


def test_the_work_is_linear_in_the_tags() -> None:
    key = p256()
    made = {
        size: TrustRepository(
            targets=key,
            tags={f"v{number}": tag() for number in range(size)},
            delegations={"targets/releases": Delegation([key], {})},
        ).files()["targets.json"]
        for size in (100, 1000)
    }

    few, many = _calls(made[100]), _calls(made[1000])

    assert many < 10.5 * few
    assert many < 60 * 1000, "10,000 tags take less than a second"
