"""The options of `attest` and `attest_many`, checked before anything is read or written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from msgspec.structs import replace

from imagesig import limits
from imagesig.api.removing import anchors_of
from imagesig.api.sign.signing_job import SigningJob
from imagesig.arguments import checks_options_of
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError, SignatureRejected
from imagesig.format_names import ATTESTATION_NAMES, Purpose
from imagesig.formats import Format, select_formats
from imagesig.in_toto.predicates import check_predicate
from imagesig.in_toto.predicates import predicate_type as type_named
from imagesig.in_toto.statement import STATEMENT_V01, STATEMENT_V1, parse_predicate, parse_statement, statement_bytes
from imagesig.keys.provider import SigningKey
from imagesig.oci.annotations import NO_ANNOTATIONS
from imagesig.signature import StatementClaim, Subject
from imagesig.text import quote

DEFAULT_ATTESTATION_FORMATS = tuple(item.name for item in ATTESTATION_NAMES if item.signs_by_default)

StatementVersion = Literal["v1", "v0.1"]
_VERSIONS = {"v1": STATEMENT_V1, "v0.1": STATEMENT_V01}
_ANY_DIGEST = "sha256:" + 64 * "0"


@checks_options_of("attest")
def attesting_job(
    *,
    predicate_type: str = "",
    predicate: bytes | Mapping[str, Any] | None = None,
    statement: bytes = b"",
    statement_version: StatementVersion = "v1",
    formats: Iterable[str | Format] = DEFAULT_ATTESTATION_FORMATS,
    recursive: bool = False,
    dry_run: bool = False,
    now: datetime | None = None,
) -> SigningJob:
    """The options of `attest`, checked. Raises `InvalidArgument`."""
    given = formats if isinstance(formats, str) else tuple(formats)
    claim = statement_claim(predicate_type, predicate, statement, statement_version)
    if statement and recursive:
        raise InvalidArgument(
            "attest: a whole statement names its own subjects, it cannot be signed for every image of an index",
            hint="give the predicate alone, or attest without recursive",
        )
    return SigningJob(
        formats=select_formats(given, Purpose.ATTESTATION),
        annotations=NO_ANNOTATIONS,
        identity="",
        recursive=recursive,
        dry_run=dry_run,
        replaced_keys=None,
        now=now or datetime.now(UTC),
        witnesses=None,
        chosen=formats is not DEFAULT_ATTESTATION_FORMATS,
        statement=claim,
    )


def statement_claim(
    name_or_uri: str, predicate: bytes | Mapping[str, Any] | None, statement: bytes, version: StatementVersion
) -> StatementClaim:
    """The claim to sign, without its subject. Arguments are as of `attest`. Raises `InvalidArgument`."""
    if not statement:
        if predicate is None or not name_or_uri:
            raise InvalidArgument(
                "attest: no predicate or no predicate type was given",
                hint="give both the predicate and its type, or a whole statement",
            )
        return _claim_of(name_or_uri, predicate, version)
    if name_or_uri or predicate is not None:
        raise InvalidArgument("attest: a statement and a predicate were given, exactly one of them is needed")
    return _claim_of_whole(statement)


def replacing_own(job: SigningJob, key: SigningKey) -> SigningJob:
    """The job, which also replaces older attestations by this key with the same type."""
    return replace(job, replaced_keys=anchors_of([key]))


def _claim_of(name_or_uri: str, predicate: bytes | Mapping[str, Any], version: StatementVersion) -> StatementClaim:
    if version not in get_args(StatementVersion):
        raise InvalidArgument(f"attest: statement_version {quote(version)}: v1 or v0.1 is needed")
    uri, text = type_named(name_or_uri), _text(predicate)
    check_predicate(uri, text)
    kind = _VERSIONS[version]
    _check_readable(statement_bytes((Subject(_ANY_DIGEST),), uri, text, statement_type=kind), text)
    return StatementClaim((), predicate_type=uri, predicate=text, statement_type=kind)


def _text(predicate: bytes | Mapping[str, Any]) -> bytes:
    """The predicate as JSON text: bytes as they are, without blanks around them."""
    if isinstance(predicate, bytes):
        return predicate.strip(b" \t\r\n")
    try:
        text = json.dumps(dict(predicate), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"predicate: {error}; JSON values are needed") from None
    _check_names(predicate)
    return text


def _check_names(predicate: Mapping[str, Any]) -> None:
    """Returns if all names of members are text. `json` makes text of numbers, of None and of true."""
    left: list[object] = [predicate]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            if wrong := [name for name in value if not isinstance(name, str)]:
                raise InvalidArgument(f"predicate: a member is named {quote(wrong[0])}, names are text in JSON")
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value


def _claim_of_whole(statement: bytes) -> StatementClaim:
    try:
        read = parse_statement(statement)
    except (MalformedError, SignatureRejected) as error:
        raise InvalidArgument(f"attest: {error}", hint=error.hint) from error
    if not read.predicate:
        raise InvalidArgument("statement: no predicate, a JSON object is needed")
    uri = type_named(read.predicate_type)
    if uri != read.predicate_type:
        raise InvalidArgument(
            f"statement: its predicateType is {quote(read.predicate_type)}, {uri} is needed",
            hint="verifiers compare the type with the URI, also if they are asked for the short name",
        )
    check_predicate(uri, read.predicate)
    _check_readable(statement, read.predicate)
    claim = read.claim
    return StatementClaim(
        claim.subjects,
        predicate_type=claim.predicate_type,
        predicate=claim.predicate,
        statement_type=claim.statement_type,
        whole=statement,
    )


def _check_readable(statement: bytes, predicate: bytes) -> None:
    """Raises `InvalidArgument` for what verifiers would refuse, or read in different ways."""
    if len(statement) > limits.ATTESTATION_BYTES:
        raise InvalidArgument(
            f"statement: {len(statement)} bytes, verifiers read at most {limits.ATTESTATION_BYTES}",
            hint="split the predicate, or attest its digest and store it elsewhere",
        )
    try:
        parse_statement(statement)
        parse_predicate(predicate)
    except LimitExceeded:
        pass  # deeper, or with more values, than conditions on the predicate can read: it is still valid
    except (MalformedError, SignatureRejected) as error:
        raise InvalidArgument(str(error), hint="give the predicate as strict JSON in UTF-8") from error
