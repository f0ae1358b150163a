"""`imagesig docker`: installs imagesig into docker's command."""

from __future__ import annotations

import os

import click

from imagesig.cli.output.terminal import say


@click.group("docker", short_help="Install imagesig into docker's command.")
def command() -> None:
    """Install imagesig into docker's command, as plugins."""


@command.command("install", short_help="Write the plugin for docker imagesig.")
@click.option("--builder", is_flag=True, help="Let docker build take --sign-key: sets docker's alias for its builder.")
@click.option("--trust", is_flag=True, help="Write docker trust too, for a docker that has no such command.")
def install_command(builder: bool, trust: bool) -> None:
    """Write the plugin for docker imagesig below $DOCKER_CONFIG or ~/.docker.

    Doing it again changes nothing. A foreign plugin of the same name is put aside.

    Example: imagesig docker install --builder
    """
    from imagesig.docker.installing import install
    from imagesig.images.registry.credentials import docker_folder

    if trust:
        _check_trust()
    say(*install(docker_folder(os.environ), builder=builder, trust=trust))


@command.command("uninstall", short_help="Remove it, and restore what was there.")
def uninstall_command() -> None:
    """Remove what imagesig docker install wrote, and restore what was there.

    Example: imagesig docker uninstall
    """
    from imagesig.docker.installing import uninstall
    from imagesig.images.registry.credentials import docker_folder

    say(*(uninstall(docker_folder(os.environ)) or ["nothing is installed"]))


def _check_trust() -> None:
    """Raises `InvalidArgument` if docker has a command `trust` of its own, which hides a plugin of this name."""
    from imagesig.docker.command import has_own_command
    from imagesig.errors import InvalidArgument

    if has_own_command("trust", os.environ):
        raise InvalidArgument(
            "docker trust: this docker has a command of its own, which hides a plugin of this name",
            hint="leave out --trust: imagesig trust and docker imagesig trust do the same",
        )
