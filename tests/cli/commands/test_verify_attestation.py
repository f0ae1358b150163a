"""`imagesig verify-attestation`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attacks.policy_place import furnish
from tests.commands import run_here

TYPE = "https://acme.example/approval/v1"
IMAGE = "oci:image:1.0"
ASK = ("verify-attestation", "--key", "a.pub")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a", "b")
    (tmp_path / "p.json").write_text('{ "stage": "prod",\n "n": 9007199254740993 }')
    done = run_here("attest", "--key", "a.key", "--type", TYPE, "--predicate", "p.json", IMAGE)
    assert done.exit_code == 0, done.output
    return tmp_path


def test_the_report_names_the_image_and_what_is_attested() -> None:
    done = run_here(*ASK, "--type", TYPE, "--condition", "/stage equals prod", IMAGE)
    assert done.exit_code == 0
    assert "@sha256:" in done.stdout
    assert f"attested  {TYPE}" in done.stdout
    assert "/stage equals 'prod'" in done.stdout


def test_the_proven_predicate_is_printed_as_it_was_signed(place: Path) -> None:
    done = run_here(*ASK, "--type", TYPE, "--format", "bundle", "--output", "predicate", IMAGE)
    assert done.exit_code == 0
    assert done.stdout == (place / "p.json").read_text() + "\n"


def test_other_attestations_are_named_as_such() -> None:
    run_here("attest", "--key", "b.key", "--type", TYPE, "--predicate", "p.json", IMAGE)
    done = run_here(*ASK, "--type", TYPE, IMAGE)
    assert (done.exit_code, "2 other attestations rejected" in done.stderr) == (0, True)


def test_what_both_forms_say_is_printed_once(place: Path) -> None:
    """`attest` writes both by default."""
    run_here("attest", "--key", "a.key", "--type", TYPE, "--statement-version", "v0.1", "--predicate", "p.json", IMAGE)
    done = run_here(*ASK, "--type", TYPE, "--output", "predicate", IMAGE)
    assert done.stdout == (place / "p.json").read_text() + "\n"
    (place / "q.json").write_text("{}")
    run_here("attest", "--key", "a.key", "--type", TYPE, "--predicate", "q.json", IMAGE)
    done = run_here(*ASK, "--type", TYPE, "--output", "predicate", IMAGE)
    assert sorted(done.stdout.split("\n")) == sorted(["{}", *(place / "p.json").read_text().split("\n"), ""])


def test_json_has_the_statements_without_their_predicates() -> None:
    done = run_here(*ASK, "--type", TYPE, "--output", "json", IMAGE)
    (image,) = json.loads(done.stdout)["images"]
    assert {item["predicate_type"] for item in image["statements"]} == {TYPE}
    assert image["signatures"] == []
    assert "9007199254740993" not in done.stdout


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (("--type", "vuln"), 10, "no attestation of vuln"),
        (("--type", TYPE, "--condition", "/stage equals test"), 12, "'test' is needed"),
        (("--type", TYPE, "--condition", "/n at_most 1"), 12, "at_most 1"),
        (("--type", TYPE, "--cel", "predicate.n == 9007199254740992"), 12, "is false"),
        (("--type", TYPE, "--key", "b.pub", "--threshold", "2"), 12, "needs 2 trusted attesters"),
        ((), 12, "no authority of it may attest anything (types that it requires: none); no type is asked for: --type"),
        (("--type", "provenance"), 2, "a URI or a known name is needed"),
        (("--type", TYPE, "--condition", "/stage"), 2, "a pointer, a test and a value are needed"),
        (("--type", TYPE, "--condition", "stage equals prod"), 2, "not a JSON pointer"),
        (("--type", TYPE, "--condition", "/stage matches x"), 2, "one of equals, one_of"),
        (("--type", TYPE, "--cel", "predicate."), 2, "cel"),
        (("--condition", "/stage equals prod"), 2, "none is given"),
        (("--type", TYPE, "--output", "sarif"), 2, "sarif"),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, tuple) else None,
)
def test_what_is_not_proven_has_its_status_and_its_reason(options: tuple[str, ...], status: int, reason: str) -> None:
    done = run_here(*ASK, *options, IMAGE)
    assert (done.exit_code, done.stdout) == (status, "")
    assert reason in " ".join(done.stderr.split())


@pytest.mark.parametrize("value", ["prod", '"prod"'])
def test_the_value_of_a_condition_is_json_or_text(value: str) -> None:
    assert run_here(*ASK, "--type", TYPE, "--condition", f"/stage equals {value}", IMAGE).exit_code == 0
    assert (
        run_here(*ASK, "--type", TYPE, "--condition", f'/stage one_of ["x", "{value.strip(chr(34))}"]', IMAGE).exit_code
        == 0
    )
    assert run_here(*ASK, "--type", TYPE, "--condition", '/n equals "9007199254740993"', IMAGE).exit_code == 12


def test_a_policy_says_what_is_needed(place: Path) -> None:
    requirement = f'{{ any = ["a"], predicate_type = "{TYPE}", conditions = [{{ pointer = "/n", at_least = 3 }}] }}'
    (place / "policy.toml").write_text(
        f'version = 1\n[authorities.a]\nkey_file = "a.pub"\n[default]\nrequire = [{requirement}]\n'
    )
    assert run_here("verify-attestation", "--policy", "policy.toml", IMAGE).exit_code == 0
    assert run_here("verify", "--policy", "policy.toml", IMAGE).exit_code == 0
    checked = run_here("policy", "check", "policy.toml")
    assert f"{TYPE} attested by a; /n at_least 3" in checked.stdout
    explained = run_here("policy", "explain", "policy.toml", IMAGE)
    assert explained.exit_code == 0, explained.output
