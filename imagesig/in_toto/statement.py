"""in-toto statements about artifacts. The predicate stays the bytes that its author wrote. Pure.

Spec: in-toto attestation framework, Statement v1 and v0.1. The predicate is not decoded: a reader that decodes and
writes it again changes numbers and loses members. `parse_predicate` decodes it strictly on request.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from imagesig import limits
from imagesig.effort import Cost
from imagesig.encoding.json import go_json, parse, parse_object
from imagesig.encoding.shape import OURS, Shape, refuse_two_spellings
from imagesig.errors import FormatViolation, LimitExceeded, MalformedError
from imagesig.oci.descriptor import parse_annotations
from imagesig.oci.digest import is_digest
from imagesig.redacted import RedactedStruct
from imagesig.signature import StatementClaim, Subject
from imagesig.text import quote

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT_V1 = "https://in-toto.io/Statement/v1"
STATEMENT_V01 = "https://in-toto.io/Statement/v0.1"
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of image signatures, which are not attestations."""
STATEMENTS = (STATEMENT_V1, STATEMENT_V01)
_SUBJECT = Shape.of("name uri digest content downloadLocation mediaType annotations download_location media_type")
_SUBJECT_TEXT = ("name", "uri", "content", "downloadLocation", "download_location", "mediaType", "media_type")
STATEMENT_SHAPE = Shape.of("_type type predicateType predicate_type predicate", subject=_SUBJECT)
_MEMBERS = frozenset({"_type", "subject", "predicateType", "predicate"})
_CHUNK = 1024 * 1024


class Statement(RedactedStruct, frozen=True):
    """A statement. `predicate` is its JSON text as signed; empty if the statement has none, or null."""

    hidden = ("predicate",)

    type: str
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: bytes

    @property
    def claim(self) -> StatementClaim:
        """The statement as the claim of an attestation."""
        return StatementClaim(
            self.subjects,
            predicate_type=self.predicate_type,
            predicate=self.predicate,
            statement_type=self.type,
        )


class _Type(Struct):
    predicateType: str = ""  # noqa: N815 - in-toto's name


class _Predicate(Struct):
    predicate: Raw = Raw(b"")


def parse_statement(payload: bytes | memoryview) -> Statement:
    """The statement in a payload whose signature has been checked.

    Its members are read strictly. The predicate must be JSON; its members are not read.

    Raises:
        MalformedError: it is not strict JSON, or the predicate is not JSON in UTF-8.
        FormatViolation: it is not an in-toto statement.
        LimitExceeded: it has too many subjects, digests or bytes (CVE-2024-45395).
    """
    if len(payload) > limits.ATTESTATION_BYTES:
        raise LimitExceeded(f"statement: {len(payload)} bytes, at most {limits.ATTESTATION_BYTES} are read")
    predicate, rest = _cut_predicate(payload)
    if len(rest) > limits.STATEMENT_REST_BYTES:
        most = limits.STATEMENT_REST_BYTES
        raise LimitExceeded(f"statement: {len(rest)} bytes without the predicate, at most {most} are read")
    document = parse_object(rest, "statement", STATEMENT_SHAPE, nodes=limits.ENVELOPE_NODES)
    if document.get("predicate") is not None:
        # Its bounds are unknown: without this, other readers would see a predicate and this one none.
        raise MalformedError("statement: the name of the member 'predicate' is written with escapes")
    if missing := sorted(_MEMBERS - {"predicate"} - document.keys()):
        raise FormatViolation(f"statement has no member {missing[0]!r}")
    if unknown := sorted(document.keys() - _MEMBERS):
        raise FormatViolation(f"statement has the unknown member {quote(unknown[0])}")
    kind, predicate_type = document["_type"], document["predicateType"]
    if kind not in STATEMENTS:
        raise FormatViolation(f"statement of type {quote(kind)}, {STATEMENT_V1} is needed")
    if not isinstance(predicate_type, str) or not predicate_type:
        raise FormatViolation(f"statement predicateType is {quote(predicate_type)}, text is needed")
    subjects = parse_subjects(document["subject"], needs_sha256=False)
    return Statement(str(kind), subjects, predicate_type, b"" if predicate == b"null" else predicate)


def stated_type(payload: bytes | memoryview) -> str:
    """The type in a statement that cannot be read, as lenient readers see it; empty if they see none. Not for trust."""
    try:
        return msgspec.json.decode(payload, type=_Type).predicateType
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""


