"""`imagesig policy`, and `imagesig verify --policy`, over layouts: no server needed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click.testing
import pytest

from imagesig.errors import ImagesigError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.policy import Policy, Scope
from tests.commands import run_here

NAME = "registry.example/team/app:1.0"


def hint(done: click.testing.Result) -> str:
    assert isinstance(done.exception, ImagesigError)
    return done.exception.hint


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two keys, a signed image and an unsigned one."""
    monkeypatch.chdir(tmp_path)
    for name in ("release", "qa"):
        assert run_here("key", "generate", f"{name}.key").exit_code == 0
    for name in ("signed", "unsigned"):
        build_image(Layout.create(tmp_path / name), {"a": b"b"}, PLATFORMS[0], "1.0")
    assert run_here("sign", "--key", "release.key", "--identity", NAME, "oci:signed:1.0").exit_code == 0
    return tmp_path


def policy(place: Path, requirement: str, *, default: str = '"reject"', warn: bool = False) -> Path:
    path = place / "policy.toml"
    path.write_text(
        f"version = 1\ndefault = {default}\n"
        'authorities.release = { key_file = "release.pub" }\nauthorities.qa = { key_file = "qa.pub" }\n'
        f'[[rules]]\nscope = "oci:{place}"\nwarn = {str(warn).lower()}\nrequire = [{{ {requirement} }}]\n'
    )
    return path


def containers(place: Path, **scopes: Any) -> Path:
    path = place / "policy.json"
    path.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"oci": scopes}}))
    return path


# --- verify -------------------------------------------------------------------------------------------------------


def test_an_image_is_verified_by_the_rule_for_its_place(place: Path) -> None:
    done = run_here("verify", "--policy", policy(place, 'any = ["release", "qa"]'), "oci:signed:1.0")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("oci:signed@sha256:")


def test_an_image_that_no_rule_is_for_is_refused(place: Path) -> None:
    path = policy(place, 'any = ["release"]')
    path.write_text(path.read_text().replace(f"oci:{place}", "oci:/elsewhere"))
    done = run_here("verify", "--policy", path, "oci:signed:1.0")
    assert done.exit_code == 12
    assert "rejects it" in done.stderr


def test_a_threshold_that_is_not_met_ends_with_status_12_and_says_who_is_missing(place: Path) -> None:
    done = run_here("verify", "--policy", policy(place, 'all = ["release", "qa"]'), "oci:signed:1.0")
    assert done.exit_code == 12
    assert "needed: release: signed" in done.stderr
    assert "needed: qa: no signature found" in done.stderr


def test_an_unverified_image_ends_with_status_13_unless_that_is_allowed(place: Path) -> None:
    path = policy(place, 'any = ["qa"]', warn=True)
    assert run_here("verify", "--policy", path, "oci:signed:1.0").exit_code == 13
    allowed = run_here("verify", "--policy", path, "--allow-unverified", "--output", "json", "oci:signed:1.0")
    assert allowed.exit_code == 0
    (image,) = json.loads(allowed.stdout)["images"]
    assert image["verified"] is image["verified"] is False
    assert image["warnings"]


def test_json_says_rule_and_findings(place: Path) -> None:
    done = run_here(
        "verify", "--policy", policy(place, 'any = ["release", "qa"]'), "--output", "json", "oci:signed:1.0"
    )
    (image,) = json.loads(done.stdout)["images"]
    assert image["rule"] == f"oci:{place} ({place}/policy.toml:5)"
    assert {item["authority"]: bool(item["accepted"]) for item in image["findings"]} == {"release": True, "qa": False}


def test_the_worst_of_several_images_decides(place: Path) -> None:
    path = policy(place, 'any = ["qa"]', warn=True)
    done = run_here(
        "verify", "--policy", path, "--output", "sarif", "oci:signed:1.0", "oci:unsigned:1.0", "oci:signed:2"
    )
    assert done.exit_code == 11
    assert {item["ruleId"] for item in json.loads(done.stdout)["runs"][0]["results"]} == {
        "AllowedUnverified",
        "ImageNotFound",
    }


def test_junit_is_written(place: Path) -> None:
    done = run_here("verify", "--key", "release.pub", "--output", "junit", "oci:signed:1.0", "oci:unsigned:1.0")
    assert done.exit_code == 10
    assert ElementTree.fromstring(done.stdout).get("failures") == "1"


@pytest.mark.parametrize(
    "more",
    [("--key", "qa.pub"), ("--threshold", "1"), ("--annotation", "a=b"), ("--identity", "any"), ("--format", "cosign")],
)
def test_a_policy_cannot_be_combined_with_options_that_it_replaces(more: tuple[str, str], place: Path) -> None:
    done = run_here("verify", "--policy", policy(place, 'any = ["release"]'), *more, "oci:signed:1.0")
    assert done.exit_code == 2
    assert "cannot be combined" in done.stderr


