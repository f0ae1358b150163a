"""7a: `all` is a threshold of all names, and one key under two names never makes two signers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import imagesig
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.policy import KeyReference, Policy, Rule, Signed
from imagesig.trust import TrustedKey
from tests.attacks.policy_place import furnish, policy_file
from tests.commands import run_here


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys `a` and `b`, and `copy.pub`, which is `a.pub` under another name. `a` signed the image."""
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a", "b")
    shutil.copy(tmp_path / "a.pub", tmp_path / "copy.pub")
    return tmp_path


def authorities(place: Path, one: str, other: str) -> str:
    return f"authorities.one = {{ {one} }}\nauthorities.other = {{ {other} }}\n"


COUNTED = ['all = ["one", "other"]', 'threshold = 2, of = ["one", "other"]']


def pem(place: Path, name: str = "a") -> str:
    return json.dumps((place / f"{name}.pub").read_text())


@pytest.mark.parametrize("counted", COUNTED)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('key_file = "a.pub"', 'key_file = "a.pub"'),
        ('key_file = "a.pub"', 'key_file = "./a.pub"'),
        ('key_file = "a.pub"', 'key_file = "PLACE/a.pub"'),
        ('key_file = "a.pub"', 'key_file = "link.pub"'),
        ('key_file = "a.pub"', 'key_file = "image/../a.pub"'),
        ('key_file = "a.pub"', 'key_uri = "file://PLACE/a.pub"'),
        ('key_uri = "env://SOME"', 'key_uri = "env://SOME"'),
        ("key_pem = PEM", "key_pem = PEM"),
        ("key_pem = PEM", "key_pem = PEM_B_AND_A"),
        ('key_file = "a.pub"\nfingerprint = "PRINT"', 'key_file = "a.pub"'),
    ],
)
def test_equal_sources_are_refused_when_the_file_is_loaded(place: Path, counted: str, one: str, other: str) -> None:
    (place / "link.pub").symlink_to(place / "a.pub")
    both = json.dumps((place / "b.pub").read_text() + (place / "a.pub").read_text())
    print_of_a = imagesig.open_public_keys("a.pub")[0].fingerprint
    for text, value in (("PLACE", str(place)), ("PEM_B_AND_A", both), ("PEM", pem(place)), ("PRINT", print_of_a)):
        one, other = one.replace(text, value), other.replace(text, value)
    document = f"[authorities.one]\n{one}\n[authorities.other]\n{other}\n"
    path = policy_file(place, counted, document)
    with pytest.raises(InvalidArgument, match=r"policy\.toml:\d+: default\.require\[0\]"):
        Policy.load(path)
    assert run_here("verify", "--policy", path, "oci:image:1.0").exit_code == 2


@pytest.mark.parametrize("counted", COUNTED)
def test_one_key_in_two_files_is_refused_when_the_keys_are_opened(place: Path, counted: str) -> None:
    path = policy_file(place, counted, authorities(place, 'key_file = "a.pub"', 'key_file = "copy.pub"'))
    refused = run_here("verify", "--policy", path, "oci:image:1.0")
    assert refused.exit_code == 2, refused.output
    assert "distinct" in refused.stderr


@pytest.mark.parametrize("counted", COUNTED)
def test_policy_check_opens_all_keys_and_says_which_names_are_one(place: Path, counted: str) -> None:
    path = policy_file(
        place,
        counted,
        authorities(place, 'key_file = "a.pub"', 'key_file = "copy.pub"'),
        scope="registry.example/nobody/asks",
    )
    checked = run_here("policy", "check", path)
    assert checked.exit_code == 2, checked.output
    assert "'one'" in checked.stderr
    assert "'other'" in checked.stderr
    found = run_here("policy", "check", "--output", "json", path)
    assert found.exit_code == 2
    (problem,) = json.loads(found.stdout)["policy"]["problems"]
    assert "distinct" in problem["message"]


def test_two_names_of_three_that_are_one_key_are_refused_under_a_threshold(place: Path) -> None:
    three = (
        authorities(place, 'key_file = "a.pub"', 'key_file = "copy.pub"') + 'authorities.b = { key_file = "b.pub" }\n'
    )
    path = policy_file(place, 'threshold = 2, of = ["one", "other", "b"]', three)
    assert run_here("policy", "check", path).exit_code == 2
    assert run_here("verify", "--policy", path, "oci:image:1.0").exit_code == 2


