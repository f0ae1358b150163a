"""The options with what a command attests: a predicate and its type, or a whole statement."""

from __future__ import annotations

from typing import TypedDict

import click
from msgspec import Struct

from imagesig import limits
from imagesig.api.attest.attesting_job import StatementVersion
from imagesig.cli.options import STDIN, Name, gathered, standard_input
from imagesig.errors import LimitExceeded
from imagesig.in_toto.predicates import PREDICATE_NAMES
from imagesig.naming import refuse_key
from imagesig.reading import read_bounded

HEADING = "--type --predicate --statement --statement-version"


class StatementOptions(TypedDict):
    """The options of `attest` and `attest_blob` that say what is attested."""

    predicate_type: str
    predicate: bytes | None
    statement: bytes
    statement_version: StatementVersion


class StatementSource(Struct, frozen=True):
    """The values of `statement_source_options`."""

    predicate_type: str
    predicate: str
    statement: str
    statement_version: str

    def read(self) -> StatementOptions:
        """The predicate or the statement, read from its file.

        Raises:
            UsageError: neither a predicate with its type nor a statement, or both.
            InvalidArgument, LimitExceeded: the file cannot be read, or is too large.
        """
        if bool(self.statement) == bool(self.predicate) or bool(self.predicate) != bool(self.predicate_type):
            raise click.UsageError("give --type and --predicate, or --statement")
        return {
            "predicate_type": self.predicate_type,
            "predicate": read_document(self.predicate, "--predicate") if self.predicate else None,
            "statement": read_document(self.statement, "--statement") if self.statement else b"",
            "statement_version": "v0.1" if self.statement_version == "v0.1" else "v1",
        }


def read_document(path: str, option: str) -> bytes:
    """A predicate or statement: a file, or standard input. `option` names it in errors.

    Raises:
        InvalidArgument, LimitExceeded: it cannot be read, or is too large.
    """
    if path != STDIN:
        refuse_key(path, option, "give the path of a file", raw=True)
        return read_bounded(path, limits.ATTESTATION_BYTES, option, streams=True)
    with standard_input(option) as stream:
        content = stream.read(limits.ATTESTATION_BYTES + 1)
    if len(content) > limits.ATTESTATION_BYTES:
        raise LimitExceeded(f"{option}: more than {limits.ATTESTATION_BYTES} bytes on stdin")
    return content


statement_source_options = gathered(
    "source",
    StatementSource,
    {
        "predicate_type": click.option(
            "--type",
            "predicate_type",
            type=Name(),
            default="",
            metavar="NAME|URI",
            help=f"Type of the predicate: {', '.join(PREDICATE_NAMES)}, or any URI.",
        ),
        "predicate": click.option(
            "--predicate", default="", metavar="FILE", help="JSON object to sign, byte for byte; - is stdin."
        ),
        "statement": click.option(
            "--statement",
            default="",
            metavar="FILE",
            help="Whole in-toto statement to sign as it is, in place of --type and --predicate; - is stdin.",
        ),
        "statement_version": click.option(
            "--statement-version",
            type=click.Choice(["v1", "v0.1"]),
            default="v1",
            show_default=True,
            help="in-toto version of the statement.",
        ),
    },
)
