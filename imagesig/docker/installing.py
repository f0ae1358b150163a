"""Installs and removes the plugins of docker's command, and the alias with which `docker build` calls them.

What the alias was before is kept in docker's own place for settings of plugins: `plugins.imagesig` of `config.json`.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from imagesig.docker.config_file import read_config, section, write_config
from imagesig.errors import InvalidArgument, LimitExceeded
from imagesig.reading import read_bounded
from imagesig.writing import replace_file

PLUGIN = "imagesig"
_MARK = "# Written by imagesig docker install; imagesig docker uninstall removes it."
_OWNED = (PLUGIN, "trust")
_BEFORE, _CREATED = "builder-before", "config-created"


def install(folder: Path, *, builder: bool, trust: bool) -> list[str]:
    """Writes the plugins below docker's configuration folder, and gives what was done, one text for each step.

    `builder` sets the alias: `docker build` goes through imagesig. `trust` writes `docker trust` too. Doing it again
    changes nothing. A foreign plugin of the same name is put aside.

    Raises:
        InvalidArgument: the configuration cannot be read or written.
    """
    # Read first: if docker cannot read its configuration, nothing is written.
    config = read_config(folder / "config.json")
    if builder:
        _memory(config, folder)
    done = [_write_plugin(folder / "cli-plugins", name) for name in (_OWNED if trust else (PLUGIN,))]
    if builder:
        done.append(_set_alias(folder / "config.json", config))
    return done


def uninstall(folder: Path) -> list[str]:
    """Removes what `install` wrote and restores what was there; gives what was done. Foreign plugins stay.

    Raises:
        InvalidArgument: the configuration cannot be read or written.
    """
    config = read_config(folder / "config.json")
    done = _restore_alias(folder / "config.json", config)
    return done + [text for name in _OWNED for text in _remove_plugin(folder / "cli-plugins", name)]


def _write_plugin(folder: Path, name: str) -> str:
    path, aside = folder / f"docker-{name}", folder / f".docker-{name}.before"
    # -P: Python must not import `imagesig` from the folder that is built.
    script = f'#!/bin/sh\n{_MARK}\nexec {shlex.quote(sys.executable)} -P -m imagesig.cli.docker_plugin "$@"\n'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _exists(path) and not _is_ours(path):
            if _exists(aside):
                raise InvalidArgument(f"{path}: another program, and {aside} exists too", hint="remove one of them")
            path.rename(aside)
        replace_file(path, script.encode(), 0o755)
    except OSError as error:
        raise InvalidArgument(f"{path}: cannot be written ({error.strerror})") from error
    return f"plugin   {path}"


def _remove_plugin(folder: Path, name: str) -> list[str]:
    path, aside = folder / f"docker-{name}", folder / f".docker-{name}.before"
    try:
        if not _exists(path) or not _is_ours(path):
            return []
        path.unlink()
        if _exists(aside):
            aside.rename(path)
            return [f"restored {path}"]
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise InvalidArgument(f"{path}: cannot be removed ({error.strerror})") from error
    return [f"removed  {path}"]


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise InvalidArgument(f"{path}: cannot be removed ({error.strerror})") from error


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _is_ours(path: Path) -> bool:
    try:
        return _MARK.encode() in read_bounded(path, 1024, "docker's plugin", links=False)
    except (InvalidArgument, LimitExceeded):
        return False  # the plugins of others are programs


def _memory(config: dict[str, Any], where: Path) -> dict[str, Any]:
    """Our settings, in docker's place for those of plugins. The aliases are there afterwards too."""
    section(config, "aliases", where)
    return section(section(config, "plugins", where), PLUGIN, where)


def _set_alias(path: Path, config: dict[str, Any]) -> str:
    existed = _exists(path)
    memory, aliases = _memory(config, path), config["aliases"]
    before = aliases.get("builder")
    if before != PLUGIN:
        memory |= {_BEFORE: before or ""} | ({} if existed else {_CREATED: "true"})
        aliases["builder"] = PLUGIN
        write_config(path, config)
    return f"alias    builder = {PLUGIN} in {path}"


def _restore_alias(path: Path, config: dict[str, Any]) -> list[str]:
    memory, aliases = _memory(config, path), config["aliases"]
    if not memory and aliases.get("builder") != PLUGIN:
        return []
    before = memory.get(_BEFORE) or ""
    # An alias that was set since, by `docker buildx install`, is the user's newer choice.
    if aliases.get("builder") == PLUGIN:
        aliases.pop("builder")
        if before:
            aliases["builder"] = before
    left = aliases.get("builder", "")
    config["plugins"].pop(PLUGIN)
    for name in ("plugins", "aliases"):
        if not config[name]:
            del config[name]
    if not config and memory.get(_CREATED):
        _remove(path)
    else:
        write_config(path, config)
    return [f"alias    builder = {left or 'none'} in {path}"]
