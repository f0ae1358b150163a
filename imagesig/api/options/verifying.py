"""The options of functions that verify images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from datetime import datetime
from typing import TypedDict

from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.content_trust.servers import TrustServers
from imagesig.images.open import TransportLike
from imagesig.policy import Condition
from imagesig.witnesses import Witnesses


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
