"""The `imagesig` command. Each subcommand is loaded when it is called."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType

import click

from imagesig.cli.output.failure import FAILED, fail
from imagesig.cli.output.terminal import (
    end_at_once,
    finish,
    give_up,
    note,
    note_at_once,
    note_usage,
    prepare,
    usage_text,
)
from imagesig.errors import ImagesigError, InternalError, InvalidArgument
from imagesig.version import __version__

_COMMANDS = {
    "sign": "imagesig.cli.commands.sign",
    "verify": "imagesig.cli.commands.verify",
    "attest": "imagesig.cli.commands.attest",
    "verify-attestation": "imagesig.cli.commands.verify_attestation",
    "inspect": "imagesig.cli.commands.inspect",
    "tree": "imagesig.cli.commands.tree",
    "download": "imagesig.cli.commands.download",
    "copy": "imagesig.cli.commands.copy",
    "remove": "imagesig.cli.commands.remove",
    "attest-blob": "imagesig.cli.commands.blob.attest_blob",
    "sign-blob": "imagesig.cli.commands.blob.sign_blob",
    "verify-blob": "imagesig.cli.commands.blob.verify_blob",
    "generate-payload": "imagesig.cli.commands.generate_payload",
    "attach": "imagesig.cli.commands.attach",
    "policy": "imagesig.cli.commands.policy",
    "trust": "imagesig.cli.commands.trust.group",
    "key": "imagesig.cli.commands.key",
    "doctor": "imagesig.cli.commands.doctor",
    "docker": "imagesig.cli.commands.docker",
    "demo": "imagesig.cli.commands.demo",
    "completion": "imagesig.cli.commands.completion",
}
_INTERRUPTED = 130
TYPED = "imagesig.typed"
"""The arguments of the whole command, in the context."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ImagesigError as error:
            _write_error_as_json(ctx, error)
            raise
        except click.UsageError as error:
            _write_error_as_json(error.ctx or ctx, InvalidArgument(usage_text(error)))
            raise
        except (OSError, click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            unforeseen = InternalError.of(error, f"imagesig {ctx.invoked_subcommand}")
            _write_error_as_json(ctx, unforeseen)
            raise unforeseen from error


def _write_error_as_json(ctx: click.Context, error: ImagesigError) -> None:
    """Also on stdout, for programs that read JSON there."""
    from imagesig.cli.options import json_command
    from imagesig.cli.output.render import write_json_error

    if command := json_command(ctx, ctx.meta[TYPED]):
        write_json_error(command, error.document())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="imagesig")
def cli() -> None:
    """Sign and verify container images with keys in files, PKCS#11 tokens, Vault and AWS KMS.

    Exit status: 0 done or verified, 10 no signatures, 11 image not found, 12 no signature accepted, 13 not verified, 2
    usage, 1 anything else.
    """


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handles Ctrl-C: waits for the requests that threads have under way; a second Ctrl-C ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # not a Python handler, which may have to wait for a lock
    if threading.active_count() > 1:
        note_at_once("finishing requests under way; press Ctrl-C again to end now")
    raise KeyboardInterrupt


def main(action: Callable[[], object] | None = None) -> None:
    """Runs the command, or an action in its place, and ends the process with its exit status."""
    # speed: a command ends before its garbage matters; collecting takes a tenth of loading (benchmarks/test_cli.py)
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000)
    signal.signal(signal.SIGINT, _interrupt)
    prepare()
    status = _status(action or _command)
    if threading.active_count() == 1:
        end_at_once(status)
    sys.exit(status)


def _command() -> object:
    # click returns the status of `Exit` here, and None if a command returns.
    return cli.main(prog_name="imagesig", standalone_mode=False)


def _status(action: Callable[[], object]) -> int:
    """Runs the action, writes what is left of its output, and gives its exit status."""
    try:
        status = action() or 0
        finish()
        return int(status)  # type: ignore[call-overload, no-any-return]
    except ImagesigError as error:
        return fail(error)
    except click.ClickException as error:
        note_usage(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        note("interrupted: everything written is complete; run the same command again to finish")
        return _INTERRUPTED
    except SystemExit as error:  # click has ended the command, because its output is no longer read
        return error.code if isinstance(error.code, int) else FAILED
    except OSError as error:
        # Writing our own output failed: other reads and writes raise an ImagesigError.
        give_up()
        if not isinstance(error, BrokenPipeError):
            # The file name is not shown: it can be anything that was typed, such as a key.
            note(f"error: the output cannot be written: {error.strerror or type(error).__name__}")
        return FAILED
    except Exception as error:  # noqa: BLE001 - the user sees an error, never a traceback
        return fail(InternalError.of(error, "imagesig"))
