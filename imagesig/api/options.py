"""The options of the public functions as types, for functions that pass them on: their twins in `aio`, and `*_many`.

A test holds each type and the signature of its function together. Only type checkers import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from imagesig.api.attest.attesting_job import StatementVersion
from imagesig.api.copying import Admit
from imagesig.api.sign.signing_many import OnKeyError
from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.content_trust.servers import TrustServers
from imagesig.crypto.certificate import Certificate
from imagesig.formats import Format
from imagesig.images.open import TransportLike
from imagesig.images.transfer import BlobCount
from imagesig.keys import SigningKey
from imagesig.naming import PathLike
from imagesig.policy import Condition, KeyLike
from imagesig.trust import ContentTrust
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


class AttestingJobOptions(TypedDict, total=False):
    """Of a run of attesting: what is the same for all its images."""

    predicate_type: str
    predicate: bytes | Mapping[str, Any] | None
    statement: bytes
    statement_version: StatementVersion
    formats: Iterable[str | Format]
    recursive: bool
    dry_run: bool
    now: datetime | None


class SessionAttestOptions(AttestingJobOptions, total=False):
    """Of `Session.attest`."""

    replace: bool
    timeout: float | None


class AttestOptions(SessionAttestOptions, total=False):
    """Of `attest` and `attest_many`."""

    transport: TransportLike | None


class AttestManyOptions(AttestOptions, total=False):
    """Of `attest_many`."""

    workers: int
    deadline: float | None
    on_key_error: OnKeyError


class SessionAttestManyOptions(SessionAttestOptions, total=False):
    """Of `Session.attest_many`."""

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


class SessionVerifyAttestationOptions(SessionVerifyOptions, total=False):
    """Of `Session.verify_attestation`."""

    predicate_type: str
    conditions: Iterable[Condition | Mapping[str, object]]
    cel: str | Iterable[str]
    every: bool


class VerifyAttestationOptions(SessionVerifyAttestationOptions, total=False):
    """Of `verify_attestation`."""

    witnesses: Witnesses | None
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


class SignBlobOptions(TypedDict, total=False):
    """Of `sign_blob`."""

    certificates: bool
    timeout: float


class AttestBlobOptions(TypedDict, total=False):
    """Of `attest_blob`."""

    predicate_type: str
    predicate: bytes | Mapping[str, Any] | None
    statement: bytes
    statement_version: StatementVersion
    certificates: bool
    now: datetime | None
    timeout: float


class VerifyBlobOptions(TypedDict, total=False):
    """Of `verify_blob`."""

    signature: bytes | str | None
    bundle: bytes | str | PathLike | None
    chain: bytes | str | Path | Sequence[Certificate]
    predicate_type: str
    conditions: Iterable[Condition | Mapping[str, object]]
    cel: str | Iterable[str]
    now: datetime | None
    witnesses: Witnesses | None
    open_keys: OpenPublicKeys
    timeout: float


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


class TrustChangeOptions(TypedDict, total=False):
    """Of `revoke_trust`, `add_signer` and `init_trust`."""

    trust: ContentTrust | None
    server: str
    now: datetime | None
    trust_servers: TrustServers | None
    timeout: float


class SignTrustOptions(TrustChangeOptions, total=False):
    """Of `sign_trust`."""

    transport: TransportLike | None


class RemoveSignerOptions(TrustChangeOptions, total=False):
    """Of `remove_signer`."""

    force: bool


class RotateTrustKeyOptions(TrustChangeOptions, total=False):
    """Of `rotate_trust_key`."""

    new_key: SigningKey | None
