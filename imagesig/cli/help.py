"""Help texts: options under headings, and an example line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

_LAST = {"Registry": "--plain-http --registry-ca --signature-repository --timeout", "Output": "--output --help"}
"""The last headings of every command."""


class GroupedCommand(click.Command):
    """A command whose help shows its options under headings, and an example at the end.

    `headings` maps each heading to its options, separated by spaces, in the order of the help.
    """

    def __init__(self, *arguments: Any, headings: Mapping[str, str], example: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._headings = {**headings, **_LAST}
        self._example = example

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, as `click.Command` does, but under headings."""
        found = [(parameter.opts, parameter.get_help_record(ctx)) for parameter in self.get_params(ctx)]
        # Older versions of click have the long name of --help first.
        records = {option: record for options, record in found if record is not None for option in options}
        for heading, options in self._headings.items():
            shown = [records[option] for option in options.split() if option in records]
            if shown:
                with formatter.section(heading):
                    formatter.write_dl(shown)
        with formatter.section("Example"):
            formatter.write_text(self._example)

    @property
    def grouped(self) -> frozenset[str]:
        """The options under a heading. A test compares them with the options of the command."""
        return frozenset(option for options in self._headings.values() for option in options.split())
