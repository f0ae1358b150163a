"""What a signature may call the image; containers/image's own table runs in tests/vectors."""

from __future__ import annotations

import pytest

from imagesig.errors import IdentityMismatch, InvalidArgument
from imagesig.oci.reference import parse_reference
from imagesig.policy import Identity
from tests.makers import DIGEST

IMAGE = parse_reference("registry.example/app:1.0")
OF_CONTAINERS = [
    Identity.match_exact(),
    Identity.match_repo_digest_or_exact(),
    Identity.match_repository(),
    Identity.exact_reference("registry.example/app:1.0"),
    Identity.exact_repository("registry.example/app"),
    Identity.remap_identity("mirror.example", "registry.example"),
]


@pytest.mark.parametrize("identity", OF_CONTAINERS, ids=str)
def test_a_format_that_names_no_repository_does_not_fit(identity: Identity) -> None:
    with pytest.raises(IdentityMismatch, match="names no repository"):
        identity.match(None, IMAGE, DIGEST)


@pytest.mark.parametrize("identity", OF_CONTAINERS[:3] + OF_CONTAINERS[5:], ids=str)
def test_an_image_without_a_name_fits_only_a_name_that_the_policy_gives(identity: Identity) -> None:
    with pytest.raises(IdentityMismatch, match="the image has no name"):
        identity.match("registry.example/app:1.0", None, DIGEST)
    assert Identity.exact_reference("registry.example/app:1.0").match("registry.example/app:1.0", None, DIGEST)


def test_cosigns_name_without_a_tag_fits_our_default_but_not_containers_images() -> None:
    assert Identity.of_image().match("registry.example/app", IMAGE, DIGEST)
    with pytest.raises(IdentityMismatch) as caught:
        Identity.match_repo_digest_or_exact().match("registry.example/app", IMAGE, DIGEST)
    assert "matchRepository" in caught.value.hint


def test_another_tag_fits_only_where_tags_are_not_compared() -> None:
    assert Identity.match_repository().match("registry.example/app:2.0", IMAGE, DIGEST)
    with pytest.raises(IdentityMismatch):
        Identity.match_repo_digest_or_exact().match("registry.example/app:2.0", IMAGE, DIGEST)


def test_a_remapped_name_must_be_a_full_image_name() -> None:
    with pytest.raises(IdentityMismatch, match="a full image name is needed"):
        Identity.remap_identity("registry.example", "short").match("short/app:1.0", IMAGE, DIGEST)


@pytest.mark.parametrize("text", ["registry.example/app", "registry.example/UPPER:1", ""])
def test_an_exact_reference_needs_a_tag_or_digest(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Identity.exact_reference(text)


@pytest.mark.parametrize(
    ("prefix", "signed"), [("", "a.example"), ("a.example", "b.example/x:1"), ("a_b", "c.example")]
)
def test_a_prefix_is_a_host_or_the_start_of_a_path(prefix: str, signed: str) -> None:
    with pytest.raises(InvalidArgument):
        Identity.remap_identity(prefix, signed)
