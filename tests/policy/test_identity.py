"""What a signature may call the image; containers/image's own table runs in tests/vectors."""

from __future__ import annotations

from typing import Any

import pytest

from imagesig.errors import IdentityMismatch, InvalidArgument
from imagesig.oci.reference import parse_reference
from imagesig.policy import Identity
from imagesig.policy.identity import KINDS
from tests.makers import DIGEST, OTHER_DIGEST

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


EXACTLY = "registry.example/app"


@pytest.mark.parametrize(
    ("wanted", "signed", "fits"),
    [
        (EXACTLY, EXACTLY, True),
        (EXACTLY, f"{EXACTLY}:2.0", True),
        (EXACTLY, f"{EXACTLY}@{DIGEST}", True),
        (EXACTLY, f"{EXACTLY}@{OTHER_DIGEST}", False),
        (EXACTLY, f"{EXACTLY}:1.0@{OTHER_DIGEST}", False),
        (EXACTLY, "registry.example/other", False),
        (f"{EXACTLY}:1.0", f"{EXACTLY}:1.0", True),
        (f"{EXACTLY}:1.0", f"{EXACTLY}:2.0", False),
        (f"{EXACTLY}:1.0", EXACTLY, False),
        (f"{EXACTLY}:1.0", "registry.example/other:1.0", False),
    ],
)
def test_an_exact_name_is_that_repository_with_that_tag_and_never_another_digest(
    wanted: str, signed: str, fits: bool
) -> None:
    for image in (IMAGE, None):
        if fits:
            assert Identity.exactly(wanted).match(signed, image, DIGEST)
        else:
            with pytest.raises(IdentityMismatch):
                Identity.exactly(wanted).match(signed, image, DIGEST)


@pytest.mark.parametrize(
    ("prefix", "image", "signed"),
    [
        ("mirror.example", "mirror.example/app:1.0", "a.example/app:1.0"),
        ("mirror.example/team", "mirror.example/team/app:1.0", "a.example/app:1.0"),
        ("mirror.example/team", "mirror.example/team:1.0", "a.example:1.0"),
        ("mirror.example/a", "mirror.example/a/mirror.example/a/x:1", "a.example/mirror.example/a/x:1"),
        ("mirror.example", "b.example/mirror.example/app:1.0", "b.example/mirror.example/app:1.0"),
        ("mirror.example/te", "mirror.example/team/app:1.0", "mirror.example/team/app:1.0"),
        ("mirror.example", "mirror.example:5000/app:1.0", "mirror.example:5000/app:1.0"),
    ],
)
def test_a_prefix_of_whole_components_is_replaced_once_and_at_the_start(prefix: str, image: str, signed: str) -> None:
    identity = Identity.remap_identity(prefix, "a.example")
    if signed == "a.example:1.0":  # which is no full name
        with pytest.raises(IdentityMismatch, match="a full image name is needed"):
            identity.match("a.example/x:1.0", parse_reference(image), DIGEST)
        return
    assert identity.match(signed, parse_reference(image), DIGEST)
    with pytest.raises(IdentityMismatch):
        identity.match("c.example/app:1.0", parse_reference(image), DIGEST)


@pytest.mark.parametrize("fields", [{"reference": IMAGE}, {"prefix": "a.example"}, {"signed_prefix": "a.example"}])
def test_an_identity_has_no_field_of_another_kind(fields: dict[str, Any]) -> None:
    for kind in KINDS.values():
        if set(kind.__struct_fields__) != set(fields):
            with pytest.raises(TypeError):
                kind(**fields)
