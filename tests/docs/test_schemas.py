"""Every `--output json` has a JSON Schema in docs/schemas, and what the commands print satisfies it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from imagesig.cli.main import cli
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.commands import run_here
from tests.docs.test_docs import commands
from tests.schemas import FOLDER, path_of, schemas, text_of

NAME = "registry.example/team/app:1.0"
KEY_TEXT = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----"
PRINTS_A_POLICY = {"policy import": "docs/policy.schema.json is the schema of what it prints"}


def with_output(choice: str) -> set[str]:
    """The commands whose `--output` has this choice."""
    return {
        name
        for name, command in commands(cli)
        for option in command.params
        if "--output" in option.opts and isinstance(option.type, click.Choice) and choice in option.type.choices
    }


def test_every_command_with_json_has_a_schema() -> None:
    documents = with_output("json") - PRINTS_A_POLICY.keys()
    lines = {f"{name} line" for name in with_output("jsonl")}

    assert schemas().keys() == documents | lines
    assert {path_of(name) for name in schemas()} == set(FOLDER.iterdir())


def test_the_reference_links_every_schema() -> None:
    text = (FOLDER.parent / "cli.rst").read_text()
    assert [path.name for path in FOLDER.iterdir() if f"<schemas/{path.name}>" not in text] == []


@pytest.mark.parametrize("command", sorted(schemas()))
def test_the_file_is_the_one_that_the_source_makes(command: str) -> None:
    assert path_of(command).read_text() == text_of(schemas()[command]), "run: python -m tests.schemas"


def objects(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    if isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("command", sorted(schemas()))
def test_a_schema_is_valid_and_strict(command: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[command])
    for item in objects(schemas()[command]):
        by_name = item == {"type": "object", "additionalProperties": {"type": "string"}}
        assert by_name or item["additionalProperties"] is False, item


# --- what the commands print --------------------------------------------------------------------------------------


class Refusing:
    """Answers 403 to requests with this method from the n-th on."""

    def __init__(self, method: str, first: int) -> None:
        self._method, self._left = method, first

    def __call__(self, request: Request) -> Answer | None:
        self._left -= request.method == self._method
        return Answer(403) if request.method == self._method and self._left < 0 else None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with keys, policies and images."""
    place = tmp_path_factory.mktemp("schemas")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("DOCKER_CONFIG", str(place / "docker"))
        patch.setenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "correct horse battery")
        for name in ("release", "qa"):
            assert run_here("key", "generate", f"{name}.key").exit_code == 0
        for name in ("image", "unsigned", "other"):
            build_index(Layout.create(place / name), {"a": b"b"}, "1.0")
        signed = ("sign", "--key", "release.key", "--annotation", "build=7", "--identity", NAME)
        assert run_here(*signed, "oci:image:1.0").exit_code == 0
        rule = f'[[rules]]\nscope = "oci:{place}"\nrequire = [{{ any = ["release", "gone"] }}]\n'
        authorities = 'authorities.release = { key_file = "release.pub" }\nauthorities.gone = { key_file = "no.pub" }\n'
        (place / "policy.toml").write_text(f'version = 1\ndefault = "insecureAcceptAnything"\n{authorities}{rule}')
        (place / "accept.toml").write_text('version = 1\ndefault = "insecureAcceptAnything"\n')
        (place / "predicate").write_text('{"a": 1}')
        (place / "cut").write_text("oci:image:1.0\noci:unsigned:1.0 oci:other:1.0\n")
        (place / "list").write_text("oci:image:1.0\noci:unsigned:1.0\noci:nowhere\n")
        yield place


