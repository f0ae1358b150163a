"""The options of functions that sign and attest images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from imagesig.api.attest.attesting_job import StatementVersion
from imagesig.api.sign.signing_many import OnKeyError
from imagesig.crypto.certificate import Certificate
from imagesig.formats import Format
from imagesig.images.open import TransportLike
from imagesig.policy import KeyLike
from imagesig.witnesses import Witnesses


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
