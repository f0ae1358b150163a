"""Platforms: the text that people write, containerd's normal form, and which entry of an index is meant."""

from __future__ import annotations

import pytest

from imagesig.errors import InvalidArgument
from imagesig.oci.descriptor import parse_descriptor
from imagesig.oci.platform import Platform, best, fits, is_as_listed, normalised, parse_platform, platform_of_config

WINDOWS = "10.0.17763.6893"


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
        (f"windows({WINDOWS})/amd64", Platform("windows", "amd64", "", WINDOWS)),
        (f"windows({WINDOWS})/arm64/v8", Platform("windows", "arm64", "v8", WINDOWS)),
        (f"windows/amd64:{WINDOWS}", Platform("windows", "amd64", "", WINDOWS)),
    ],
)
def test_what_people_write_is_read_and_written_again(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform
    assert parse_platform(str(platform)) == platform


@pytest.mark.parametrize(
    "text",
    [
        *("", "linux", "amd64", "/", "linux/", "/amd64", "linux/amd64/", "linux/amd64/v1/x", "linux/amd 64", "*/amd64"),
        *("windows()/amd64", "windows(1/amd64", "windows(1)x/amd64", "windows(1)/amd64:1", "windows/amd64:", "a/b:c:d"),
        *("windows(10+win32k)/amd64", "windows(%31)/amd64", "linux\n/amd64", "linux/\x1b[31mamd64"),
    ],
)
def test_an_invalid_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_platform(text)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        # The table of containerd's platforms package: database.go at v1.0.0-rc.1.
        (("linux", "i386", "x"), ("linux", "386", "")),
        (("linux", "386", ""), ("linux", "386", "")),
        (("linux", "x86_64", ""), ("linux", "amd64", "")),
        (("linux", "x86-64", "v1"), ("linux", "amd64", "")),
        (("linux", "AMD64", "V1"), ("linux", "amd64", "")),
        (("linux", "amd64", "v2"), ("linux", "amd64", "v2")),
        (("linux", "aarch64", ""), ("linux", "arm64", "")),
        (("linux", "Aarch64", "8"), ("linux", "arm64", "")),
        (("linux", "arm64", "v8"), ("linux", "arm64", "")),
        (("linux", "arm64", "v9"), ("linux", "arm64", "v9")),
        (("linux", "armhf", ""), ("linux", "arm", "v7")),
        (("linux", "armel", ""), ("linux", "arm", "v6")),
        (("linux", "arm", ""), ("linux", "arm", "v7")),
        (("linux", "arm", "7"), ("linux", "arm", "v7")),
        (("linux", "arm", "5"), ("linux", "arm", "v5")),
        (("linux", "arm", "6"), ("linux", "arm", "v6")),
        (("linux", "arm", "8"), ("linux", "arm", "v8")),
        (("linux", "arm", "v6"), ("linux", "arm", "v6")),
        (("linux", "arm", "odd"), ("linux", "arm", "odd")),
        (("macOS", "arm64", ""), ("darwin", "arm64", "")),
        (("Linux", "riscv64", ""), ("linux", "riscv64", "")),
    ],
)
def test_the_normal_form_is_containerds(written: tuple[str, str, str], normal: tuple[str, str, str]) -> None:
    assert normalised(Platform(*written)) == Platform(*normal)
    assert normalised(normalised(Platform(*written))) == Platform(*normal)


