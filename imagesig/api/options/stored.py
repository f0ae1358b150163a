"""The options of functions that read, copy and remove what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from imagesig.api.copying import Admit
from imagesig.images.open import TransportLike
from imagesig.images.transfer import BlobCount
from imagesig.policy import KeyLike


class SessionInspectOptions(TypedDict, total=False):
    """Of `Session.inspect`."""

    recursive: bool
    allow_incomplete: bool
    timeout: float | None


class InspectOptions(SessionInspectOptions, total=False):
    """Of `inspect`."""

    transport: TransportLike | None


class SessionTreeOptions(TypedDict, total=False):
    """Of `Session.tree`."""

    allow_incomplete: bool
    timeout: float | None


class TreeOptions(SessionTreeOptions, total=False):
    """Of `tree`."""

    transport: TransportLike | None


class SessionDownloadOptions(TypedDict, total=False):
    """Of `Session.download`."""

    predicate_type: str
    allow_incomplete: bool
    timeout: float | None


class DownloadOptions(SessionDownloadOptions, total=False):
    """Of `download`."""

    transport: TransportLike | None


class SessionCopyOptions(TypedDict, total=False):
    """Of `Session.copy`."""

    all_platforms: bool
    platform: str
    signatures: bool
    admit: Admit | None
    timeout: float | None
    progress: Callable[[BlobCount], None] | None


class CopyOptions(SessionCopyOptions, total=False):
    """Of `copy`."""

    transport: TransportLike | None
    source_transport: TransportLike | None
    destination_transport: TransportLike | None


class SessionRemoveOptions(TypedDict, total=False):
    """Of `Session.remove`."""

    key: KeyLike | None
    all: bool
    recursive: bool
    dry_run: bool
    now: datetime | None
    timeout: float | None


class RemoveOptions(SessionRemoveOptions, total=False):
    """Of `remove`."""

    transport: TransportLike | None


class SessionRemoveManyOptions(SessionRemoveOptions, total=False):
    """Of `Session.remove_many`."""

    workers: int
    deadline: float | None


class RemoveManyOptions(RemoveOptions, total=False):
    """Of `remove_many`."""

    workers: int
    deadline: float | None
