"""The options of functions about files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from imagesig.api.attest.attesting_job import StatementVersion
from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.crypto.certificate import Certificate
from imagesig.naming import PathLike
from imagesig.policy import Condition
from imagesig.witnesses import Witnesses


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
