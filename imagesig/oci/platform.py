"""Platforms of images: parsing them, normalising them, and comparing what is wanted with what is there. Pure.

Spec: OCI image-spec, image index, `platform`; containerd's `platforms` package for the normal form and for the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.text import quote

_PART = regex(r"[A-Za-z0-9_.-]+")
_SYSTEM = regex(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]+)\))?")
_VERSION = regex(r"[A-Za-z0-9_.-]+")
_ENCODED = str.maketrans({character: f"%{ord(character):02X}" for character in "%+()/"})


class Platform(Struct, frozen=True):
    """Operating system and CPU of an image, by Go's names. `os_version` is a Windows build, empty elsewhere."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    def __str__(self) -> str:
        system = f"{self.os}({self.os_version.translate(_ENCODED)})" if self.os_version else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)

    def to_json(self) -> dict[str, str]:
        """The members, in Go's order."""
        members = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            members["os.version"] = self.os_version
        if self.variant:
            members["variant"] = self.variant
        return members


def parse_platform(text: str) -> Platform:
    """The platform in `os/architecture[/variant]`, not normalised.

    A system version is written as in containerd, `windows(10.0.17763.6893)/amd64`, or as in crane,
    `windows/amd64:10.0.17763.6893`.

    Raises:
        InvalidArgument: another form.
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"platform {quote(text)}: text is needed")
    before, colon, last = text.partition(":")
    parts = before.split("/")
    system = _SYSTEM.fullmatch(parts[0])
    version = system[2] if system and system[2] else last
    if (
        system is None
        or len(parts) not in (2, 3)
        or not all(_PART.fullmatch(part) for part in parts[1:])
        or (colon and (system[2] or not last))
        or (version and not _VERSION.fullmatch(version))
    ):
        raise InvalidArgument(
            f"platform {quote(text)}: os/architecture or os/architecture/variant is needed",
            hint="write a Windows version as windows(10.0.17763.6893)/amd64",
        )
    return Platform(system[1], parts[1], parts[2] if len(parts) == 3 else "", version)


def normalised(platform: Platform) -> Platform:
    """The platform in containerd's normal form: `linux/aarch64/v8` becomes `linux/arm64`."""
    system = platform.os.lower()
    architecture, variant = platform.architecture.lower(), platform.variant.lower()
    match architecture:
        case "i386":
            architecture, variant = "386", ""
        case "x86_64" | "x86-64" | "amd64":
            architecture, variant = "amd64", "" if variant == "v1" else variant
        case "aarch64" | "arm64":
            architecture = "arm64"
            variant = {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"}.get(variant, variant)
        case "armhf":
            architecture, variant = "arm", "v7"
        case "armel":
            architecture, variant = "arm", "v6"
        case "arm" if variant in ("", "5", "6", "7", "8"):
            variant = f"v{variant or 7}"
    return Platform("darwin" if system == "macos" else system, architecture, variant, platform.os_version)


def fits(platform: Platform, wanted: Platform) -> bool:
    """Whether a platform is the wanted one. If `wanted` has no variant or version, any fits."""
    actual, asked = normalised(platform), normalised(wanted)
    return (
        (actual.os, actual.architecture) == (asked.os, asked.architecture)
        and (not _names_variant(wanted) or actual.variant == asked.variant)
        and _is_version(actual.os_version, asked.os_version)
    )


def best(platforms: Sequence[Platform], wanted: Platform) -> list[int]:
    """The positions of the best matches: equal ones, else ones with equal normal form, else ones that fit."""
    for is_one in (
        lambda platform: platform == wanted,
        lambda platform: normalised(platform) == normalised(wanted),
        lambda platform: fits(platform, wanted),
    ):
        if found := [number for number, platform in enumerate(platforms) if is_one(platform)]:
            return found
    return []


def platform_of_config(config: Mapping[str, object]) -> Platform | None:
    """The platform in an image's config; None if it names none.

    Spec: OCI image-spec, image configuration.
    """
    members = [config.get(name, "") for name in ("os", "architecture", "variant", "os.version")]
    members = ["" if member is None else member for member in members]
    if not all(isinstance(member, str) for member in members) or not members[0] or not members[1]:
        return None
    return Platform(*map(str, members))


def is_as_listed(config: Platform, listed: Platform, wanted: Platform) -> bool:
    """Whether a config's platform is the one that an index lists, and the wanted one.

    Variant and version are compared only if the config names them, because some builders leave them out.
    """
    actual = normalised(config)
    for other in (listed, wanted):
        claimed = normalised(other)
        if (actual.os, actual.architecture) != (claimed.os, claimed.architecture):
            return False
        # A user who asks for no variant takes any; an index that lists none claims the default variant.
        claims = other is listed or _names_variant(other)
        if config.variant and claims and actual.variant != claimed.variant:
            return False
        if config.os_version and not _is_version(config.os_version, other.os_version):
            return False
    return True


def _names_variant(platform: Platform) -> bool:
    return bool(platform.variant) or platform.architecture.lower() in ("armhf", "armel")


def _is_version(actual: str, wanted: str) -> bool:
    """Whether a version is the wanted one or a build of it: `10.0.17763.6893` is a build of `10.0.17763`."""
    return not wanted or actual == wanted or actual.startswith(f"{wanted}.")
