"""docker's `config.json`: read strictly, and replaced at once, with its other settings, its mode and its links kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagesig import limits
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import InvalidArgument
from imagesig.images.registry.credentials import docker_folder
from imagesig.reading import read_bounded
from imagesig.writing import replace_file


def read_config(path: Path) -> dict[str, Any]:
    """The settings; empty if there is no file.

    Raises:
        InvalidArgument, MalformedError: it cannot be read, or is not a JSON object.
    """
    if not os.path.lexists(path):
        return {}
    return parse_object(read_bounded(path, limits.DOCKER_CONFIG_BYTES, "docker's configuration"), str(path), OURS)


def current_context(environ: Mapping[str, str]) -> str:
    """The context that docker uses if no option names another one."""
    if environ.get("DOCKER_HOST"):
        return "default"
    named = environ.get("DOCKER_CONTEXT") or read_config(docker_folder(environ) / "config.json").get("currentContext")
    return named if isinstance(named, str) and named else "default"


def section(config: dict[str, Any], name: str, where: object) -> dict[str, Any]:
    """A setting that is an object; a new empty one if it is missing.

    Raises:
        InvalidArgument: it is something else.
    """
    found = config.setdefault(name, {})
    if not isinstance(found, dict):
        raise InvalidArgument(f"{where}: {name} is not an object", hint="fix this file: docker cannot read it either")
    return found


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Replaces the file in one step, in docker's layout. Only the user can read a new file: it may get logins later."""
    target = Path(os.path.realpath(path))
    text = json.dumps(config, indent="\t", ensure_ascii=False)
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, text.encode(), mode)
    except OSError as error:
        raise InvalidArgument(f"{path}: cannot be written ({error.strerror})") from error
