"""Values do not change once they are made."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from msgspec import Struct

import imagesig
from imagesig.oci.reference import parse_reference

PURE = (
    *("policy", "formats", "trust", "crypto", "oci", "encoding", "signature", "url", "redacted"),
    *("http", "stores", "images", "api.verify"),
)
WORKING = {
    "imagesig.policy.files.names.Names",
    "imagesig.stores.store.Removal",
    "imagesig.images.archive.members.Members",
    "imagesig.images.archive.two_descriptions._Comparison",
    "imagesig.images.registry.tag_change.TagChange",
    "imagesig.api.verify.evidence.StoredEvidence",
    "imagesig.api.verify.statements.StoredStatements",
    "imagesig.api.verify.index_statements.IndexStatements",
    "imagesig.policy.judged.Judged",
    "imagesig.policy.judge_statements.StatementJudge",
    "imagesig.policy.judge_statements.IndexJudge",
}
"""Those that collect while something is read or written."""


def test_a_value_cannot_be_changed() -> None:
    found: dict[str, type[Struct]] = {}
    for module in pkgutil.walk_packages(imagesig.__path__, "imagesig."):
        if f"{module.name}.".removeprefix("imagesig.").startswith(tuple(f"{name}." for name in PURE)):
            for item in vars(importlib.import_module(module.name)).values():
                if isinstance(item, type) and issubclass(item, Struct) and item.__module__ == module.name:
                    found[f"{module.name}.{item.__name__}"] = item
    assert len(found) > 50
    assert {name for name, item in found.items() if not item.__struct_config__.frozen} == WORKING


def test_a_reference_cannot_be_changed() -> None:
    reference = parse_reference("registry.example/app:1.0")
    with pytest.raises(AttributeError):
        reference.tag = "2.0"  # type: ignore[misc]
    assert hash(reference) == hash(parse_reference("registry.example/app:1.0"))