def test_verifying_without_a_trusted_key_or_a_default_policy_is_an_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    done = run_here("verify", "oci:signed:1.0")
    assert done.exit_code == 2
    assert "no policy: IMAGESIG_POLICY is not set" in done.stderr
    assert "imagesig policy init --key" in hint(done)

    done = run_here("verify", "--threshold", "2", "oci:signed:1.0")
    assert done.exit_code == 2
    assert "no trusted key or CA given" in done.stderr


def test_the_default_policy_applies_if_no_option_says_whom_to_trust(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    made = run_here("policy", "init", "--key", "release.pub", "--write")
    assert made.exit_code == 0, made.stderr
    file = place / "config" / "imagesig" / "policy.toml"
    assert Policy.load(file) == Policy.load_default()

    done = run_here("verify", "oci:signed:1.0")
    assert (done.exit_code, done.stdout.count("verified")) == (0, 2)
    assert f"policy: {file}" in done.stderr
    again = run_here("policy", "init", "--key", "release.pub", "--write")
    assert again.exit_code == 2
    assert "is not overwritten" in again.stderr

    (place / "other.toml").write_text('version = 1\ndefault = "reject"\n')
    monkeypatch.setenv("IMAGESIG_POLICY", str(place / "other.toml"))
    assert run_here("verify", "oci:signed:1.0").exit_code == 12


def test_init_prints_a_policy_for_the_given_scopes(place: Path) -> None:
    done = run_here("policy", "init", "--key", "release.pub", "--key", "qa.pub", "--scope", f"oci:{place}")
    assert done.exit_code == 0
    (place / "made.toml").write_text(done.stdout)
    assert run_here("verify", "--policy", "made.toml", "oci:signed:1.0").exit_code == 0
    assert "[authorities.release]" in done.stdout
    assert run_here("policy", "init", "--key", "missing.pub").exit_code != 0


@pytest.mark.parametrize("form", ["path", "file-uri", "encrypted", "variable"])
def test_init_with_a_private_key_writes_its_public_key(form: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGESIG_PASSPHRASE", "correct horse" if form == "encrypted" else "")
    key = place / f"own-{form}.key"
    assert run_here("key", "generate", key).exit_code == 0
    assert run_here("sign", "--key", key, "oci:signed:1.0").exit_code == 0
    monkeypatch.setenv("OWN_KEY", key.read_text())
    named = {"file-uri": key.as_uri(), "variable": "env://OWN_KEY"}.get(form, str(key))
    done = run_here("policy", "init", "--key", named)
    assert done.exit_code == 0, done.stderr
    assert "PRIVATE" not in done.stdout
    assert "[authorities." in done.stdout
    (place / "made.toml").write_text(done.stdout)
    for secret in ("IMAGESIG_PASSPHRASE", "OWN_KEY"):
        monkeypatch.delenv(secret)
    key.unlink()
    found = run_here("verify", "--policy", "made.toml", "oci:signed:1.0")
    assert found.exit_code == 0, found.stderr


@pytest.mark.parametrize("more", [(), ("--write",), ("--scope", "ghcr.io/acme")], ids=["alone", "write", "scope"])
def test_init_without_a_key_says_how_to_name_one(more: tuple[str, ...], place: Path) -> None:
    done = run_here("policy", "init", *more)
    assert done.exit_code == 2
    assert "no key is given" in done.stderr
    assert "imagesig policy init --key" in hint(done)


@pytest.mark.parametrize("command", [("verify", "--policy"), ("policy", "check")], ids=" ".join)
def test_a_policy_file_of_another_tool_is_recognized_by_its_shape(place: Path, command: tuple[str, ...]) -> None:
    key = {
        "type": "sigstoreSigned",
        "keyPath": str(place / "release.pub"),
        "signedIdentity": {"type": "matchRepository"},
    }
    (place / "containers.json").write_text(json.dumps({"default": [key]}))
    image = ("oci:signed:1.0",) if command[0] == "verify" else ()
    done = run_here(*command, "containers.json", *image)
    assert "of policy file" not in done.stderr
    (place / "odd.json").write_text("{}")
    done = run_here(*command, "odd.json", *image)
    assert done.exit_code == 2
    assert "--policy-from" in hint(done)


def test_a_key_that_is_missing_fails_only_where_its_rule_applies(place: Path) -> None:
    path = policy(place, 'any = ["release"]', default='{ require = [{ any = ["qa"] }] }')
    (place / "qa.pub").unlink()
    assert run_here("verify", "--policy", path, "oci:signed:1.0").exit_code == 0
    path.write_text(path.read_text().replace(f"oci:{place}", "oci:/elsewhere"))
    assert run_here("verify", "--policy", path, "oci:signed:1.0").exit_code == 1


def test_a_policy_of_podman_is_used_as_it_is(place: Path) -> None:
    identity = {"type": "exactReference", "dockerReference": NAME}
    good = {"type": "sigstoreSigned", "keyPath": str(place / "release.pub"), "signedIdentity": identity}
    gpg = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}
    path = containers(place, **{f"{place}/signed": [good], f"{place}/unsigned": [gpg]})
    assert run_here("verify", "--policy", path, "--policy-from", "containers", "oci:signed:1.0").exit_code == 0
    refused = run_here("verify", "--policy", path, "--policy-from", "containers", "oci:unsigned:1.0")
    assert refused.exit_code == 12
    assert "signedBy GPGKeys (OpenPGP simple signing), which imagesig cannot judge" in refused.stderr


# --- check --------------------------------------------------------------------------------------------------------


def test_check_says_what_a_policy_demands(place: Path) -> None:
    done = run_here("policy", "check", policy(place, 'any = ["release", "qa"]'))
    assert done.exit_code == 0, done.output
    assert "signed by any of release, qa" in done.stdout
    assert "all other images\n    rejected" in done.stdout


def test_check_refuses_a_wrong_policy_with_its_line(place: Path) -> None:
    done = run_here("policy", "check", policy(place, 'anny = ["release"]'))
    assert done.exit_code == 2
    assert "policy.toml:8: rules[0].require[0].anny: unknown field" in done.stderr


def test_check_fails_for_a_key_file_that_is_missing(place: Path) -> None:
    path = policy(place, 'any = ["release"]')
    (place / "release.pub").unlink()
    done = run_here("policy", "check", "--output", "json", path)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["policy"]["problems"][0]["authority"] == "release"


def test_check_opens_keys_behind_uris_only_on_request(place: Path) -> None:
    path = policy(place, 'any = ["release"]')
    path.write_text(path.read_text().replace('key_file = "release.pub"', 'key_uri = "env://NOT_SET_ANYWHERE"'))
    assert run_here("policy", "check", path).exit_code == 0
    assert run_here("policy", "check", "--open-keys", path).exit_code == 1


def test_check_warns_of_scopes_that_pass_without_proof_or_cannot_be_judged(place: Path) -> None:
    gpg = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}
    path = containers(place, **{"/a": [{"type": "insecureAcceptAnything"}], "/b": [gpg]})
    done = run_here("policy", "check", "--policy-from", "containers", path)
    assert done.exit_code == 0
    assert "pass without proof" in done.stderr
    assert "every image of this scope is refused" in done.stderr


