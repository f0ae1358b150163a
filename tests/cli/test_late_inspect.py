"""`inspect`, which a command loads on first use."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from imagesig.cli.late_inspect import load_inspect_late


def _run(program: str) -> str:
    start = "import sys; from imagesig.cli.late_inspect import load_inspect_late; load_inspect_late(); import inspect; "
    command = [sys.executable, "-S", "-c", start + program]  # without site, whose files of other packages may load it
    path = os.pathsep.join(folder for folder in sys.path if folder)
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "text", ["", "one line", " indented", "\ttab", "a\tb", "\ffeed", "two\n    lines\n      more\n", "ends "]
)
def test_help_texts_are_the_same(text: str) -> None:
    assert _run(f"print(repr(inspect.cleandoc({text!r})))") == repr(inspect.cleandoc(text))


def test_nothing_loads_it_until_it_is_used() -> None:
    assert _run("inspect.cleandoc('one line'); print(type(sys.modules['inspect']).__name__)") == "_Late"
    assert _run("inspect.isfunction(0); print(type(sys.modules['inspect']).__name__)") == "module"


def test_every_attribute_is_that_of_the_module() -> None:
    """Also for those who imported it before, and for later imports."""
    assert _run("print(inspect.isfunction(inspect.getsource), sys.modules['inspect'] is not inspect)") == "True True"
    assert _run("from inspect import signature; import inspect as again; print(again.signature is signature)") == "True"
    assert _run("print(hasattr(inspect, 'no_such_name'))") == "False"


def test_threads_that_use_it_at_once_get_the_whole_module() -> None:
    program = (
        "from concurrent.futures import ThreadPoolExecutor as Pool; pool = Pool(8); "
        "print(set(pool.map(lambda _: inspect.signature.__name__, range(64))))"
    )
    assert _run(program) == "{'signature'}"


def test_a_module_that_is_loaded_already_stays() -> None:
    load_inspect_late()
    assert sys.modules["inspect"] is inspect


def test_msgspec_does_not_load_it_either() -> None:
    """It takes names from `typing_extensions`, which uses `inspect`. Others may import that afterwards."""
    shown = "import msgspec; print(type(sys.modules['inspect']).__name__, 'typing_extensions' in sys.modules)"
    assert _run(shown) == "_Late False"
    found = "from importlib.util import find_spec; print(find_spec('typing_extensions') is not None)"
    assert _run(found) == str(find_spec("typing_extensions") is not None)
