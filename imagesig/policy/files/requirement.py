"""One requirement of a rule in a policy file: read from its table, and written as one."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from imagesig.format_names import ATTESTATION_READERS, READERS
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.policy.attested import Attested
from imagesig.policy.authority import Authority, check_distinct
from imagesig.policy.enforcement import AUDIT, PERMISSIVE, STRICT, Action, Enforcement
from imagesig.policy.files.document import Node, one_of
from imagesig.policy.files.names import Names
from imagesig.policy.files.parse_authority import Authorities
from imagesig.policy.files.predicate import PREDICATE_FIELDS, parse_predicate_fields, predicate_document
from imagesig.policy.identity import KINDS, OF_IMAGE, Identity
from imagesig.policy.requirement import AcceptAnything, Reject, Requirement, Unsupported
from imagesig.policy.signed import Signed
from imagesig.policy.signers import Signers
from imagesig.text import quote
from imagesig.trust import TimestampAuthorities

FORMATS = READERS
"""The formats that a policy file can name for signatures."""
ATTESTATION_FORMATS = tuple(item.name for item in ATTESTATION_READERS)
"""The formats that a policy file can name for attestations."""

LEVELS = {"strict": STRICT, "permissive": PERMISSIVE, "audit": AUDIT}
CHECKS = ("authenticity", "authentic_timestamp", "expiry", "revocation")
ACTIONS = {action.value: action for action in Action}

REJECT_ALL, ACCEPT_ALL = "reject", "insecureAcceptAnything"
"""A rule that refuses or accepts every image has one of these texts instead of a list of requirements."""

_HOW_MANY = ("any", "all", "threshold")
_BOTH = (*_HOW_MANY, "of", "formats", "identity", "timestamps", "enforcement")
_OF_SIGNATURES = ("annotations",)
_OF_ATTESTATIONS = ("predicate_type", *PREDICATE_FIELDS)


def parse_requirement(node: Node, authorities: Authorities) -> Signed | Attested:
    """The requirement of a table: for attestations if it has a predicate type. Raises as `parse_policy` does."""
    fields = node.table((*_BOTH, *_OF_SIGNATURES, *_OF_ATTESTATIONS))
    is_attested = "predicate_type" in fields
    for name in _OF_SIGNATURES if is_attested else _OF_ATTESTATIONS:
        if name in fields:
            how = "is not allowed together with" if is_attested else "is not allowed without"
            raise fields[name].refused(f"{how} 'predicate_type'")
    signers, threshold = _signers(node, fields, authorities)
    timestamps = _timestamps(fields["timestamps"], authorities) if "timestamps" in fields else None
    enforcement = _enforcement(fields["enforcement"]) if "enforcement" in fields else STRICT
    choices = ATTESTATION_FORMATS if is_attested else FORMATS
    formats = _formats(fields["formats"], choices) if "formats" in fields else ()
    identity = parse_identity(fields["identity"]) if "identity" in fields else OF_IMAGE
    if is_attested:
        about = parse_predicate_fields(fields)
        return node.made(
            lambda: Attested(signers, threshold, formats, timestamps, enforcement, identity=identity, **about)
        )
    return Signed(
        signers,
        threshold,
        formats,
        timestamps,
        enforcement,
        annotations=_annotations(fields["annotations"]) if "annotations" in fields else NO_ANNOTATIONS,
        identity=identity,
    )


def _signers(node: Node, fields: dict[str, Node], authorities: Authorities) -> tuple[tuple[Authority, ...], int | None]:
    """The authorities and the threshold."""
    kind = one_of(node, fields, _HOW_MANY)
    if kind == "threshold" and "of" not in fields:
        raise node.refused("'threshold' also needs 'of', the list of authority names")
    if kind != "threshold" and "of" in fields:
        raise fields["of"].refused(f"is not allowed together with {kind!r}")
    listed = fields["of" if kind == "threshold" else kind]
    names = listed.distinct_texts()
    for item in listed.items():
        item_name = item.text()
        if item_name not in authorities.signers:
            raise item.refused(
                f"no authority has the name {quote(item_name)}",
                hint=f"define authorities.{item_name}; there are: {', '.join(authorities.signers) or 'none'}",
            )
    signers = tuple(authorities.signers[name] for name in names)
    threshold = fields["threshold"].count() if kind == "threshold" else 1 if kind == "any" else None
    if threshold is not None and threshold > len(signers):
        raise fields[kind].refused(f"{threshold}, but 'of' lists only {len(signers)}")
    needed = len(signers) if threshold is None else threshold
    # No key is opened yet: files and URIs are compared by place, keys in the policy itself by value.
    listed.made(lambda: check_distinct(tuple(authorities.placed[name] for name in names), needed))
    return signers, threshold


def _annotations(node: Node) -> Annotations:
    members = node.members()
    if not members:
        raise node.refused("the table is empty", hint="add an entry or remove the field")
    for member in members.values():
        if not isinstance(member.value, str):
            raise member.refused("text is needed as the value of an annotation", hint="put it in quotes")
    return Annotations({name: str(member.value) for name, member in members.items()})


def parse_identity(node: Node) -> Identity:
    """The identity of a name, or of a table with `type` and the fields of that kind."""
    if isinstance(node.value, str):
        kind = KINDS[node.choice(tuple(KINDS))]
        if needed := kind.__struct_fields__:
            raise node.refused(f"{kind.kind} needs a table with type, {', '.join(needed)}")
        return kind.of_texts()
    every = dict.fromkeys(field for kind in KINDS.values() for field in kind.__struct_fields__)
    fields = node.table(("type", *every), needed=("type",))
    kind = KINDS[fields["type"].choice(tuple(KINDS))]
    fields = node.table(("type", *kind.__struct_fields__), needed=kind.__struct_fields__)
    texts = [fields[name].text() for name in kind.__struct_fields__]
    return node.made(lambda: kind.of_texts(*texts))


def _formats(node: Node, choices: tuple[str, ...]) -> tuple[str, ...]:
    for item in node.items():
        item.choice(choices)
    return node.distinct_texts()


def _timestamps(node: Node, authorities: Authorities) -> TimestampAuthorities:
    fields = node.table(("any", "after_expiry_only"), needed=("any",))
    names = fields["any"].distinct_texts()
    for item in fields["any"].items():
        if item.text() not in authorities.timestamps:
            raise item.refused(
                f"no timestamp authority has the name {quote(item.text())}",
                hint=f"define timestamp_authorities.{item.text()}; there are: "
                f"{', '.join(authorities.timestamps) or 'none'}",
            )
    certificates = dict.fromkeys(item for name in names for item in authorities.timestamps[name])
    only = fields["after_expiry_only"].boolean() if "after_expiry_only" in fields else False
    return TimestampAuthorities(tuple(certificates), only)


def _enforcement(node: Node) -> Enforcement:
    if isinstance(node.value, str):
        return LEVELS[node.choice(tuple(LEVELS))]
    fields = node.table(("level", *CHECKS))
    enforcement = LEVELS[fields["level"].choice(tuple(LEVELS))] if "level" in fields else STRICT
    actions = {name: ACTIONS[fields[name].choice(tuple(ACTIONS))] for name in CHECKS if name in fields}
    if actions.get("authenticity") is Action.SKIP:
        raise fields["authenticity"].refused(
            "authenticity cannot be skipped", hint="log it, or require nothing: require = 'insecureAcceptAnything'"
        )
    return replace(enforcement, **actions)


def requirement_document(requirement: Requirement, names: Names) -> dict[str, object] | None:
    """The table for the requirement; None if only a whole rule can express it, with one text."""
    match requirement:
        case AcceptAnything() | Reject() | Unsupported():
            return None
        case Signed():
            return {**_who(requirement, names), **_signed_document(requirement), **_how(requirement, names)}
        case Attested():
            return {**_who(requirement, names), **predicate_document(requirement), **_how(requirement, names)}
        case _:
            assert_never(requirement)


def _who(requirement: Signers, names: Names) -> dict[str, object]:
    signers = list(dict.fromkeys(names.signer(item) for item in requirement.authorities))
    if requirement.threshold is None:
        return {"all": signers}
    return {"any": signers} if requirement.threshold == 1 else {"threshold": requirement.threshold, "of": signers}


def _signed_document(requirement: Signed) -> dict[str, object]:
    document: dict[str, object] = {}
    if requirement.annotations:
        document["annotations"] = dict(requirement.annotations)
    return document


def _how(requirement: Signed | Attested, names: Names) -> dict[str, object]:
    document: dict[str, object] = {}
    if requirement.identity != OF_IMAGE:
        identity = requirement.identity
        document["identity"] = {"type": identity.kind, **identity.texts} if identity.texts else identity.kind
    if requirement.formats:
        document["formats"] = list(requirement.formats)
    if requirement.timestamps:
        timestamps: dict[str, object] = {"any": [names.timestamp(requirement.timestamps.certificates)]}
        if requirement.timestamps.after_expiry_only:
            timestamps["after_expiry_only"] = True
        document["timestamps"] = timestamps
    if requirement.enforcement != STRICT:
        document["enforcement"] = next(
            (name for name, level in LEVELS.items() if level == requirement.enforcement),
            {name: getattr(requirement.enforcement, name).value for name in CHECKS},
        )
    return document
