"""Members that other readers take for known ones, and that nobody reads JSON without saying which are known."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import imagesig
from imagesig.encoding.json import parse, parse_object
from imagesig.encoding.shape import OURS, Shape, check_shape, folded, refuse_twins, refuse_two_spellings
from imagesig.errors import LimitExceeded, MalformedError

PACKAGE = Path(imagesig.__file__).parent
SHAPE = Shape.of("size os.version", platform=Shape.of("os"))


@pytest.mark.parametrize(
    "name", ["Size", "SIZE", "\u017fize", "\u017fI\u017a\u0065", "Os.Version", "o\u017f.version", "Platform"]
)
def test_a_twin_of_a_known_member_is_refused(name: str) -> None:
    is_twin = name != "\u017fI\u017a\u0065"
    if not is_twin:
        check_shape({name: 1}, SHAPE, "x")
        return
    with pytest.raises(MalformedError, match="only by case"):
        check_shape({name: 1}, SHAPE, "x")


@pytest.mark.parametrize(
    "name", ["size", "sizes", "s\u0131ze", "\u00dfize", "size\u0000", " size", "osversion", "os_version"]
)
def test_go_confuses_the_same_names(name: str) -> None:
    check_shape({name: 1}, SHAPE, "x")


def test_inner_objects_are_checked_and_maps_are_not() -> None:
    with pytest.raises(MalformedError):
        check_shape({"platform": {"OS": "x"}}, SHAPE, "x")
    with pytest.raises(MalformedError):
        check_shape([{"platform": [{"o\u017f": "x"}]}], SHAPE, "x")
    check_shape({"annotations": {"OS": "x", "Size": "y"}}, SHAPE, "x")


def test_folding_is_gos() -> None:
    assert folded("\u017fi\u212aE") == "sike"
    assert folded("\u00c9") == "\u00c9"


def test_a_member_that_protobuf_reads_by_two_names_is_refused() -> None:
    refuse_two_spellings({"rawBytes": 1, "other": [{"a_b": 1}]}, "x")
    for value in ({"rawBytes": 1, "raw_bytes": 2}, [{"x": {"aB": 1, "a_b": 2}}], {"rawBytes": 1, "rawbytes": 2}):
        with pytest.raises(MalformedError, match="the same member"):
            refuse_two_spellings(value, "x")


@pytest.mark.parametrize("data", [b"1e400", b"[-1e999]", b'{"a":1e309}'])
def test_a_number_too_large_for_go_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="too large for a floating-point number"):
        parse(data, "x", OURS)


@pytest.mark.parametrize(("width", "character"), [(4, "\U0001f600"), (2, "\u0416")])
def test_text_that_would_be_several_times_as_large_in_memory_is_refused(width: int, character: str) -> None:
    with pytest.raises(LimitExceeded, match=f"characters of {width} bytes"):
        parse(f'"{character}{"a" * (8 * 1024 * 1024 // width)}"'.encode(), "x", OURS)
    assert parse(f'"{character}{"a" * 1000}"'.encode(), "x", OURS)
    assert parse(f'"\u00e9{"a" * 4_000_000}"'.encode(), "x", OURS)


def test_commas_and_brackets_in_strings_are_not_values() -> None:
    assert parse_object(b'{"a":"%s"}' % (b",[{:" * 100_000), "x", OURS)
    with pytest.raises(LimitExceeded, match="values"):
        parse(b"[" + b"1," * 100_000 + b"1]", "x", OURS)


# --- nobody goes round it -------------------------------------------------------------------------------------------

ALONE = {
    "encoding/json_list.py",  # items, whose shape is for who knows what they are
    "content_trust/memory.py",
    "docker/buildx_metadata.py",  # written by the buildx that was just run, or named by the user
    "docker/config_file.py",  # the user's own file
    "in_toto/predicates.py",  # the user's own predicate, read for the error only
    "in_toto/statement.py",  # predicates, of any type: their members are compared exactly
    "formats/cosign_family.py",  # a bundle that was read before
    "images/registry/credentials.py",  # the user's own files, and what the helpers say that they name
    "images/registry/challenges.py",  # a token's claims, for people
    "keys/file/cosign_key.py",
    "keys/plugin/notation.py",
    "keys/plugin/provider.py",
    "plugins/notation.py",
    "plugins/sigstore.py",
    "policy/files/notation.py",
    "witnesses/crl_cache.py",
}
"""Modules that read what nobody else reads in another way."""
LOOSE = {
    "api/attached/downloading.py": "the type of what is downloaded, which nobody verifies",
    "formats/bundle.py": "whether a bundle is a signature: it is read strictly before it counts",
    "formats/bundle_attestation.py": "whether a bundle is an attestation: it is read strictly before it counts",
    "formats/dsse_envelope.py": "the escapes in one text that has been found",
    "policy/cel.py": "writes, and reads nothing",
    "in_toto/predicates.py": "the user's own predicate, which is read strictly before it is signed",
    "in_toto/statement.py": "the bounds of the predicate; the rest of the statement is read strictly",
    "policy/predicate.py": "a value that the user typed",
}
"""Modules that read JSON with msgspec, which takes the last of several members, and why that decides nothing."""
READERS = {"encoding/json.py", "encoding/json_located.py"}
"""Modules that read JSON with somebody else's reader."""


def _uses(module: Path) -> tuple[set[str], set[str]]:
    """The names that a module imports of the standard library's or msgspec's JSON and calls, and of ours."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    foreign = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"loads", "load", "JSONDecoder", "raw_decode", "decode_lines"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"json", "tomllib", "msgspec"}
    }
    if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "msgspec.json" for node in ast.walk(tree)):
        foreign.add("msgspec.json")
    if any(isinstance(node, ast.ImportFrom) and node.module == "msgspec.json" for node in ast.walk(tree)):
        foreign.add("msgspec.json")
    ours = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "imagesig.encoding.shape"
        for alias in node.names
    }
    return foreign, ours


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_that_reads_json_declares_the_known_members(module: Path) -> None:
    name = str(module.relative_to(PACKAGE))
    foreign, ours = _uses(module)
    assert ("msgspec.json" in foreign) == (name in LOOSE), f"{name}: msgspec reads duplicates and deep documents"
    foreign.discard("msgspec.json")
    if name not in READERS and not name.startswith("testing/") and "toml" not in name:
        assert not foreign, f"{name}: read it with imagesig.encoding.json"
    if "OURS" in ours and name != "encoding/shape.py":
        assert name in ALONE, f"{name}: say which members are known"


def test_a_name_longer_than_every_known_one_is_not_a_twin_and_costs_no_folding() -> None:
    refuse_twins(["digest" + "\u212a" * 1_000_000], frozenset({"digest"}), "document")
