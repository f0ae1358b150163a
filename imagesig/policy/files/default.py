"""The policy file that applies if the user names none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from imagesig.errors import InvalidArgument
from imagesig.reading import home_folder
from imagesig.text import quote

VARIABLE = "IMAGESIG_POLICY"
NAME = Path("imagesig", "policy.toml")
SYSTEM = Path("/etc") / NAME


def user_policy_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/imagesig/policy.toml`, else below the home folder. Spec: XDG Base Directory, 0.8."""
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    if configured.is_absolute():  # the specification ignores relative paths
        return configured / NAME
    return home_folder(environ) / ".config" / NAME


def default_policy_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The first of: the file that `$IMAGESIG_POLICY` names, the user's policy, `/etc/imagesig/policy.toml`.

    A file that exists applies, even if it cannot be read: the next one may be laxer.

    Raises:
        InvalidArgument: there is none; or the variable is set and there is no such file.
    """
    hint = "make one: imagesig policy init --key PUBLIC_KEY --write; or name a key, a CA or a policy"
    if named := environ.get(VARIABLE):
        if not _exists(Path(named)):
            raise InvalidArgument(f"{VARIABLE}: there is no file {quote(named)}", hint=hint)
        return Path(named)
    places = (user_policy_path(environ), SYSTEM)
    found = next((path for path in places if _exists(path)), None)
    if found is None:
        tried = ", ".join(str(path) for path in places)
        raise InvalidArgument(f"no policy: {VARIABLE} is not set, and none of these files exists: {tried}", hint=hint)
    return found


def _exists(path: Path) -> bool:
    """Whether the file may exist: a place that cannot be looked at counts, and reading it raises why."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def new_default_policy(text: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Writes a new file in the place where `default_policy_path` looks first, and gives its path.

    Raises:
        InvalidArgument: the file exists, or cannot be written.
    """
    path = Path(environ[VARIABLE]) if environ.get(VARIABLE) else user_policy_path(environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidArgument(f"{path} exists and is not overwritten", hint="remove it first, or edit it") from error
    except OSError as error:
        raise InvalidArgument(
            f"{path}: cannot be written ({error.strerror})", hint=f"set {VARIABLE} to the path of a file"
        ) from error
    return path