def test_check_warns_where_no_tags_are_compared(place: Path) -> None:
    assert "compares no tags" not in run_here("policy", "check", policy(place, 'any = ["release"]')).stderr
    path = policy(place, 'any = ["release"], identity = "matchRepository"')
    assert "compares no tags" in run_here("policy", "check", path).stderr


def test_check_warns_where_a_namespace_may_be_meant_for_an_image_of_docker_hub(place: Path) -> None:
    path = policy(place, 'any = ["release"]')
    path.write_text(path.read_text().replace(f"oci:{place}", "docker.io/alpine"))
    assert "docker's image alpine is docker.io/library/alpine" in run_here("policy", "check", path).stderr
    path.write_text(path.read_text().replace("docker.io/alpine", "docker.io/library"))
    assert "namespace" not in run_here("policy", "check", path).stderr


def test_check_warns_of_a_place_that_no_image_can_be_in(place: Path) -> None:
    (place / "link").symlink_to(place / "signed")
    path = policy(place, 'any = ["release"]')
    assert "symbolic link" not in run_here("policy", "check", path).stderr
    path.write_text(path.read_text().replace(f"oci:{place}", f"oci:{place}/link"))
    assert "symbolic link" in run_here("policy", "check", path).stderr


def test_a_number_that_no_text_shows_is_refused_in_a_condition(place: Path) -> None:
    for test, digits in (
        ("equals = {}", 257),
        ("equals = {}", 5000),
        ("one_of = [1, {}]", 5000),
        ("at_most = {}", 5000),
    ):
        condition = f'{{ pointer = "/a", {test.format("0x" + "f" * digits)} }}'
        fields = f'any = ["release"], predicate_type = "custom", conditions = [{condition}]'
        done = run_here("policy", "check", policy(place, fields))

        assert done.exit_code == 2, done.stderr
        assert "at most 1024 bits are needed" in done.stderr


# --- explain ------------------------------------------------------------------------------------------------------


