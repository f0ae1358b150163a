"""The `imagesig` command and its subcommands, each loaded when it is called."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import click

from imagesig import __version__
from imagesig.cli.failure import fail
from imagesig.errors import ImagesigError

_COMMANDS = {
    "sign": "imagesig.cli.sign",
    "verify": "imagesig.cli.verify",
    "inspect": "imagesig.cli.inspect",
    "copy": "imagesig.cli.copy",
    "remove": "imagesig.cli.remove",
    "key": "imagesig.cli.key",
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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="imagesig")
def cli() -> None:
    """Sign and verify container images with keys in files, PKCS#11 tokens, Vault and AWS KMS.

    Exit status: 0 done or verified, 10 no signatures, 11 image not found, 12 no signature accepted, 2 usage, 1 anything
    else.
    """


def main() -> None:
    """Runs the command and ends the process with its exit status."""
    # A command is over before its garbage is worth collecting, and collections cost a tenth of loading its modules.
    gc.freeze()
    gc.set_threshold(50_000)
    try:
        # click returns the status of `Exit` here, and None where a command just ends.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except ImagesigError as error:
        sys.exit(fail(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: what was written is complete; run the same command again to finish", err=True)
        sys.exit(_INTERRUPTED)
