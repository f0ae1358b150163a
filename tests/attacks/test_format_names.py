"""7d: one table says which formats there are, what signs by default, and which signatures a name counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import imagesig
from imagesig import sign, verify
from imagesig.errors import ImagesigError, NoSignatureAccepted, NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.policy import Policy, Rule, Signed
from tests.attacks.policy_place import furnish, policy_file
from tests.commands import run_here

KEYS = 'authorities.a = { key_file = "a.pub" }\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a")
    return tmp_path


@pytest.mark.parametrize("name", ["cosign", "cosign-x509", "bundle", "bundle-x509"])
def test_every_name_that_verify_offers_counts_what_it_names(place: Path, name: str) -> None:
    assert f"{name}" in run_here("verify", "--help").stdout
    done = run_here("verify", "--key", "a.pub", "--format", name, "oci:image:1.0")
    assert done.exit_code == 0, done.output
    assert imagesig.verify("oci:image:1.0", Policy.any_of("a.pub", formats=[name])).verified


@pytest.mark.parametrize("name", ["cosign-x509", "bundle-x509"])
def test_a_policy_file_names_what_it_counts_and_not_how_that_is_written(place: Path, name: str) -> None:
    path = policy_file(place, f'any = ["a"], formats = ["{name}"]', KEYS)
    done = run_here("verify", "--policy", path, "oci:image:1.0")
    assert done.exit_code == 2
    assert "policy.toml:4: default.require[0].formats[0]" in done.stderr
    path.write_text(path.read_text().replace("-x509", ""))
    assert run_here("verify", "--policy", path, "oci:image:1.0").exit_code == 0


@pytest.mark.parametrize("name", ["nonsense", "Cosign", "notation-jwt", "", "x509"])
def test_a_name_that_is_in_no_table_is_refused_everywhere(place: Path, name: str) -> None:
    assert run_here("verify", "--key", "a.pub", "--format", name, "oci:image:1.0").exit_code == 2
    assert run_here("sign", "--key", "a.key", "--format", name, "oci:image:1.0").exit_code == 2
    path = policy_file(place, f'any = ["a"], formats = ["{name}"]', KEYS)
    assert run_here("policy", "check", path).exit_code == 2
    with pytest.raises(ImagesigError, match="format"):
        Policy.from_containers_policy(_containers(place), formats=[name])


def _containers(place: Path) -> Path:
    path = place / "policy.json"
    path.write_text(json.dumps({"default": [{"type": "reject"}]}))
    return path


def test_only_sign_says_what_signs_by_default() -> None:
    signs, verifies = run_here("sign", "--help").stdout, run_here("verify", "--help").stdout
    assert "Default: cosign and bundle" in " ".join(signs.split())
    assert "To sign" not in verifies
    assert "Default: cosign and bundle" not in " ".join(verifies.split())


# --- requirements beside each other ---------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path: Path) -> Image:
    from tests.api.test_notation_images import NOW, key

    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    image = layout(tmp_path / "image", "1.0")
    sign(image, key(), formats=["notation-cose"], now=NOW)
    return image


def _requires(*formats: tuple[str, ...]) -> Policy:
    from tests.api.test_notation_images import authority

    return Policy(Rule(tuple(Signed((authority(),), formats=item) for item in formats)))


@pytest.mark.parametrize(
    "formats",
    [
        (("notation",), ("notation-cose",)),
        (("notation-cose",), ("notation",)),
        (("notation-cose",), ("notation-jws", "notation-cose")),
        (("notation-jws", "notation"), ("notation-cose",)),
        (("notation-cose", "cosign-x509"), ()),
    ],
)
def test_requirements_for_names_of_one_family_do_not_starve_each_other(
    both: Image, formats: tuple[tuple[str, ...], ...]
) -> None:
    from tests.api.test_notation_images import NOW

    assert verify(both, _requires(*formats), now=NOW).verified


@pytest.mark.parametrize("formats", [(("notation-jws",),), (("notation",), ("notation-jws",)), ((), ("notation-jws",))])
def test_a_signature_in_cose_satisfies_no_requirement_of_jws(both: Image, formats: tuple[tuple[str, ...], ...]) -> None:
    from tests.api.test_notation_images import NOW, key

    with pytest.raises((NoSignatureAccepted, NoSignatures)):
        verify(both, _requires(*formats), now=NOW)
    sign(both, key(), formats=["notation-jws"], now=NOW)
    assert verify(both, _requires(*formats), now=NOW).verified
