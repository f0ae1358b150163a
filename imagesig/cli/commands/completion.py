"""`imagesig completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from imagesig.cli.output.terminal import document


@click.command("completion", short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell: eval "$(imagesig completion bash)"."""
    maker = get_completion_class(shell)
    root = ctx.find_root()
    assert maker is not None
    document(maker(root.command, {}, "imagesig", "_IMAGESIG_COMPLETE").source() + "\n")
