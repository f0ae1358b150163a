"""One requirement of a rule in a policy file: read from its table, and written as one."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from imagesig.format_names import READERS
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.policy.authority import check_distinct
from imagesig.policy.enforcement import AUDIT, PERMISSIVE, STRICT, Action, Enforcement
from imagesig.policy.files.document import Node, one_of
from imagesig.policy.files.names import Names
from imagesig.policy.files.parse_authority import Authorities
from imagesig.policy.identity import KINDS, OF_IMAGE, Identity
from imagesig.policy.requirement import AcceptAnything, Reject, Requirement, Unsupported
from imagesig.policy.signed import Signed
from imagesig.text import quote
from imagesig.trust import TimestampAuthorities

FORMATS = READERS
"""The formats that a policy file can name."""

LEVELS = {"strict": STRICT, "permissive": PERMISSIVE, "audit": AUDIT}
CHECKS = ("authenticity", "authentic_timestamp", "expiry", "revocation")
ACTIONS = {action.value: action for action in Action}

REJECT_ALL, ACCEPT_ALL = "reject", "insecureAcceptAnything"
"""A rule that refuses or accepts every image has one of these texts instead of a list of requirements."""

_HOW_MANY = ("any", "all", "threshold")
_FIELDS = (*_HOW_MANY, "of", "annotations", "identity", "formats", "timestamps", "enforcement")


def parse_requirement(node: Node, authorities: Authorities) -> Signed:
    """The requirement of a table. Raises as `parse_policy` does."""
    fields = node.table(_FIELDS)
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
    return Signed(
        signers,
        threshold,
        _formats(fields["formats"]) if "formats" in fields else (),
        _timestamps(fields["timestamps"], authorities) if "timestamps" in fields else None,
        _enforcement(fields["enforcement"]) if "enforcement" in fields else STRICT,
        annotations=_annotations(fields["annotations"]) if "annotations" in fields else NO_ANNOTATIONS,
        identity=parse_identity(fields["identity"]) if "identity" in fields else OF_IMAGE,
    )


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


def _formats(node: Node) -> tuple[str, ...]:
    for item in node.items():
        item.choice(FORMATS)
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
            return _signed_document(requirement, names)
        case _:
            assert_never(requirement)


def _signed_document(requirement: Signed, names: Names) -> dict[str, object]:
    signers = list(dict.fromkeys(names.signer(item) for item in requirement.authorities))
    if requirement.threshold is None:
        document: dict[str, object] = {"all": signers}
    elif requirement.threshold == 1:
        document = {"any": signers}
    else:
        document = {"threshold": requirement.threshold, "of": signers}
    if requirement.annotations:
        document["annotations"] = dict(requirement.annotations)
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
