"""What attacks on policies need: keys, a signed image, and policy files."""

from __future__ import annotations

from pathlib import Path

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.commands import run_here

NAME = "registry.example/team/app:1.0"


def furnish(folder: Path, *keys: str) -> None:
    """Keys of these names, and an image `oci:image:1.0` that the first of them signed with `cosign` and `bundle`."""
    for name in keys:
        assert run_here("key", "generate", folder / f"{name}.key").exit_code == 0
    build_image(Layout.create(folder / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    signed = run_here("sign", "--key", folder / f"{keys[0]}.key", "--identity", NAME, f"oci:{folder}/image:1.0")
    assert signed.exit_code == 0, signed.output


def policy_file(folder: Path, requirement: str, authorities: str, *, scope: str = "", default: str = "reject") -> Path:
    """A policy with one rule: for every image, or for a scope."""
    path = folder / "policy.toml"
    rule = f"require = [{{ {requirement} }}]\n"
    text = f"version = 1\n{authorities}"
    text += f'default = "{default}"\n[[rules]]\nscope = "{scope}"\n{rule}' if scope else f"[default]\n{rule}"
    path.write_text(text)
    return path
