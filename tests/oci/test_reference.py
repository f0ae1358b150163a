"""References: normalised as Docker does, and nothing in them that is no name, tag or digest."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.oci.reference import is_name_prefix, parse_reference
from tests.makers import DIGEST, private_key


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("alpine", "docker.io/library/alpine"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("team/app", "docker.io/team/app"),
        ("docker.io/alpine", "docker.io/library/alpine"),
        ("index.docker.io/alpine", "docker.io/library/alpine"),
        ("localhost/app", "localhost/app"),
        ("HOST:5000/app", "HOST:5000/app"),
        ("HOST.example/app", "HOST.example/app"),
        ("host:5000/app:1", "host:5000/app:1"),
        ("[::1]:5000/app", "[::1]:5000/app"),
        ("a.example/b/c:t@" + DIGEST, "a.example/b/c:t@" + DIGEST),
    ],
)
def test_a_name_is_completed_as_docker_does(text: str, whole: str) -> None:
    assert str(parse_reference(text)) == whole


@pytest.mark.parametrize(
    "tag",
    ["", ".", "..", "..?x=1#y", "a?b", "a#b", "a%2e", "a b", ".a", "-a", "a" * 129, "a@b", "é", "a\n", "a+b"],
)
def test_a_tag_of_other_characters_is_refused(tag: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_reference(f"a.example/b:{tag}")


@pytest.mark.parametrize("tag", ["_", "a" * 128, "v1.0-rc_1", "A", "0"])
def test_a_tag_of_tags_characters_is_read(tag: str) -> None:
    assert parse_reference(f"a.example/b:{tag}").tag == tag


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.example/", "a.example//b", "a.example/B", "-a.example/b", "a.example/b/", "a b", "ab" * 32, "a/.."),
        *("HOST/app", "Host/app", "hosT/app:1", "LOCALHOST/app", "Localhost/a/b", f"HOST/app@{DIGEST}"),
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_reference(text)


def test_a_name_has_as_many_characters_as_docker_reads() -> None:
    for host in ("a.example/", f"{'a' * 60}.example:5000/", "docker.io/library/"):
        longest = host + "b" * (255 - len("library/" if "library" in host else ""))
        assert len(parse_reference(longest).path) == 255
        with pytest.raises(InvalidArgument, match="255 characters after the host"):
            parse_reference(longest + "b")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a.example", True), ("a.example/b", True), ("a.example/b/", False), ("a.example/B", False), ("/b", False)],
)
def test_a_prefix_is_a_host_or_a_host_with_whole_components(text: str, is_one: bool) -> None:
    assert is_name_prefix(text) is is_one


def test_a_private_key_in_the_place_of_a_name_is_not_shown() -> None:
    pem = private_key().to_pem(None).decode()
    for text in (pem, pem.replace("\n", "")):
        with pytest.raises(InvalidArgument, match="this is a key, not the name of one") as refused:
            parse_reference(text)
        assert pem.splitlines()[1][:20] not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("docker://registry.example/app:1", "without a scheme"),
        ("https://registry.example/app:1", "without a scheme"),
        ("docker-daemon:app:1", "docker save"),
        ("containers-storage:localhost/app:1", "skopeo copy containers-storage:"),
    ],
)
def test_a_name_of_skopeo_says_what_to_write(name: str, hint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_reference(name)
    assert hint in refused.value.hint
