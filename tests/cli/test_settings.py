"""What the command line takes from the environment."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from imagesig.cli.settings import witnesses_for
from imagesig.policy import Policy, Rule, Scope, Signed
from imagesig.trust import CertificateAuthority, TrustedKey
from imagesig.witnesses import CrlBytes, RevocationChecker
from tests.authorities import Authority, Revoked
from tests.commands import run_here
from tests.makers import NOW, private_key
from tests.witnesses.loopback import Fake

ROOT = Authority()
CERTIFIED = Policy(Rule((Signed((CertificateAuthority("ca", (ROOT.certificate,)),)),)))


def test_a_policy_of_keys_needs_no_witnesses() -> None:
    keys = Rule((Signed((TrustedKey("key", (private_key().public_key,)),)),))

    assert witnesses_for(Policy(keys)) is None
    assert witnesses_for(Policy(keys, {Scope("docker", "a.example"): CERTIFIED.default})) is not None


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg"),
        ({"HOME": "{}"}, ".cache"),
        ({"HOME": "{}", "XDG_CACHE_HOME": "x"}, ".cache"),
    ],
    ids=["XDG", "home", "relative XDG"],
)
def test_lists_are_kept_in_the_users_cache(environ: dict[str, str], folder: str, tmp_path: Path) -> None:
    witnesses = witnesses_for(CERTIFIED, {name: value.format(tmp_path) for name, value in environ.items()})

    assert witnesses is not None
    checker = witnesses.revocation
    assert isinstance(checker, RevocationChecker)
    url = "http://crl.example/1.crl"
    leaf = ROOT.leaf(crl=(url,))
    fake = Fake({url: ROOT.crl(Revoked(leaf))})
    checker._fetcher = fake  # type: ignore[assignment]  # no network in a unit test
    checker.check((leaf.certificate, ROOT.certificate), NOW)
    assert [path.parent.name for path in (tmp_path / folder / "imagesig").glob("crl/*")] == ["crl"]
    assert isinstance(checker._crls.get(url), CrlBytes)


@pytest.mark.parametrize("home", [None, ""], ids=["none", "empty"])
@pytest.mark.parametrize("trust", [("--ca", "ca.pem"), ("--notation",)], ids=["ca", "notation"])
def test_a_user_without_a_home_folder_verifies(
    trust: tuple[str, ...], home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers run as users whom the system's list does not have."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NOTATION_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_text(ROOT.certificate.pem)

    done = run_here("verify", "oci:missing", *trust)

    assert (done.exit_code, "internal error" in done.stderr) == (2, False), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]
