"""Prints one line per set of vectors at the end of the run, also where pytest-xdist spread the tests over processes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vectors import report, tallies


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["vectors"] = {name: (tally.ran, dict(tally.left_out)) for name, tally in tallies.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    for name, (ran, left_out) in getattr(node, "workeroutput", {}).pop("vectors", {}).items():
        report(name, ran, left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not tallies:
        return
    terminalreporter.section("vectors")
    while tallies:  # emptied, so that a second registration of this hook prints nothing again
        name = min(tallies)
        terminalreporter.write_line(f"{name}: {tallies.pop(name)}")