def _cut_predicate(payload: bytes | memoryview) -> tuple[bytes, bytes]:
    """The predicate, and the statement with null in its place."""
    # speed: for attestations only (tests/test_start.py)
    from imagesig.encoding.json_cut import find_member, without

    start = find_member(payload, "predicate", "statement")
    if start is None:
        return b"", bytes(payload[: limits.STATEMENT_REST_BYTES + 1])
    try:
        found = memoryview(msgspec.json.decode(payload, type=_Predicate).predicate)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedError(f"statement: not JSON ({error})") from None
    predicate, rest = bytes(found), memoryview(payload)[start:]
    # Of two members with this name the decoder takes the other one: exactly one JSON value must be cut out.
    if any(
        predicate[at : at + _CHUNK] != bytes(rest[: len(found)][at : at + _CHUNK])
        for at in range(0, len(found), _CHUNK)
    ):
        raise MalformedError("statement: it has two members 'predicate'")
    _check_utf8(predicate)
    return predicate, without(payload, start, start + len(found), b"null")


def _check_utf8(text: bytes) -> None:
    if text.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), _CHUNK):
            decoder.decode(text[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise MalformedError("statement predicate: not UTF-8") from None


def parse_subjects(subjects: object, *, needs_sha256: bool) -> tuple[Subject, ...]:
    """The subjects of a statement that name a SHA-256 digest. With `needs_sha256` each of them must.

    Raises:
        FormatViolation: not a list of subjects, or an empty one.
        LimitExceeded: more subjects or digests than sigstore allows (CVE-2024-45395).
    """
    if not isinstance(subjects, list) or not subjects:
        raise FormatViolation(f"statement subject is {quote(subjects)}, a list with at least one entry is needed")
    if len(subjects) > limits.STATEMENT_SUBJECTS:
        raise LimitExceeded(f"statement: {len(subjects)} subjects, at most {limits.STATEMENT_SUBJECTS} are read")
    read = (_subject(item, f"statement subject {number}", needs_sha256) for number, item in enumerate(subjects))
    return tuple(subject for subject in read if subject is not None)


def _subject(value: object, what: str, needs_sha256: bool) -> Subject | None:
    if not isinstance(value, dict):
        raise FormatViolation(f"{what} is {quote(value)}, an object is needed")
    refuse_two_spellings(dict.fromkeys(value), what)
    for name in _SUBJECT_TEXT:
        if not isinstance(value.get(name), str | None):
            raise FormatViolation(f"{what} has the {name} {quote(value[name])}, text is needed")
    digests = value.get("digest")
    if not isinstance(digests, dict) or not digests:
        raise FormatViolation(f"{what} has the digest {quote(digests)}, an object with sha256 is needed")
    if len(digests) > limits.STATEMENT_DIGESTS:
        raise LimitExceeded(f"{what}: {len(digests)} digests, at most {limits.STATEMENT_DIGESTS} are read")
    if not all(isinstance(item, str) for item in digests.values()):
        raise FormatViolation(f"{what} has the digest {quote(digests)}, every one must be text")
    hexadecimal = digests.get("sha256")
    if hexadecimal is None and not needs_sha256:
        return None
    if not is_digest(f"sha256:{hexadecimal}"):
        raise FormatViolation(f"{what} has the sha256 {quote(hexadecimal)}, 64 lower-case hex digits are needed")
    # An attestation's annotations describe the subject; other tools put values of any type there.
    given = value.get("annotations") if needs_sha256 else None
    return Subject(f"sha256:{hexadecimal}", annotations=parse_annotations(given, what))


def statement_bytes(
    subjects: Sequence[Subject],
    predicate_type: str,
    predicate: bytes,
    *,
    statement_type: str = STATEMENT_V01,
    name: str = "",
) -> bytes:
    """The statement with these predicate bytes in it, unchanged. `name` is the subjects' name: `host/repository`."""
    head = go_json(
        {
            "_type": statement_type,
            "subject": [
                ({"name": name} if name else {}) | {"digest": {"sha256": subject.digest.removeprefix("sha256:")}}
                for subject in subjects
            ],
            "predicateType": predicate_type,
        }
    )
    return b'%b,"predicate":%b}' % (head[:-1], predicate.strip(b" \t\r\n") or b"null")


def parse_predicate(predicate: bytes) -> object:
    """The predicate's JSON value, read strictly: no duplicate members, at most `limits.ATTESTATION_NODES` values.

    Raises:
        MalformedError: it is not strict JSON.
        LimitExceeded: it is nested too deeply or has too many values.
    """
    return parse(
        predicate,
        "predicate",
        OURS,
        nodes=limits.ATTESTATION_NODES,
        cost=Cost.STATEMENT_NODES,
        text=limits.ATTESTATION_TEXT_BYTES,
    )
