"""The policy that applies if the user names none, and the one that `policy init` makes."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagesig import InvalidArgument, Policy
from imagesig.policy.files.default import default_policy_path, new_default_policy
from imagesig.policy.files.kinds import kind_of

REJECT = 'version = 1\ndefault = "reject"\n'


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr("imagesig.policy.files.default.SYSTEM", tmp_path / "etc" / "policy.toml")
    monkeypatch.delenv("IMAGESIG_POLICY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(REJECT)
    return path


def test_the_variable_comes_before_the_users_file_and_that_before_the_systems(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(InvalidArgument, match="no policy") as none:
        default_policy_path(environ)
    assert "imagesig policy init" in none.value.hint

    system = written(tmp_path / "etc" / "policy.toml")
    assert default_policy_path(environ) == system
    own = written(tmp_path / "config" / "imagesig" / "policy.toml")
    assert default_policy_path(environ) == own
    named = written(tmp_path / "named.toml")
    assert default_policy_path({**environ, "IMAGESIG_POLICY": str(named)}) == named


def test_a_named_file_that_does_not_exist_is_an_error_and_no_other_file_applies(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    written(tmp_path / "config" / "imagesig" / "policy.toml")
    with pytest.raises(InvalidArgument, match="IMAGESIG_POLICY: there is no file"):
        default_policy_path({**environ, "IMAGESIG_POLICY": str(tmp_path / "gone.toml")})


def test_a_users_file_that_cannot_be_read_is_an_error_and_the_systems_does_not_apply(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    written(tmp_path / "etc" / "policy.toml")
    own = tmp_path / "config" / "imagesig" / "policy.toml"
    own.parent.mkdir(parents=True)
    own.symlink_to(tmp_path / "gone")
    with pytest.raises(InvalidArgument, match=str(own)):
        Policy.load_default()


def test_a_users_folder_that_cannot_be_looked_at_is_an_error_and_the_systems_policy_does_not_apply(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    written(tmp_path / "etc" / "policy.toml")
    (tmp_path / "config").symlink_to(tmp_path / "config")  # a loop: as with a missing permission, nobody can look
    with pytest.raises(InvalidArgument, match="config"):
        Policy.load_default()


def test_a_relative_configuration_folder_is_ignored(environ: dict[str, str]) -> None:
    home = Path(environ["XDG_CONFIG_HOME"]).parent / "home"
    own = written(home / ".config" / "imagesig" / "policy.toml")
    assert default_policy_path({"XDG_CONFIG_HOME": "config", "HOME": str(home)}) == own


@pytest.mark.parametrize("named", [{}, {"HOME": ""}], ids=["none", "empty"])
def test_without_a_variable_the_users_own_policy_applies_before_the_systems(
    named: dict[str, str], environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "etc" / "policy.toml")
    own = written(tmp_path / "home" / ".config" / "imagesig" / "policy.toml")
    user = SimpleNamespace(pw_dir=str(tmp_path / "home"))
    monkeypatch.setattr(pwd, "getpwuid", {os.getuid(): user}.__getitem__)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert default_policy_path(named) == own


def test_the_default_policy_is_loaded(environ: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path / "config" / "imagesig" / "policy.toml")
    assert Policy.load_default() == Policy.load(tmp_path / "config" / "imagesig" / "policy.toml")


def test_a_new_policy_never_replaces_a_file(environ: dict[str, str]) -> None:
    path = new_default_policy(REJECT, environ)
    assert path.read_text() == REJECT
    with pytest.raises(InvalidArgument, match="exists and is not overwritten"):
        new_default_policy("version = 1\n", environ)
    assert path.read_text() == REJECT
    assert default_policy_path(environ) == path


def test_a_folder_that_cannot_be_made_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(InvalidArgument, match="cannot be written"):
        new_default_policy(REJECT, environ)


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"version": 1}, "imagesig"),
        ({"version": 1, "default": "reject"}, "imagesig"),
        ({"default": [{"type": "reject"}]}, "containers"),
        ({"default": [], "transports": {}}, "containers"),
        ({"version": "1.0", "trustPolicies": []}, "notation"),
    ],
    ids=str,
)
def test_a_policy_file_is_recognized_by_its_shape(document: object, kind: str) -> None:
    assert kind_of(document, "p.json") == kind


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        "x",
        {"version": "1"},
        {"version": True},
        {"default": "reject"},
        {"transports": {}},
        {"version": 1, "default": []},
        {"version": 1, "trustPolicies": []},
        {"default": [], "trustPolicies": []},
    ],
    ids=str,
)
def test_a_file_with_the_shape_of_none_or_of_several_is_refused(document: object) -> None:
    with pytest.raises(InvalidArgument, match=r"kinds? of policy file") as caught:
        kind_of(document, "p.json")
    assert "--policy-from" in caught.value.hint