def test_explain_says_which_rule_why_and_what_each_authority_has(place: Path) -> None:
    done = run_here("policy", "explain", policy(place, 'all = ["release", "qa"]'), "oci:signed:1.0")
    assert done.exit_code == 0, done.output
    assert "not a verification" in done.stdout
    assert f"> scope    oci:{place}: first matching rule" in done.stdout
    assert f"scope    oci:{place}/signed: no rule" in done.stdout
    assert "signed by all of release, qa: not satisfied" in done.stdout
    assert "has      signed: oci:signed:sha256-" in done.stdout
    assert "has      no signature found" in done.stdout


def test_explain_marks_nothing_as_trusted(place: Path) -> None:
    done = run_here("policy", "explain", "--output", "json", policy(place, 'any = ["release"]'), "oci:signed:1.0")
    explained = json.loads(done.stdout)["policy"]
    assert explained["trusted"] is False
    assert "verified" not in json.dumps(explained)
    assert explained["requirements"][0]["met"] is True


def test_explain_goes_on_where_a_key_cannot_be_opened(place: Path) -> None:
    path = policy(place, 'any = ["release", "qa"]')
    (place / "qa.pub").unlink()
    done = run_here("policy", "explain", "--output", "json", path, "oci:signed:1.0")
    (requirement,) = json.loads(done.stdout)["policy"]["requirements"]
    assert done.exit_code == 0
    assert requirement["met"] is None
    assert [bool(item["problem"]) for item in requirement["authorities"]] == [False, True]


def test_explain_goes_on_where_the_registry_cannot_be_asked(place: Path) -> None:
    path = policy(place, 'any = ["release"]', default='{ require = [{ any = ["qa"] }] }')
    done = run_here("policy", "explain", "--timeout", "0.5", path, "localhost:1/app:1.0")
    assert done.exit_code == 0
    assert "no scope of the image has a rule: the default applies" in done.stdout
    assert "signed by qa: could not be judged" in done.stdout
    assert "has      unknown" in done.stdout


def test_explain_makes_no_request_if_the_rule_needs_no_signature(place: Path) -> None:
    for default, text in (
        ('"reject"', "not satisfied"),
        ('"insecureAcceptAnything"', "the image passes without proof"),
    ):
        path = policy(place, 'any = ["release"]', default=default)
        done = run_here("policy", "explain", path, "nowhere.invalid/app:1.0")
        assert done.exit_code == 0
        assert text in done.stdout


# --- import -------------------------------------------------------------------------------------------------------


def test_an_imported_policy_is_one_of_ours_with_the_same_verdicts(place: Path) -> None:
    data = base64.b64encode((place / "qa.pub").read_bytes()).decode()
    identity = {"type": "exactReference", "dockerReference": NAME}
    good = {"type": "sigstoreSigned", "keyPath": str(place / "release.pub"), "signedIdentity": identity}
    path = containers(
        place,
        **{f"{place}/signed": [good], f"{place}/unsigned": [{"type": "sigstoreSigned", "keyData": data}], "": [good]},
    )
    for output in ("toml", "json"):
        done = run_here("policy", "import", "--policy-from", "containers", "--output", output, path)
        assert done.exit_code == 0, done.output
        ours = place / f"ours.{output}"
        ours.write_text(done.stdout)
        assert run_here("policy", "check", ours).exit_code == 0
        assert run_here("verify", "--policy", ours, "oci:signed:1.0").exit_code == 0
        assert run_here("verify", "--policy", ours, "oci:unsigned:1.0").exit_code == 10


def test_import_refuses_what_it_cannot_express_and_names_it(place: Path) -> None:
    gpg = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k.gpg"}
    done = run_here("policy", "import", "--policy-from", "containers", containers(place, **{"/a": [gpg]}))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "oci:/a" in done.stderr
    assert "OpenPGP" in done.stderr


def test_import_leaves_out_a_scope_that_no_image_can_be_in(place: Path) -> None:
    path = place / "policy.json"
    accept = [{"type": "insecureAcceptAnything"}]
    scopes = {"index.docker.io/library": accept, "registry.example/team": accept}
    path.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": scopes}}))
    done = run_here("policy", "import", "--policy-from", "containers", path)
    assert done.exit_code == 0
    assert "left out" in done.stderr
    assert "index.docker.io" in done.stderr
    (place / "imported.toml").write_text(done.stdout)
    assert list(Policy.load(place / "imported.toml").rules) == [Scope("docker", "registry.example/team")]


def test_import_says_which_rules_it_leaves_out(place: Path) -> None:
    path = place / "policy.json"
    accept = [{"type": "insecureAcceptAnything"}]
    path.write_text(json.dumps({"default": accept, "transports": {"docker-daemon": {"": accept}}}))
    done = run_here("policy", "import", "--policy-from", "containers", path)
    assert done.exit_code == 0
    assert "left out, imagesig cannot read such images: docker-daemon:" in done.stderr
    assert 'default = "insecureAcceptAnything"' in done.stdout
    assert "refuse_tag_with_digest = true" in done.stdout
