"""The options of the public functions as types, for functions that pass them on: their twins in `aio`, and `*_many`.

A test holds each type and the signature of its function together. Only type checkers import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from imagesig.api.copying import Admit
from imagesig.api.sign.signing_many import OnKeyError
from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.content_trust.servers import TrustServers
from imagesig.crypto.certificate import Certificate
from imagesig.formats import Format
from imagesig.images.open import TransportLike
from imagesig.images.transfer import BlobCount
from imagesig.policy import KeyLike
from imagesig.witnesses import Witnesses


class SessionMigrateTrustOptions(TypedDict, total=False):
    """Of `Session.migrate_trust`."""

    formats: Iterable[str | Format]
    recursive: bool
    dry_run: bool
    accept_expired: bool
    now: datetime | None
    workers: int
    deadline: float | None
    timeout: float | None
    on_key_error: OnKeyError


class MigrateTrustOptions(SessionMigrateTrustOptions, total=False):
    """Of `migrate_trust`."""

    witnesses: Witnesses | None
    trust_servers: TrustServers | None
    transport: TransportLike | None


class _SessionSigningJobOptions(TypedDict, total=False):
    """What is the same for all images of a run."""

    formats: Iterable[str | Format]
    annotations: Mapping[str, str]
    identity: str
    recursive: bool
    dry_run: bool
    replace: KeyLike | Sequence[KeyLike]
    now: datetime | None


class SigningJobOptions(_SessionSigningJobOptions, total=False):
    """Of a run of signing."""

    witnesses: Witnesses | None


class SessionSignOptions(_SessionSigningJobOptions, total=False):
    """Of `Session.sign`."""

    timeout: float | None


class SignOptions(SigningJobOptions, total=False):
    """Of `sign` and `sign_many`."""

    transport: TransportLike | None
    timeout: float | None


class SignManyOptions(SignOptions, total=False):
    """Of `sign_many`."""

    workers: int
    deadline: float | None
    on_key_error: OnKeyError


class SessionSignManyOptions(SessionSignOptions, total=False):
    """Of `Session.sign_many`."""

    workers: int
    deadline: float | None
    on_key_error: OnKeyError


class SessionPayloadOptions(TypedDict, total=False):
    """Of `Session.generate_payload`."""

    annotations: Mapping[str, str]
    identity: str
    timeout: float | None


class PayloadOptions(SessionPayloadOptions, total=False):
    """Of `generate_payload`."""

    transport: TransportLike | None


class SessionAttachOptions(SessionPayloadOptions, total=False):
    """Of `Session.attach`."""

    key: KeyLike | None
    payload: bytes
    chain: bytes | str | Path | Sequence[Certificate]
    now: datetime | None


class AttachOptions(SessionAttachOptions, total=False):
    """Of `attach`."""

    transport: TransportLike | None


class SessionVerifyOptions(TypedDict, total=False):
    """Of `Session.verify`."""

    platform: str
    allow_unverified: bool
    now: datetime | None
    timeout: float | None


class VerifyOptions(SessionVerifyOptions, total=False):
    """Of `verify` and `verify_many`."""

    witnesses: Witnesses | None
    trust_servers: TrustServers | None
    transport: TransportLike | None
    open_keys: OpenPublicKeys


class VerifyManyOptions(VerifyOptions, total=False):
    """Of `verify_many`."""

    workers: int
    executor: Executor | None
    deadline: float | None
    in_order: bool


class SessionVerifyManyOptions(SessionVerifyOptions, total=False):
    """Of `Session.verify_many`."""

    workers: int
    deadline: float | None
    in_order: bool


class SessionInspectOptions(TypedDict, total=False):
    """Of `Session.inspect`."""

    recursive: bool
    allow_incomplete: bool
    timeout: float | None


class InspectOptions(SessionInspectOptions, total=False):
    """Of `inspect`."""

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


class SessionExplainOptions(TypedDict, total=False):
    """Of `Session.explain`."""

    now: datetime | None
    timeout: float | None


class ExplainOptions(SessionExplainOptions, total=False):
    """Of `explain`."""

    open_keys: OpenPublicKeys
    witnesses: Witnesses | None
    trust_servers: TrustServers | None
    transport: TransportLike | None
