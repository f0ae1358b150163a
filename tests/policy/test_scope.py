"""Scopes as policies write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import Scope, parse_scope
from imagesig.policy.scope import scopes_of

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    "text",
    [
        "registry.example",
        "registry.example:5000",
        "localhost",
        "localhost/a",
        "registry.example/team/app",
        "registry.example/team/app:1.0",
        f"registry.example/app@{DIGEST}",
        "docker.io/library",
        "docker.io/library/alpine:3",
        "*.example.com",
        "*.com",
        "[::1]:5000/app",
        "oci:5000/app",
    ],
)
def test_a_name_in_a_registry_is_a_scope(text: str) -> None:
    assert parse_scope(text) == Scope("docker", text)
    assert str(parse_scope(text)) == text


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("docker:", Scope("docker")),
        ("oci:", Scope("oci")),
        ("oci:/srv/images", Scope("oci", "/srv/images")),
        ("dir:/srv/x", Scope("dir", "/srv/x")),
        ("oci-archive:/srv/x.tar", Scope("oci-archive", "/srv/x.tar")),
        ("docker-archive:", Scope("docker-archive")),
    ],
)
def test_a_transport_with_or_without_a_path_is_a_scope(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope
    assert str(scope) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "*",
        "*.",
        "*.example.com/app",
        "*.example.com:5000",
        "*.*.com",
        "alpine",
        "library/alpine",
        "docker.io/alpine:3",
        "index.docker.io/library",
        "registry.example/",
        "registry.example/Team",
        "registry.example//team",
        "registry.example/app:",
        f"registry.example/app:1@{DIGEST}",
        "registry.example/app@sha256:ab",
        "https://registry.example",
        "oci:images",
        "oci:/",
        "oci:/srv/",
        "oci:/srv//x",
        "oci:/srv/../x",
        "docker:registry.example",
        "a b",
    ],
)
def test_what_no_image_could_be_in_is_no_scope(text: str) -> None:
    with pytest.raises(InvalidArgument, match="scope"):
        parse_scope(text)


_parts = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)


@given(st.sampled_from(["registry.example", "localhost:5000", "docker.io"]), st.lists(_parts, min_size=1), _parts)
def test_every_scope_of_an_image_can_be_written_in_a_policy(host: str, parts: list[str], tag: str) -> None:
    location = Location(reference=parse_reference(f"{host}/{'/'.join(parts)}:{tag}"))
    for scope in scopes_of(location):
        assert parse_scope(str(scope)) == scope
