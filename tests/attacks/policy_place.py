"""What attacks on policies need: keys, a signed image, policy files, and the command in this process."""

from __future__ import annotations

from pathlib import Path

import click.testing

from imagesig.cli.main import cli
from imagesig.errors import ImagesigError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout

NAME = "registry.example/team/app:1.0"


def run(*arguments: object) -> click.testing.Result:
    """The command in this process; an error of imagesig becomes its exit status, as in `main`."""
    result = click.testing.CliRunner().invoke(cli, [str(item) for item in arguments])
    if isinstance(result.exception, ImagesigError):
        result.exit_code = result.exception.exit_status
        result.stderr_bytes = (result.stderr_bytes or b"") + str(result.exception).encode()
    return result


def furnish(folder: Path, *keys: str) -> None:
    """Keys of these names, and an image `oci:image:1.0` that the first of them signed with `cosign` and `bundle`."""
    for name in keys:
        assert run("key", "generate", folder / f"{name}.key").exit_code == 0
    build_image(Layout.create(folder / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    signed = run("sign", "--key", folder / f"{keys[0]}.key", "--identity", NAME, f"oci:{folder}/image:1.0")
    assert signed.exit_code == 0, signed.output


def policy_file(folder: Path, requirement: str, authorities: str, *, scope: str = "", default: str = "reject") -> Path:
    """A policy with one rule: for every image, or for a scope."""
    path = folder / "policy.toml"
    rule = f"require = [{{ {requirement} }}]\n"
    text = f"version = 1\n{authorities}"
    text += f'default = "{default}"\n[[rules]]\nscope = "{scope}"\n{rule}' if scope else f"[default]\n{rule}"
    path.write_text(text)
    return path
