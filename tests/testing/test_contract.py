"""How the kit loads; what the contract catches is in `tests/contracts/test_broken_providers.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import imagesig.testing


def _python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_kit_costs_nothing_until_a_name_of_it_is_used() -> None:
    program = (
        "import sys, imagesig.testing; print({'pytest', 'cryptography', 'imagesig.testing.contract'} & {*sys.modules})"
    )
    assert _python(program) == "set()"


def test_without_pytest_the_contract_says_what_to_install() -> None:
    program = """
import sys
sys.modules["pytest"] = None
from imagesig.errors import MissingExtra
try:
    from imagesig.testing import ProviderContract
except MissingExtra as error:
    print(error.hint)
"""
    assert _python(program) == "run: pip install pytest"


def test_every_public_name_is_there_and_no_other() -> None:
    for name in imagesig.testing.__all__:
        assert name.isupper() or getattr(imagesig.testing, name).__name__ == name
        assert name in dir(imagesig.testing)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = imagesig.testing.nothing
