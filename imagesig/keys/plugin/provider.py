"""Base class of the providers for plugins, which run a program for each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import KeyProviderError, MalformedError
from imagesig.keys.plugin.process import NEEDS_VARIABLES, Finished, describe_output, run_plugin
from imagesig.keys.provider import KeyProvider


class PluginProvider(KeyProvider):
    """The keys of one plugin, which is `program`. Plugins neither generate nor list keys.

    The plugin sees only `environ`, so the credentials that it needs must be in there. `seconds` bounds each run.
    """

    def __init__(self, program: Path, *, environ: Mapping[str, str], seconds: float) -> None:
        self._program = program
        self._environ, self._seconds = dict(environ), seconds

    def run(self, what: str, arguments: Sequence[str], message: bytes) -> Finished:
        """One run of the program. Raises as `run_plugin` does."""
        self._refuse_closed()
        return run_plugin(self._program, arguments, message, environ=self._environ, seconds=self._seconds, what=what)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._program)!r})"


def parse_answer(finished: Finished, what: str) -> dict[str, object]:
    """The JSON object that the plugin printed. Raises `KeyProviderError` for other output."""
    try:
        return parse_object(finished.stdout, "its answer", OURS)
    except MalformedError as error:
        raise KeyProviderError(
            f"{what}: {error}; it printed {describe_output(finished.stderr)}", hint=NEEDS_VARIABLES
        ) from error