VERIFY = ("verify", "--key", "release.pub")
SIGN = ("sign", "--key", "release.key")
ATTEST = ("attest", "--key", "release.key", "--type", "custom")
ATTEST_BLOB = ("attest-blob", "--key", "release.key", "--type", "custom")
MIGRATE = ("trust", "migrate", "--key", "release.key")
RUNS: list[tuple[str, tuple[str, ...]]] = [
    ("verify", (*VERIFY, "oci:image:1.0")),
    ("verify", (*VERIFY, "--platform", "linux/amd64", "oci:image:1.0")),
    ("verify", (*VERIFY, "--images-from", "list")),
    ("verify", (*VERIFY, "--images-from", "cut")),
    ("verify line", (*VERIFY, "--images-from", "cut")),
    ("verify", ("verify", "--key", "qa.pub", "oci:image:1.0")),
    ("verify", ("verify", "--key", "no.pub", "oci:image:1.0")),
    ("verify", ("verify", "--policy", "accept.toml", "oci:unsigned:1.0")),
    ("verify", ("verify", "--policy", "accept.toml", "--allow-unverified", "oci:unsigned:1.0")),
    ("verify", (*VERIFY, "UPPER")),
    ("verify line", (*VERIFY, "--images-from", "list")),
    ("verify line", (*VERIFY, "oci:image:1.0")),
    ("verify-attestation", ("verify-attestation", "--key", "release.pub", "--type", "vuln", "oci:image:1.0")),
    ("verify-attestation line", ("verify-attestation", "--key", "release.pub", "--type", "vuln", "oci:image:1.0")),
    ("verify-attestation", ("verify-attestation", "--key", "release.pub", "--type", "no type", "oci:image:1.0")),
    ("sign", (*SIGN, "--dry-run", "oci:other:1.0")),
    ("sign", (*SIGN, "oci:other:1.0")),
    ("sign", (*SIGN, "--replace", "qa.pub", "--images-from", "list")),
    ("sign", (*SIGN, "oci:nowhere")),
    ("sign line", (*SIGN, "--images-from", "list")),
    ("sign-blob", ("sign-blob", "--key", "release.key", "--bundle", "list.bundle", "list")),
    ("sign-blob", ("sign-blob", "--key", "release.key", "no-such-file")),
    ("attest-blob", (*ATTEST_BLOB, "--predicate", "predicate", "--bundle", "list.att", "list")),
    ("attest-blob", (*ATTEST_BLOB, "--predicate", "list", "--bundle", "list.att", "list")),
    ("verify-blob", ("verify-blob", "--key", "release.pub", "--type", "custom", "--bundle", "list.att", "list")),
    ("verify-blob", ("verify-blob", "--key", "release.pub", "--bundle", "list.bundle", "list")),
    ("verify-blob", ("verify-blob", "--key", "qa.pub", "--bundle", "list.bundle", "list")),
    ("trust migrate", (*MIGRATE, "--pin", "0" * 64, "oci:image:1.0")),
    ("trust migrate line", (*MIGRATE, "--pin", "0" * 64, "oci:image:1.0")),
    ("trust migrate", (*MIGRATE, "oci:image:1.0")),
    ("trust sign", ("trust", "sign", "oci:image:1.0", "UPPER")),
    ("trust sign", ("trust", "sign", "--pin", "0" * 64, "--trust-on-first-use", "registry.example/app:1")),
    ("trust revoke", ("trust", "revoke", "registry.example/app:1@sha256:" + "0" * 64)),
    ("trust signer add", ("trust", "signer", "add", "--key", "release.pub", "alice", "oci:image:1.0")),
    ("trust signer add", ("trust", "signer", "add", "--key", "no.pub", "alice", "registry.example/app")),
    ("trust signer remove", ("trust", "signer", "remove", "alice", "oci:image:1.0")),
    ("trust init", ("trust", "init", "oci:image:1.0")),
    ("trust init", ("trust", "init", "--root-key", "no.key", "registry.example/app")),
    ("trust rotate", ("trust", "rotate", "oci:image:1.0", "root")),
    ("trust key generate", ("trust", "key", "generate", "alice")),
    ("trust key generate", ("trust", "key", "generate", "release")),
    ("trust key load", ("trust", "key", "load", "release.key")),
    ("trust key load", ("trust", "key", "load", "release.pub")),
    ("trust key export", ("trust", "key", "export", "alice", "--name", "bob")),
    ("trust key export", ("trust", "key", "export", "alice", "--private-key", "alice.key")),
    ("trust key export", ("trust", "key", "export", "nobody")),
    ("generate-payload", ("generate-payload", "--identity", NAME, "oci:other:1.0")),
    ("generate-payload", ("generate-payload", "oci:nowhere")),
    ("attest", (*ATTEST, "--predicate", "predicate", "oci:other:1.0")),
    ("attest", (*ATTEST, "--predicate", "predicate", "--dry-run", "oci:image:1.0")),
    ("attest", (*ATTEST, "--predicate", "predicate", "--images-from", "list")),
    ("attest", (*ATTEST, "--predicate", "list", "oci:other:1.0")),
    ("attest line", (*ATTEST, "--predicate", "predicate", "--images-from", "list")),
    ("attach", ("attach", "--key", "release.pub", "--signature", "release.pub", "oci:other:1.0")),
    ("inspect", ("inspect", "oci:image:1.0")),
    ("inspect", ("inspect", "oci:nowhere")),
    ("tree", ("tree", "oci:image:1.0")),
    ("tree", ("tree", "oci:nowhere")),
    ("copy", ("copy", "--all-platforms", "oci:image:1.0", "oci:copied:1.0")),
    ("copy", ("copy", "oci:nowhere", "oci:copied:1.0")),
    ("remove", ("remove", "--dry-run", "--all", "oci:image:1.0")),
    ("remove", ("remove", "--key", "qa.pub", "oci:image:1.0")),
    ("remove", ("remove", "oci:image:1.0")),
    ("doctor", ("doctor", "release.key", "oci:image:1.0")),
    ("doctor", ("doctor", "oci:nowhere")),
    ("key generate", ("key", "generate", "new.key")),
    ("key generate", ("key", "generate", "release.key")),
    ("key list", ("key", "list", ".")),
    ("key list", ("key", "list", "release.key")),
    ("key check", ("key", "check", "release.key")),
    ("key check", ("key", "check", "no.key")),
    ("policy check", ("policy", "check", "policy.toml")),
    ("policy check", ("policy", "check", "release.pub")),
    ("policy explain", ("policy", "explain", "policy.toml", "oci:image:1.0")),
    ("policy explain", ("policy", "explain", "policy.toml", "oci:unsigned:1.0")),
    ("policy explain", ("policy", "explain", "accept.toml", "oci:nowhere")),
]


