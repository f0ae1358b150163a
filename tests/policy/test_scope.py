"""Scopes as policies write them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument
from imagesig.oci.location import Location
from imagesig.oci.reference import parse_reference
from imagesig.policy import Policy, Reject, Rule, Scope, parse_scope
from imagesig.policy.scope import LOCAL_TRANSPORTS, check_scope, scopes_of

DIGEST = "sha256:" + "ab" * 32
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "policy.schema.json").read_text())
SCHEMA_PATTERN = SCHEMA["$defs"]["scope"]["pattern"]


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
        ("oci:/images/team", Scope("oci", "/images/team")),
        ("dir:/images/x", Scope("dir", "/images/x")),
        ("dir:/images/x:1.0", Scope("dir", "/images/x:1.0")),
        ("oci-archive:/images/x.tar", Scope("oci-archive", "/images/x.tar")),
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
        "oci:/images/",
        "oci:/images//x",
        "oci:/images/../x",
        "docker:registry.example",
        *LOCAL_TRANSPORTS,
        "docker",
        "a b",
    ],
)
def test_a_scope_that_no_image_can_be_in_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="scope"):
        parse_scope(text)


# Texts that are nearly scopes: parts of right ones and of wrong ones, in any order.
_PIECES = [
    *(
        "registry.example",
        "docker.io",
        "index.docker.io",
        "localhost",
        "alpine",
        "library",
        "*",
        "*.",
        "Team",
        "a_b",
        "a--b",
    ),
    *("127.0.0.1", "[::1]", "[::", "[1:2]", "any.localhost", "xn--a.example", "a" * 63, "a" * 64, "a" * 127, "ab" * 32),
    *(
        "/",
        "/",
        "/",
        ":",
        ":",
        "@",
        ".",
        "-",
        "//",
        "..",
        " ",
        "\n",
        "\0",
        "%20",
        "?",
        "#",
        "é",
        "https://",
        "docker://",
    ),
    *(
        "5000",
        "0",
        "65535",
        "65536",
        "00443",
        "1.0",
        "latest",
        "t" * 128,
        "t" * 129,
        DIGEST,
        DIGEST.upper(),
        DIGEST[:-1],
    ),
    *(
        "oci:",
        "dir:",
        "oci-archive:",
        "docker-archive:",
        "docker:",
        "oci:/",
        "/images",
        "/images/a:1",
        "docker-daemon:",
        "sif:/",
    ),
]
_texts = st.one_of(
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join),
    st.builds(
        lambda host, parts, end: "/".join([host, *parts]) + end,
        st.sampled_from(
            ["registry.example", "registry.example:5000", "docker.io", "localhost", "*.example", "[::1]:1"]
        ),
        st.lists(st.sampled_from(["team", "app", "library", "Team", "a.b", "a" * 120]), max_size=3),
        st.sampled_from(["", "/", ":1", ":", f"@{DIGEST}", f":1@{DIGEST}", ":" + "t" * 129, "@sha256:ab", "/*"]),
    ),
)


def _image_in(text: str) -> Location:
    """An image that somebody can ask for and that is in the scope, built from the scope's text."""
    transport, _, path = text.partition(":")
    if transport in LOCAL_TRANSPORTS and (not path or path.startswith("/")):
        return Location(transport, path=path or "/images/image")
    if text == "docker:":
        return Location(reference=parse_reference("registry.example/app"))
    for candidate in (
        text,
        f"{text}/app",
        f"{text}/x",
        f"a{text.removeprefix('*')}/app",
        f"a{text.removeprefix('*')}/x",
    ):
        try:
            location = Location(reference=parse_reference(candidate))
        except InvalidArgument:
            continue
        if Scope("docker", text) in scopes_of(location):
            return location
    raise AssertionError(f"no image is in {text!r}")


@given(_texts)
@settings(max_examples=1000, deadline=None)
def test_an_image_is_in_every_scope_that_is_accepted_and_its_rule_applies(text: str) -> None:
    try:
        scope = parse_scope(text)
    except InvalidArgument:
        return
    rule = Rule((Reject(),), "the scope's")
    assert Policy(rules={scope: rule}).select(_image_in(text)) is rule
    assert re.search(SCHEMA_PATTERN, text), "the schema refuses what the parser accepts"


