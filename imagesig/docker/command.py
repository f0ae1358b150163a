"""Runs docker's own command: buildx for a signed build, and every command that is not ours."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence

from imagesig.errors import InvalidArgument
from imagesig.text import quote

_ORIGINAL = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"
"""The variable in which docker gives a plugin the path of docker's command."""
_SOCKET = "DOCKER_CLI_PLUGIN_SOCKET"
"""A socket of the docker that runs the plugin. It is closed when docker was asked to end."""
_HELP_SECONDS = 30


def docker_program(environ: Mapping[str, str]) -> str:
    """The path of docker's command: the one that runs the plugin, else the one on PATH.

    Raises:
        InvalidArgument: docker is not installed.
    """
    name = environ.get(_ORIGINAL) or "docker"
    found = shutil.which(name, path=environ.get("PATH"))
    if found is None:
        raise InvalidArgument(f"{quote(name)}: no such program, docker's command is needed", hint="install docker")
    return found


def become(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Replaces this process by docker with these arguments."""
    program = docker_program(environ)
    os.execve(program, [program, *arguments], dict(environ))  # noqa: S606 - no shell


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs docker with these arguments and our streams, and gives its exit status.

    Ctrl-C reaches docker too, so this waits until docker has ended. If the docker above us ends, so does this one.
    """
    inner = {name: value for name, value in environ.items() if name != _SOCKET}
    with subprocess.Popen([docker_program(environ), *arguments], env=inner) as process:  # noqa: S603 - no shell
        try:
            if address := environ.get(_SOCKET):
                threading.Thread(target=_end_with, args=(process, address), daemon=True).start()
            while True:
                try:
                    status = process.wait()
                    break
                except KeyboardInterrupt:
                    continue
        except BaseException:
            process.terminate()
            raise
    return status if status >= 0 else 128 - status


def _end_with(process: subprocess.Popen[bytes], address: str) -> None:
    """Interrupts the process when the socket is closed."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as above:
        above.connect("\0" + address[1:] if address.startswith("@") else address)
        while above.recv(1024):
            pass
        process.send_signal(signal.SIGINT)


def has_own_command(name: str, environ: Mapping[str, str]) -> bool:
    """Whether docker's command has this command itself; those of plugins have a star in the help.

    Raises:
        InvalidArgument: there is no docker, or it does not answer.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [docker_program(environ), "--help"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_HELP_SECONDS,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise InvalidArgument(f"docker --help: failed ({type(error).__name__}), its commands are needed") from error
    commands = done.stdout.decode(errors="replace").partition("Invalid Plugins:")[0]
    return re.search(rf"^\s+{re.escape(name)}\s", commands, re.MULTILINE) is not None
