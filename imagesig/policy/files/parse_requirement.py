"""One requirement of a rule in a policy file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from imagesig.format_names import READERS
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.policy.authority import check_distinct
from imagesig.policy.enforcement import AUDIT, PERMISSIVE, STRICT, Action, Enforcement
from imagesig.policy.files.document import Node, one_of
from imagesig.policy.files.parse_authority import Authorities
from imagesig.policy.identity import IDENTITY_FIELDS, Identity, IdentityKind
from imagesig.policy.requirement import Signed
from imagesig.trust import TimestampAuthorities

FORMATS = READERS
"""The formats that a policy file can name."""

LEVELS = {"strict": STRICT, "permissive": PERMISSIVE, "audit": AUDIT}
CHECKS = ("authenticity", "authentic_timestamp", "expiry", "revocation")
ACTIONS = {action.value: action for action in Action}

_COUNTS = ("any", "all", "threshold")
_FIELDS = (*_COUNTS, "of", "annotations", "identity", "formats", "timestamps", "enforcement")

IDENTITY_MAKERS: Mapping[IdentityKind, Callable[..., Identity]] = {
    IdentityKind.OF_IMAGE: Identity.of_image,
    IdentityKind.EXACTLY: Identity.exactly,
    IdentityKind.ANY: Identity.any,
    IdentityKind.MATCH_EXACT: Identity.match_exact,
    IdentityKind.MATCH_REPO_DIGEST_OR_EXACT: Identity.match_repo_digest_or_exact,
    IdentityKind.MATCH_REPOSITORY: Identity.match_repository,
    IdentityKind.EXACT_REFERENCE: Identity.exact_reference,
    IdentityKind.EXACT_REPOSITORY: Identity.exact_repository,
    IdentityKind.REMAP_IDENTITY: Identity.remap_identity,
}


def parse_requirement(node: Node, authorities: Authorities) -> Signed:
    """The requirement that a table says. Raises as `parse_policy` does."""
    fields = node.table(_FIELDS)
    kind = one_of(node, fields, _COUNTS)
    if kind == "threshold" and "of" not in fields:
        raise node.refused("beside threshold the field 'of' is needed, with the names of the authorities")
    if kind != "threshold" and "of" in fields:
        raise fields["of"].refused(f"has no use beside {kind}")
    listed = fields["of" if kind == "threshold" else kind]
    names = listed.distinct_texts()
    for item in listed.items():
        item_name = item.text()
        if item_name not in authorities.signers:
            raise item.refused(
                f"no authority is called {item_name!r}",
                hint=f"define authorities.{item_name}; there are: {', '.join(authorities.signers) or 'none'}",
            )
    signers = tuple(authorities.signers[name] for name in names)
    threshold = fields["threshold"].count() if kind == "threshold" else 1 if kind == "any" else None
    if threshold is not None and threshold > len(signers):
        raise fields[kind].refused(f"{threshold} of {len(signers)} authorities cannot be asked for")
    needed = len(signers) if threshold is None else threshold
    # Before any key is opened: files and URIs are compared by place, keys in the policy itself by what they are.
    listed.made(lambda: check_distinct(tuple(authorities.placed[name] for name in names), needed))
    return Signed(
        signers,
        threshold,
        _annotations(fields["annotations"]) if "annotations" in fields else NO_ANNOTATIONS,
        parse_identity(fields["identity"]) if "identity" in fields else Identity.of_image(),
        _formats(fields["formats"]) if "formats" in fields else (),
        _timestamps(fields["timestamps"], authorities) if "timestamps" in fields else None,
        _enforcement(fields["enforcement"]) if "enforcement" in fields else STRICT,
    )


def _annotations(node: Node) -> Annotations:
    members = node.members()
    if not members:
        raise node.refused("the table is empty", hint="put something into it, or take the field away")
    for member in members.values():
        if not isinstance(member.value, str):
            raise member.refused("the value of an annotation is text", hint="put it in quotes")
    return Annotations({name: str(member.value) for name, member in members.items()})


def parse_identity(node: Node) -> Identity:
    """The identity that a name, or a table with `type` and what that type needs, says."""
    kinds = {kind.value: kind for kind in IdentityKind}
    if isinstance(node.value, str):
        kind = kinds[node.choice(tuple(kinds))]
        if IDENTITY_FIELDS[kind]:
            raise node.refused(f"{kind.value} is a table with type, {', '.join(IDENTITY_FIELDS[kind])}")
        return IDENTITY_MAKERS[kind]()
    every = dict.fromkeys(field for fields in IDENTITY_FIELDS.values() for field in fields)
    fields = node.table(("type", *every), needed=("type",))
    kind = kinds[fields["type"].choice(tuple(kinds))]
    fields = node.table(("type", *IDENTITY_FIELDS[kind]), needed=IDENTITY_FIELDS[kind])
    values = [fields[name].text() for name in IDENTITY_FIELDS[kind]]
    return node.made(lambda: IDENTITY_MAKERS[kind](*values))


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
                f"no timestamp authority is called {item.text()!r}",
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
            "who signed cannot be skipped", hint="log it, or require nothing: require = 'insecureAcceptAnything'"
        )
    return replace(enforcement, **actions)