_hosts = st.sampled_from(
    [
        "registry.example",
        "localhost:5000",
        "docker.io",
        "index.docker.io",
        "127.0.0.1",
        "[::1]:443",
        "REGISTRY.example:1",
    ]
)


@given(
    _hosts,
    st.lists(st.from_regex(r"[a-z0-9]{1,9}((_|__|\.|-{1,3})[a-z0-9]{1,60})?", fullmatch=True), min_size=1, max_size=4),
    st.sampled_from(["", ":1", ":" + "t" * 128, f"@{DIGEST}", f":1@{DIGEST}"]),
)
@settings(max_examples=500, deadline=None)
def test_every_scope_that_is_looked_up_can_be_written(host: str, parts: list[str], end: str) -> None:
    reference = parse_reference(f"{host}/{'/'.join(parts)[: 253 - len(host)].rstrip('._-')}{end}")
    for scope in scopes_of(Location(reference=reference)):
        assert parse_scope(str(scope)) == scope
        check_scope(scope)


@pytest.mark.parametrize("length", [240, 253, 254, 255])
def test_the_longest_repository_can_be_a_scope(length: int) -> None:
    name = "registry.example/" + "a" * length
    assert parse_scope(name) == Scope("docker", name)
    with pytest.raises(InvalidArgument):
        parse_scope("registry.example/" + "a" * 256)


@given(
    st.sampled_from(LOCAL_TRANSPORTS), st.lists(st.from_regex(r"[a-zA-Z0-9 ._+-]{1,20}", fullmatch=True), min_size=1)
)
def test_every_path_without_a_tag_can_be_written(transport: str, parts: list[str]) -> None:
    path = "/" + "/".join(f"x{part}" for part in parts)
    for scope in scopes_of(Location(transport, path=path)):
        assert parse_scope(str(scope)) == scope


@pytest.mark.parametrize(
    "scope",
    [
        Scope("dokcer", "registry.example"),
        Scope("sif", "/images/x"),
        Scope("docker", "registry.example/"),
        Scope("docker", "oci:/images"),
        Scope("oci", "srv"),
        Scope("docker", 1),  # type: ignore[arg-type]
        Scope(1, "registry.example/app", True),  # type: ignore[arg-type]
        Scope("docker", 1, True),  # type: ignore[arg-type]
        Scope("docker", "registry.example/app", 1),  # type: ignore[arg-type]
        Scope("docker", "registry.example/app", None),  # type: ignore[arg-type]
        "registry.example",
    ],
)
def test_a_scope_by_hand_that_no_image_can_be_in_is_refused(scope: Scope) -> None:
    with pytest.raises(InvalidArgument):
        check_scope(scope)


_parts = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)


@given(st.sampled_from(["registry.example", "localhost:5000", "docker.io"]), st.lists(_parts, min_size=1), _parts)
def test_every_scope_of_an_image_can_be_written_in_a_policy(host: str, parts: list[str], tag: str) -> None:
    location = Location(reference=parse_reference(f"{host}/{'/'.join(parts)}:{tag}"))
    for scope in scopes_of(location):
        assert parse_scope(str(scope)) == scope


@pytest.mark.parametrize("path", ["/images/a\0b", "/" + "a" * 256, "/a" * 2048])
def test_a_path_that_no_system_opens_is_refused_as_that(path: str) -> None:
    with pytest.raises(InvalidArgument, match="NUL byte, or is too long"):
        parse_scope(f"oci:{path}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"registry.example/app:1@{DIGEST}", "a tag and a digest, only one of them can be a scope"),
        ("app", "not a full name; for the image write docker.io/library/app"),
        ("*.example:5000", r"after \*\. a domain is needed, without port and path"),
        ("registry.example/app@sha512:ab", "only sha256 digests are supported|not a digest"),
        ("Registry.example/APP", "no registry, namespace or repository has this name"),
    ],
)
def test_a_text_that_is_no_scope_is_refused_with_what_it_lacks(text: str, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        parse_scope(text)
