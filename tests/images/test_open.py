"""Forms of local images: each can be opened, copied to unless it is read only, and named in a policy."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from imagesig.errors import InvalidArgument
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.local_home import LocalHome
from imagesig.images.open import FORMS, open_image
from imagesig.images.registry.connect import registry
from imagesig.policy.scope import LOCAL_TRANSPORTS
from tests.makers import DIGEST


def test_every_form_of_local_image_can_be_named_in_a_policy() -> None:
    assert set(FORMS) == set(LOCAL_TRANSPORTS)


def test_the_names_in_the_table_of_forms_exist() -> None:
    for form in FORMS.values():
        module = import_module(form.module)
        assert callable(getattr(module, form.opener))
        assert not form.home or issubclass(getattr(module, form.home), LocalHome)


def test_one_place_has_one_identity_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_image(Layout.create(tmp_path / "a"), {"f": b"1"}, PLATFORMS[0], "v1")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    named = [open_image(f"oci:{path}:v1").home.identity for path in ("a", tmp_path / "a", "link")]
    assert len(set(named)) == 1


def test_a_registry_over_http_is_another_place_than_over_https() -> None:
    reference = "registry.example/team/app:1"
    assert registry(reference).home.identity != registry(reference, plain_http=True).home.identity
    assert registry(reference).home.identity == registry("registry.example/team/app:2").home.identity


@pytest.mark.parametrize("end", [":1", ":latest", f"@{DIGEST}", f":1@{DIGEST}"])
def test_a_signature_repository_has_no_tag_and_no_digest(end: str) -> None:
    kind = "digest" if "@" in end else "tag"
    with pytest.raises(InvalidArgument, match=f"has a {kind}") as refused:
        open_image("registry.example/app:1", signature_repository=f"registry.example/signatures{end}")
    assert refused.value.hint == "write registry.example/signatures"
