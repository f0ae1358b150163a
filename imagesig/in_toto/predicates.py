"""Types of predicates by short names, and the shape of each. Pure.

The names and types are cosign's (`--type`). A further type is one line in `PREDICATES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw, Struct

from imagesig import limits
from imagesig.encoding.json import BYTE_ORDER_MARKS, parse
from imagesig.encoding.shape import OURS
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError
from imagesig.in_toto.statement import SIGN_PREDICATE
from imagesig.text import quote

_Check = Callable[[Mapping[str, Raw], str], None]
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f\ud800-\udfff]+")
"""A URI. Half of a surrogate pair, made of a byte that is not UTF-8, would be signed as another character."""
_KINDS = {ord("{"): "object", ord("["): "list", ord('"'): "text"}


def _requires(**members: str) -> _Check:
    """A check that an object has these members, each of its kind. `builder__id` is the member `id` of `builder`."""

    def check(value: Mapping[str, Raw], what: str) -> None:
        for path, kind in members.items():
            names = path.split("__")
            found: Mapping[str, Raw] = value
            where = what
            for name in names[:-1]:
                found, where = _object(bytes(found[name]), f"{where}.{name}"), f"{where}.{name}"
            _check_member(found, names[-1], kind, where)

    return check


def _check_member(value: Mapping[str, Raw], name: str, kind: str, what: str) -> None:
    if name not in value:
        raise InvalidArgument(f"{what} has no member {name!r}, {kind} is needed")
    seen = memoryview(value[name])
    if _KINDS.get(seen[0]) != kind:
        raise InvalidArgument(
            f"{what}.{name} is {quote(bytes(seen[:80]).decode('utf-8', 'replace'))}, {kind} is needed"
        )


class PredicateType(Struct, frozen=True):
    """A type: its short name, its URI, and the check of its predicates."""

    name: str
    uri: str
    check: _Check


def _object(text: bytes, what: str) -> dict[str, Raw]:
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable(text, what, str(error)) from None


def _unreadable(text: bytes, what: str, said: str) -> InvalidArgument:
    """The error for what is no JSON object, in the words of our strict parser if that refuses it too."""
    if text.startswith(BYTE_ORDER_MARKS):
        said = f"{what}: it begins with a byte order mark; a JSON object is needed"
        return InvalidArgument(said, hint="save it as UTF-8 without the mark")
    reason = f"{what}: {said}"
    try:
        parse(text, what, OURS)
    except (MalformedError, LimitExceeded) as error:
        reason = str(error)
    return InvalidArgument(f"{reason}; a JSON object is needed")


_PROVENANCE_02 = _requires(builder="object", builder__id="text", buildType="text")
_PROVENANCE_1 = _requires(
    buildDefinition="object", buildDefinition__buildType="text", runDetails="object", runDetails__builder="object"
)
_SPDX_2 = _requires(spdxVersion="text", SPDXID="text")
_SPDX_3 = _requires(**{"@graph": "list"})


def _check_spdx(value: Mapping[str, Raw], what: str) -> None:
    """SPDX 3 is JSON-LD: it has a context and a graph, and its version is inside."""
    (_SPDX_3 if {"@context", "@graph"} <= value.keys() else _SPDX_2)(value, what)


PREDICATES = (
    PredicateType("custom", "https://cosign.sigstore.dev/attestation/v1", _requires()),
    PredicateType("slsaprovenance", "https://slsa.dev/provenance/v0.2", _PROVENANCE_02),
    PredicateType("slsaprovenance02", "https://slsa.dev/provenance/v0.2", _PROVENANCE_02),
    PredicateType("slsaprovenance1", "https://slsa.dev/provenance/v1", _PROVENANCE_1),
    PredicateType("link", "https://in-toto.io/Link/v1", _requires(name="text", materials="object", products="object")),
    PredicateType("spdx", "https://spdx.dev/Document", _check_spdx),
    PredicateType("spdxjson", "https://spdx.dev/Document", _check_spdx),
    PredicateType("cyclonedx", "https://cyclonedx.org/bom", _requires(bomFormat="text", specVersion="text")),
    PredicateType(
        "vuln",
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        _requires(invocation="object", scanner="object", metadata="object"),
    ),
    PredicateType("openvex", "https://openvex.dev/ns", _requires(**{"@context": "text"}, statements="list")),
)
_BY_NAME = {item.name: item for item in PREDICATES}
_BY_URI = {item.uri: item for item in PREDICATES}
PREDICATE_NAMES = tuple(_BY_NAME)


def predicate_type(name_or_uri: str) -> str:
    """The URI of a type that is given by its short name or by its URI.

    Raises:
        InvalidArgument: neither a known name nor a URI, or the type of image signatures.
    """
    if name_or_uri in _BY_NAME:
        return _BY_NAME[name_or_uri].uri
    if name_or_uri == SIGN_PREDICATE:
        raise InvalidArgument(
            f"predicate type {SIGN_PREDICATE} is a signature of an image, not an attestation", hint="use imagesig sign"
        )
    if not _SCHEME.fullmatch(name_or_uri) or len(name_or_uri) > limits.PREDICATE_TYPE_CHARACTERS:
        raise InvalidArgument(
            f"predicate type {quote(name_or_uri)}: a URI or a known name is needed",
            hint=f"choose from {', '.join(PREDICATE_NAMES)}, or give the URI of the type",
        )
    return name_or_uri


def check_predicate(uri: str, predicate: bytes) -> None:
    """Returns if the predicate is a JSON object with the shape of its type.

    Raises:
        InvalidArgument: it is not, with the member that is missing or of another kind.
    """
    what = f"predicate of type {uri}"
    if uri == _BY_NAME["spdx"].uri and not predicate.lstrip().startswith(b"{"):
        raise InvalidArgument(
            f"{what}: {quote(predicate[:40].decode('utf-8', 'replace'))}, a JSON object is needed",
            hint="convert SPDX tag-value text to SPDX JSON first: verifiers cannot read it in an attestation",
        )
    found = _object(predicate, what)
    if uri in (_BY_NAME["slsaprovenance"].uri, _BY_NAME["slsaprovenance1"].uri) and "predicateType" in found:
        raise InvalidArgument(
            f"{what}: it is a whole statement (it has the member 'predicateType'), its predicate is needed",
            hint="give a whole statement with --statement, or statement= in attest",
        )
    if uri in _BY_URI:
        _BY_URI[uri].check(found, what)


def short_name(uri: str) -> str:
    """The short name of a type, or the URI of one that has none."""
    return next((item.name for item in PREDICATES if item.uri == uri), uri)
