"""Reads policy files; the pure modules beside this one parse them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from imagesig import limits
from imagesig.policy.files.containers import parse_containers_policy
from imagesig.policy.files.document import Node, read_json, read_toml
from imagesig.policy.files.kinds import CONTAINERS, IMAGESIG, NOTATION, kind_of
from imagesig.policy.files.parse import parse_policy
from imagesig.policy.requirement import PathLike, Rules
from imagesig.reading import is_folder, read_bounded, usage_error


def load_policy(path: str | PathLike) -> Rules:
    """See `Policy.load`."""
    file = Path(path)
    return parse_policy(_read_document(file), folder=_folder(file), read_file=_read_certificates, real_path=_real_path)


def load_policy_of_kind(path: str | PathLike, kind: str = "") -> Rules:
    """The policy in a file of this kind, one of `kinds.KINDS`; by default the kind that its shape shows.

    Raises:
        InvalidArgument: the file is invalid, or its shape fits no kind or several.
    """
    file = Path(path)
    chosen = kind or _kind(file)
    if chosen == CONTAINERS:
        return load_containers_policy(file)
    if chosen == NOTATION:
        from imagesig.policy.files.load_notation import TRUST_STORE, load_notation_policy, notation_folder

        beside = (file if is_folder(file) else file.parent) / TRUST_STORE
        return load_notation_policy(file, beside if is_folder(beside) else notation_folder(os.environ) / TRUST_STORE)
    return load_policy(file)


def _kind(file: Path) -> str:
    data = _read(file, limits.POLICY_BYTES, "policy")
    return kind_of(read_json(data, str(file)).value, str(file)) if _is_json(file, data) else IMAGESIG


def load_containers_policy(path: str | PathLike, *, formats: Iterable[str] = ("cosign",)) -> Rules:
    """See `Policy.from_containers_policy`. Relative key paths are relative to the working folder, as for podman."""
    file = Path(path)
    document = read_json(_read(file, limits.POLICY_BYTES, "policy"), str(file))
    names = (formats,) if isinstance(formats, str) else tuple(formats)
    return parse_containers_policy(document, formats=names, folder=str(Path.cwd()))


def _read_document(file: Path) -> Node:
    """The file as JSON if its name or its first character says so, otherwise as TOML."""
    data = _read(file, limits.POLICY_BYTES, "policy")
    return read_json(data, str(file)) if _is_json(file, data) else read_toml(data, str(file))


def _is_json(file: Path, data: bytes) -> bool:
    return file.suffix == ".json" or (file.suffix != ".toml" and data.lstrip()[:1] == b"{")


def _folder(file: Path) -> str:
    # Links are not resolved: paths are relative to the folder that the user named.
    return str(Path.cwd() / file.parent)


def _real_path(path: str) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:
        return path  # no file can have such a name; reading it will say so


def _read_certificates(name: str) -> bytes:
    return _read(Path(name), limits.CERTIFICATE_FILE_BYTES, "certificates")


def _read(file: Path, limit: int, what: str) -> bytes:
    return read_bounded(file, limit, what, streams=True, explain=usage_error(f"{what} {file}"))