def printed(command: str, arguments: tuple[str, ...]) -> list[dict[str, Any]]:
    """The documents, or the lines, that the command prints."""
    if command.endswith(" line"):
        done = run_here(*arguments, "--output", "jsonl")
        return [json.loads(line) for line in done.stdout.splitlines()]
    return [json.loads(run_here(*arguments, "--output", "json").stdout)]


def check(command: str, documents: list[dict[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(schemas()[command], format_checker=jsonschema.FormatChecker())
    assert documents
    for document in documents:
        error = jsonschema.exceptions.best_match(validator.iter_errors(document))
        assert error is None, f"{error.json_path}: {error.message}\n{json.dumps(document, indent=1)}"


@pytest.mark.parametrize(("command", "arguments"), RUNS, ids=[" ".join(arguments) for _, arguments in RUNS])
def test_what_a_command_prints_satisfies_its_schema(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(place)
    check(command, printed(command, arguments))


@pytest.mark.parametrize("command", sorted(with_output("json") - PRINTS_A_POLICY.keys()))
def test_wrong_usage_is_a_document_too(command: str) -> None:
    for wrong in (("--nosuch", "--output", "json"), ("--output=json", "--nosuch"), ("--output", "json", *["x"] * 9)):
        found = run_here(*command.split(), *wrong)
        if wrong[-1] == "x" and "unexpected extra" not in found.stderr:
            continue  # it takes any number of images
        assert found.exit_code == 2
        check(command, [json.loads(found.stdout)])
    assert (
        run_here(*command.split(), "--nosuch").stdout == run_here(*command.split(), "--nosuch", "--output").stdout == ""
    )


def test_a_private_key_in_wrong_usage_is_not_in_the_document() -> None:
    found = run_here("key", "check", "a", KEY_TEXT, "--output", "json")
    assert json.loads(found.stdout)["message"].startswith("a key was typed where")
    assert "MC4CAQAwBQ" not in found.stdout


def test_every_schema_is_compared_with_what_is_printed() -> None:
    assert {command for command, _ in RUNS} == schemas().keys()


@pytest.mark.parametrize(
    ("method", "member", "command", "arguments"),
    [
        ("PUT", "attached", "sign", (*SIGN, "HOST/app:1.0")),
        ("DELETE", "removed", "remove", ("remove", "--all", "HOST/signed:1.0")),
        ("GET", "complete", "inspect", ("inspect", "HOST/signed:1.0")),
    ],
    ids=["PUT", "DELETE", "GET"],
)
def test_work_that_stops_half_way_satisfies_its_schema(
    place: Path, monkeypatch: pytest.MonkeyPatch, method: str, member: str, command: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(place)
    errors = []
    for first in range(8):
        with InMemoryRegistry() as server:
            for name in ("app", "signed"):
                build_image(registry(f"{server.host}/{name}:1.0").home, {"a": b"b"}, PLATFORMS[0], "1.0")
            assert run_here(*SIGN, f"{server.host}/signed:1.0").exit_code == 0
            server.faults.append(Refusing(method, first))
            documents = printed(command, tuple(item.replace("HOST", server.host) for item in arguments))
        check(command, documents)
        errors += [entry for entry in documents[0]["images"] or documents if "error" in entry]

    assert any(member in entry for entry in errors)


def test_a_document_with_a_member_too_many_or_too_few_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    (document,) = printed("verify", (*VERIFY, "oci:image:1.0"))
    for changed in (
        {**document, "more": 1},
        {name: value for name, value in document.items() if name != "summary"},
        {**document, "images": [{**document["images"][0], "more": 1}]},
    ):
        with pytest.raises(AssertionError):
            check("verify", [changed])
