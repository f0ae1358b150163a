"""`python -m tests.public_names` writes each `__init__.pyi` from the table `PUBLIC` of its package."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import imagesig

PACKAGE = Path(imagesig.__file__).parent
PACKAGES = (
    *("imagesig", "imagesig.keys", "imagesig.images", "imagesig.policy", "imagesig.trust", "imagesig.witnesses"),
    *("imagesig.testing", "imagesig.formats", "imagesig.docker", "imagesig.content_trust"),
)
"""Packages with a table. `imagesig.errors` and `imagesig.aio` are public too, each as a module."""


def table(package: str) -> dict[str, str]:
    """The module of each public name of `package`."""
    public: dict[str, str] = import_module(package).PUBLIC
    return {name: module for module, names in public.items() for name in names.split()}


def modules(package: str) -> list[str]:
    """Modules of the package that its users reach as attributes."""
    names: str = getattr(import_module(package), "MODULES", "")
    return names.split()


def stub_path(package: str) -> Path:
    return PACKAGE.joinpath(*package.split(".")[1:], "__init__.pyi")


def _write(package: str) -> None:
    lines = [f"from {module} import {name} as {name}" for name, module in table(package).items()]
    lines += [f"from {package} import {name} as {name}" for name in modules(package)]
    version = "MODULES: str\n__version__: str\n" if package == "imagesig" else ""
    stub_path(package).write_text("\n".join(lines) + f"\n\nPUBLIC: dict[str, str]\n{version}")


if __name__ == "__main__":
    for package in PACKAGES:
        _write(package)
    stubs = [str(stub_path(package)) for package in PACKAGES]
    subprocess.run([sys.executable, "-m", "ruff", "check", "-q", "--fix", "--select", "I", *stubs], check=True)
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", *stubs], check=True)