def test_one_key_under_two_names_is_harmless_under_any_and_check_warns(place: Path) -> None:
    path = policy_file(
        place, 'any = ["one", "other"]', authorities(place, 'key_file = "a.pub"', 'key_file = "copy.pub"')
    )
    assert run_here("verify", "--policy", path, "oci:image:1.0").exit_code == 0
    checked = run_here("policy", "check", path)
    assert checked.exit_code == 0
    assert "warning" in checked.stderr
    assert "have a key in common" in checked.stderr


def test_keys_of_the_command_line_are_distinct_too(place: Path) -> None:
    for keys in (("a.pub", "copy.pub"), ("a.pub", "a.pub"), ("a.pub", "./a.pub")):
        done = run_here(
            "verify", *(part for key in keys for part in ("--key", key)), "--threshold", "2", "oci:image:1.0"
        )
        assert done.exit_code == 2, done.output
        assert "distinct" in done.stderr


def test_check_warns_where_one_signature_may_meet_two_requirements(place: Path) -> None:
    path = policy_file(place, "PLACE", authorities(place, 'key_file = "a.pub"', 'key_file = "copy.pub"'))
    path.write_text(path.read_text().replace("{ PLACE }", '{ any = ["one"] }, { any = ["other"] }'))
    checked = run_here("policy", "check", path)
    assert checked.exit_code == 0, checked.output
    assert "one signature can satisfy several requirements" in checked.stderr


def test_check_opens_keys_behind_uris_where_they_must_be_distinct_and_says_where_it_cannot(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = policy_file(
        place, 'all = ["one", "other"]', authorities(place, 'key_file = "a.pub"', 'key_uri = "env://SOME_KEY"')
    )
    closed = run_here("policy", "check", path)
    assert closed.exit_code == 0
    assert "not known whether the keys are distinct" in closed.stderr
    assert run_here("policy", "check", "--open-keys", path).exit_code == 1
    monkeypatch.setenv("SOME_KEY", (place / "a.pub").read_text())
    assert run_here("policy", "check", path).exit_code == 2
    path.write_text(path.read_text().replace("all =", "any ="))
    assert run_here("policy", "check", path).exit_code == 0
    path.write_text(path.read_text().replace("any =", "all ="))
    explained = run_here("policy", "explain", path, "oci:image:1.0")
    assert "could not be judged" in explained.stdout
    assert "distinct" in explained.stdout


def test_all_of_one_key_given_twice_is_not_met_by_one_signature(place: Path) -> None:
    key = imagesig.open_public_keys("a.pub")[0]
    for given in ((key, key), ("a.pub", "a.pub"), (key, "a.pub"), (key.pem, key), ("a.pub", "copy.pub")):
        with pytest.raises(ImagesigError, match="distinct"):
            imagesig.verify("oci:image:1.0", Policy.all_of(*given))


def test_one_key_in_another_encoding_is_one_key(place: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = rsa.generate_private_key(65537, 2048).public_key()
    spki, pkcs1 = (
        json.dumps(key.public_bytes(Encoding.PEM, form).decode())
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1)
    )
    document = f"authorities.one = {{ key_pem = {spki} }}\nauthorities.other = {{ key_pem = {pkcs1} }}\n"
    for counted in COUNTED:
        assert run_here("policy", "check", policy_file(place, counted, document)).exit_code == 2


def test_rotation_lists_that_overlap_are_not_two_names(place: Path) -> None:
    (a,), (b,) = imagesig.open_public_keys("a.pub"), imagesig.open_public_keys("b.pub")
    lists = TrustedKey("one", (a, b)), TrustedKey("other", (b,))
    for threshold in (None, 2):
        with pytest.raises(InvalidArgument, match="distinct"):
            imagesig.verify("oci:image:1.0", Policy(Rule((Signed(lists, threshold),))))


def test_two_pinned_keys_of_one_place_are_two_names(place: Path) -> None:
    prints = [imagesig.open_public_keys(f"{name}.pub")[0].fingerprint for name in ("a", "b")]
    both = tuple(KeyReference("vault", name, fingerprint=item) for name, item in zip("ab", prints, strict=True))
    assert Signed(both, None).needed == 2