@pytest.mark.parametrize(
    ("platform", "wanted", "does"),
    [
        ("linux/amd64/v2", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v2", False),
        ("linux/amd64/v2", "linux/amd64/v1", False),
        ("linux/arm/v6", "linux/arm", True),
        ("linux/arm/v7", "linux/armel", False),
        ("linux/arm", "linux/armhf", True),
        ("linux/arm64", "linux/arm64/v8", True),
        (f"windows({WINDOWS})/amd64", "windows/amd64", True),
        (f"windows({WINDOWS})/amd64", "windows(10.0.17763)/amd64", True),
        (f"windows({WINDOWS})/amd64", "windows(10.0.1776)/amd64", False),
        ("windows/amd64", f"windows({WINDOWS})/amd64", False),
        ("linux/amd64", "windows/amd64", False),
    ],
)
def test_what_is_not_wanted_may_have_any_value(platform: str, wanted: str, does: bool) -> None:
    assert fits(parse_platform(platform), parse_platform(wanted)) is does


@pytest.mark.parametrize(
    ("listed", "wanted", "found"),
    [
        (["linux/amd64/v2", "linux/amd64"], "linux/amd64", [1]),
        (["linux/amd64/v2", "linux/amd64/v3"], "linux/amd64", [0, 1]),
        (["linux/amd64/v2"], "linux/amd64", [0]),
        (["linux/arm/v5", "linux/arm/v7"], "linux/arm", [1]),
        (["linux/arm64/v8", "linux/arm64"], "linux/arm64", [1]),
        (["linux/arm64"], "linux/aarch64/v8", [0]),
        (["linux/amd64"], "linux/s390x", []),
    ],
)
def test_equal_platforms_come_first_then_normalised_then_fitting_ones(
    listed: list[str], wanted: str, found: list[int]
) -> None:
    assert best([parse_platform(text) for text in listed], parse_platform(wanted)) == found


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"os": "linux"},
        {"architecture": "amd64"},
        {"os": "", "architecture": "amd64"},
        {"os": 1, "architecture": "amd64"},
        {"os": "linux", "architecture": "amd64", "variant": []},
    ],
)
def test_a_config_that_does_not_say_it_is_for_no_platform(config: dict[str, object]) -> None:
    assert platform_of_config(config) is None


@pytest.mark.parametrize(
    ("config", "listed", "wanted", "agrees"),
    [
        ("linux/arm", "linux/arm/v6", "linux/arm/v6", True),  # builders leave the variant out
        ("linux/arm/v6", "linux/arm", "linux/arm", False),
        ("linux/amd64/v2", "linux/amd64/v2", "linux/amd64", True),
        ("linux/amd64/v2", "linux/amd64", "linux/amd64", False),
        ("linux/arm64/v8", "linux/arm64", "linux/arm64", True),
        (f"windows({WINDOWS})/amd64", "windows/amd64", "windows/amd64", True),
        (f"windows({WINDOWS})/amd64", "windows(10.0.20348.1)/amd64", "windows/amd64", False),
        ("linux/amd64", "linux/arm64", "linux/arm64", False),
    ],
)
def test_a_config_agrees_with_what_it_is_listed_as(config: str, listed: str, wanted: str, agrees: bool) -> None:
    assert is_as_listed(parse_platform(config), parse_platform(listed), parse_platform(wanted)) is agrees


def test_the_version_of_a_descriptor_is_read_and_written_in_gos_order() -> None:
    platform = {"architecture": "amd64", "os": "windows", "os.version": WINDOWS}
    entry = {"mediaType": "a/b", "size": 1, "digest": "sha256:" + "ab" * 32, "platform": platform}
    parsed = parse_descriptor(entry, "test")
    assert parsed.platform == Platform("windows", "amd64", "", WINDOWS)
    assert list(parsed.to_json()["platform"]) == list(platform)  # type: ignore[call-overload]


def test_a_config_names_each_part_of_its_platform() -> None:
    config = {"os": "windows", "architecture": "arm", "variant": "v7", "os.version": WINDOWS}
    assert platform_of_config(config) == Platform("windows", "arm", "v7", WINDOWS)
    for name, field in (("variant", "variant"), ("os.version", "os_version")):
        for value in (None, ""):
            found = platform_of_config(config | {name: value})
            assert found is not None
            assert getattr(found, field) == ""
        assert platform_of_config(config | {name: 7}) is None


@pytest.mark.parametrize(
    ("written", "normal"),
    [("v8.0", ""), ("8", ""), ("V8", ""), ("9", "v9"), ("9.0", "v9"), ("v9.0", "v9"), ("v9", "v9"), ("v8.1", "v8.1")],
)
def test_variants_of_arm64_are_normalised_as_by_containerd(written: str, normal: str) -> None:
    assert normalised(Platform("linux", "arm64", written)) == Platform("linux", "arm64", normal)
