"""The two plugin programs as executables in a folder, running the code of this tree."""

from __future__ import annotations

import sys
from pathlib import Path

MODULES = {"notation-imagesig": "notation", "sigstore-kms-imagesig": "sigstore"}


def program(folder: Path, name: str) -> Path:
    """What pip would install as that console script; callers keep none of this process's environment."""
    root = str(Path(__file__).parents[2])
    script = f"import sys\nsys.path.insert(0, {root!r})\nfrom imagesig.plugins.{MODULES[name]} import main\nmain()\n"
    return executable(folder / name, script)


def executable(path: Path, script: str) -> Path:
    """A Python script that runs as a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    return path
