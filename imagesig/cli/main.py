"""The `imagesig` command and its subcommands, each loaded when it is called."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from importlib import import_module
from types import FrameType

import click

from imagesig import __version__
from imagesig.cli.failure import FAILED, error_json, fail
from imagesig.errors import ImagesigError

_COMMANDS = {
    "sign": "imagesig.cli.sign",
    "verify": "imagesig.cli.verify",
    "inspect": "imagesig.cli.inspect",
    "copy": "imagesig.cli.copy",
    "remove": "imagesig.cli.remove",
    "policy": "imagesig.cli.policy",
    "key": "imagesig.cli.key",
    "doctor": "imagesig.cli.doctor",
    "demo": "imagesig.cli.demo",
    "completion": "imagesig.cli.completion",
}
_INTERRUPTED = 130


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ImagesigError as error:
            _write_error_as_json(ctx, error)
            raise


def _write_error_as_json(ctx: click.Context, error: ImagesigError) -> None:
    """On stdout too, for a program that reads JSON there."""
    from imagesig.cli.options import wants_json
    from imagesig.cli.render import write_json_error

    if wants_json(ctx):
        write_json_error(ctx.invoked_subcommand or "", error_json(error))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="imagesig")
def cli() -> None:
    """Sign and verify container images with keys in files, PKCS#11 tokens, Vault and AWS KMS.

    Exit status: 0 done or verified, 10 no signatures, 11 image not found, 12 no signature accepted, 13 not proved, 2
    usage, 1 anything else.
    """


def _give_up_stdout() -> None:
    """What is still buffered is lost: the interpreter must not try to write it again when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C: several images are worked on in threads, whose requests under way are waited for; but not twice."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no handler of Python's, which may have to wait for a lock
    if threading.active_count() > 1:
        os.write(2, b"\nending what is under way; Ctrl-C again ends at once\n")
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command and ends the process with its exit status."""
    # A command is over before its garbage is worth collecting, and collections cost a tenth of loading its modules.
    gc.freeze()
    gc.set_threshold(50_000)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        # click returns the status of `Exit` here, and None where a command just ends.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except ImagesigError as error:
        sys.exit(fail(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        # Of our own output: what else is read and written raises an ImagesigError if it fails.
        _give_up_stdout()
        click.echo(f"error: the operating system refused: {error}", err=True)
        sys.exit(FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: what was written is complete; run the same command again to finish", err=True)
        sys.exit(_INTERRUPTED)
