"""The options of the public functions as types, for functions that pass them on: their twins in `aio`, and `*_many`.

A test holds each type and the signature of its function together. Only type checkers import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Any, TypedDict

from imagesig.api.copying import Admit
from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.formats import Format
from imagesig.images.open import Transport
from imagesig.images.transfer import BlobCount
from imagesig.policy import KeyLike
from imagesig.witnesses import Witnesses


class SignOptions(TypedDict, total=False):
    """Of `sign` and `sign_many`."""

    formats: Iterable[str | Format]
    annotations: Mapping[str, str]
    identity: str
    recursive: bool
    dry_run: bool
    replace: KeyLike | Sequence[KeyLike]
    now: datetime | None
    witnesses: Witnesses | None


class SignManyOptions(SignOptions, total=False):
    """Of `sign_many`."""

    workers: int
    deadline: float | None
    transport: Transport | None


class VerifyOptions(TypedDict, total=False):
    """Of `verify` and `verify_many`."""

    platform: str
    allow_unverified: bool
    now: datetime | None
    witnesses: Witnesses | None


class VerifyManyOptions(VerifyOptions, total=False):
    """Of `verify_many`."""

    workers: int
    executor: Executor | None
    deadline: float | None
    transport: Transport | None
    open_keys: OpenPublicKeys
    in_order: bool


class InspectOptions(TypedDict, total=False):
    """Of `inspect`."""

    recursive: bool
    allow_incomplete: bool


class CopyOptions(TypedDict, total=False):
    """Of `copy`."""

    all_platforms: bool
    platform: str
    signatures: bool
    admit: Admit | None
    timeout: float | None
    transport: Mapping[str, Any] | None
    progress: Callable[[BlobCount], None] | None


class RemoveOptions(TypedDict, total=False):
    """Of `remove`."""

    key: KeyLike | None
    all: bool
    recursive: bool
    dry_run: bool
    now: datetime | None
