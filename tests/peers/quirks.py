"""A PKCS#11 module with the quirks of other vendors' modules, on top of SoftHSM.

A rule is `FUNCTION ARGUMENT CALLS ANSWER`, as `servers_src/pkcs11-quirks/quirks.c` describes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers import binary
from tests.peers.servers import SoftHsmToken, softhsm_module

RULES, MODULE = "PKCS11_QUIRKS", "PKCS11_QUIRKS_MODULE"


@dataclass(frozen=True, slots=True)
class QuirkyModule:
    """One copy of the module, with a state of its own in this process, and the token behind it."""

    path: Path
    token: SoftHsmToken
    environ: dict[str, str]
    """What a process needs that loads the module."""

    def use(self, *rules: str) -> None:
        """These quirks from now on, and no others; the count of calls starts again."""
        # A rule that fits no call makes the text new.
        again = f"none {os.urandom(4).hex()} * return 0"
        os.environ[RULES] = ";".join((*rules, again))


@contextlib.contextmanager
def quirky_module(tmp: Path, token: SoftHsmToken) -> Iterator[QuirkyModule]:
    """A module without quirks, for the block. SOFTHSM2_CONF must name the token's configuration."""
    folder = Path(tempfile.mkdtemp(prefix="quirks-", dir=tmp))
    # Copies have variables of their own: another user of SoftHSM in this process shares neither login nor sessions.
    hsm = shutil.copy(softhsm_module(), folder / "hsm.so")
    path = Path(shutil.copy(binary("pkcs11-quirks").resolve(), folder / "quirks.so"))
    before = {name: os.environ.pop(name, None) for name in (RULES, MODULE)}
    os.environ[MODULE] = str(hsm)
    try:
        yield QuirkyModule(path, token, {MODULE: str(hsm), "SOFTHSM2_CONF": str(token.config)})
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
