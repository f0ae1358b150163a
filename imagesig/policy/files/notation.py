"""notation's trust policy documents: bytes in, rules out. The caller reads the trust stores.

Stricter than notation: unknown members, members in another case, and `skip` for every registry are refused, as the
specification asks.

Spec: Notary Project trust-store-trust-policy, "Trust Policy".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from msgspec import Struct

from imagesig.crypto.certificate import Certificate
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.oci.location import REGISTRY
from imagesig.oci.reference import parse_reference
from imagesig.patterns import regex
from imagesig.policy.enforcement import AUDIT, PERMISSIVE, STRICT, Action, Enforcement
from imagesig.policy.requirement import AcceptAnything, Reject, Rule, Rules
from imagesig.policy.scope import Scope, parse_scope
from imagesig.policy.signed import Signed
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, Role, TimestampAuthorities
from imagesig.trust.distinguished_name import NEEDED, parse_distinguished_name
from imagesig.trust.holder import Holder, HolderKind, overlapping

VERSION = "1.0"
TIMESTAMPING = "tsa"
FORMATS = ("notation",)
"""The formats that a trust policy accepts: both envelopes."""
EVERYWHERE = "*"

_LEVELS = {"strict": STRICT, "permissive": PERMISSIVE, "audit": AUDIT}
_SKIP = "skip"
_OVERRIDES = {
    "authenticity": ("authenticity", ("enforce", "log")),
    "authenticTimestamp": ("authentic_timestamp", ("enforce", "log")),
    "expiry": ("expiry", ("enforce", "log")),
    "revocation": ("revocation", ("enforce", "log", "skip")),
}
_STORE_NAME = regex(r"[a-zA-Z0-9_.-]+")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_SCOPE = regex(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?(?:/{_COMPONENT})+")


class Store(Struct, frozen=True):
    """One trust store, by its type (`ca`, `signingAuthority` or `tsa`) and name."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


ReadStore = Callable[[Store], tuple[Certificate, ...]]
"""The certificates of a trust store; raises `InvalidArgument` if it cannot be used."""


class Statement(Struct, frozen=True):
    """One policy of the document. Without an `enforcement` its level is `skip`."""

    name: str
    scopes: tuple[str, ...]
    enforcement: Enforcement | None = None
    stores: tuple[Store, ...] = ()
    holders: tuple[Holder, ...] = ()
    after_expiry_only: bool = False


def parse_trust_policy(data: bytes, what: str) -> tuple[Statement, ...]:
    """The statements of a `trustpolicy.json` or `trustpolicy.oci.json`. `what` names it in errors.

    Raises:
        InvalidArgument: the document is invalid; the message names the policy.
    """
    try:
        document = parse_object(data, what, OURS)
    except MalformedError as error:
        raise InvalidArgument(str(error)) from None
    _members(document, what, ("version", "trustPolicies"))
    if document["version"] != VERSION:
        raise InvalidArgument(f"{what}: version {quote(document['version'])}, {VERSION!r} is needed")
    listed = document["trustPolicies"]
    if not isinstance(listed, list) or not listed:
        raise InvalidArgument(f"{what}: trustPolicies {quote(listed)}, a list of at least one policy is needed")
    statements = tuple(_statement(item, f"{what}: trust policy {number}") for number, item in enumerate(listed))
    names = [item.name for item in statements]
    scopes = [scope for item in statements for scope in item.scopes]
    for kind, values in (("name", names), ("scope", scopes)):
        if twice := [value for value, times in Counter(values).items() if times > 1]:
            raise InvalidArgument(f"{what}: the {kind} {quote(twice[0])} is in two policies, or twice in one")
    return statements


def rules_of(statements: tuple[Statement, ...], read_store: ReadStore, scope: str = "") -> Rules:
    """The rules for the statements. Images that are in no statement's scope are refused.

    With a `scope` its statement applies to every image, named or not: for layouts, which have no name.

    Raises:
        InvalidArgument: a trust store cannot be used, or no statement has the scope.
    """
    if scope:
        return Rules(default=_rule(_find(statements, scope), read_store))
    default = Rule((Reject("no policy of the trust policy document has its repository as a scope"),), "trust policy")
    rules: dict[Scope, Rule] = {}
    for statement in statements:
        rule = _rule(statement, read_store)
        if statement.scopes == (EVERYWHERE,):
            default = rule
        else:
            rules |= {Scope(REGISTRY, name, exact=True): rule for name in statement.scopes}
    return Rules(default, rules)


def _find(statements: tuple[Statement, ...], scope: str) -> Statement:
    for wanted in (scope, EVERYWHERE):
        for statement in statements:
            if wanted in statement.scopes:
                return statement
    raise InvalidArgument(f"trust policy: no policy has the scope {quote(scope)}", hint="name one of its scopes")


def _rule(statement: Statement, read_store: ReadStore) -> Rule:
    name = f"trust policy {statement.name}"
    if statement.enforcement is None:
        return Rule((AcceptAnything(),), name)
    stores = [(store, read_store(store)) for store in statement.stores]
    authorities = tuple(
        CertificateAuthority(str(store), certificates, statement.holders, Role(store.type))
        for store, certificates in stores
        if store.type != TIMESTAMPING
    )
    witnesses = tuple(item for store, certificates in stores if store.type == TIMESTAMPING for item in certificates)
    timestamps = TimestampAuthorities(witnesses, statement.after_expiry_only) if witnesses else None
    return Rule((Signed(authorities, formats=FORMATS, timestamps=timestamps, enforcement=statement.enforcement),), name)


# --- one statement -------------------------------------------------------------------------------------------------


def _statement(value: object, what: str) -> Statement:
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: {quote(value)}, an object is needed")
    _members(value, what, ("name", "registryScopes", "signatureVerification"), ("trustStores", "trustedIdentities"))
    name = value["name"]
    if not isinstance(name, str) or not name:
        raise InvalidArgument(f"{what}: name {quote(name)}, text is needed")
    what = f"{what} ({quote(name)})"
    scopes = _scopes(value["registryScopes"], what)
    verification = value["signatureVerification"]
    if not isinstance(verification, dict):
        raise InvalidArgument(f"{what}: signatureVerification {quote(verification)}, an object is needed")
    _members(verification, what, ("level",), ("override", "verifyTimestamp"))
    enforcement = parse_level(verification["level"], verification.get("override"), what)
    after_expiry_only = _verify_timestamp(verification.get("verifyTimestamp"), what)
    stores, identities = value.get("trustStores") or [], value.get("trustedIdentities") or []
    if enforcement is None:
        if stores or identities:
            raise InvalidArgument(f"{what}: level skip with trust stores or identities, which skip does not use")
        if scopes == (EVERYWHERE,):
            raise InvalidArgument(f"{what}: level skip for every registry verifies nothing, another level is needed")
        return Statement(name, scopes)
    return Statement(name, scopes, enforcement, _stores(stores, what), _identities(identities, what), after_expiry_only)


def parse_level(level: object, override: object, what: str) -> Enforcement | None:
    """What a level enforces, with its overrides; None for `skip`. Raises `InvalidArgument` for anything invalid."""
    if level == _SKIP:
        if override:
            raise InvalidArgument(f"{what}: level skip has an override, which skip does not use")
        return None
    if not isinstance(level, str) or level not in _LEVELS:
        raise InvalidArgument(f"{what}: level {quote(level)}, one of {', '.join((*_LEVELS, _SKIP))} is needed")
    if override is None:
        return _LEVELS[level]
    if not isinstance(override, dict):
        raise InvalidArgument(f"{what}: override {quote(override)}, an object is needed")
    actions: dict[str, Action] = {}
    for name, action in override.items():
        if name not in _OVERRIDES:
            why = "integrity is always enforced" if name == "integrity" else f"one of {', '.join(_OVERRIDES)} is needed"
            raise InvalidArgument(f"{what}: override of {quote(name)}; {why}")
        member, allowed = _OVERRIDES[name]
        if action not in allowed:
            raise InvalidArgument(f"{what}: override {name}: {quote(action)}, one of {', '.join(allowed)} is needed")
        actions[member] = Action(action)
    return _with(_LEVELS[level], actions)


def _with(level: Enforcement, actions: Mapping[str, Action]) -> Enforcement:
    return Enforcement(
        actions.get("authenticity", level.authenticity),
        actions.get("authentic_timestamp", level.authentic_timestamp),
        actions.get("expiry", level.expiry),
        actions.get("revocation", level.revocation),
    )


def _verify_timestamp(value: object, what: str) -> bool:
    if value not in (None, "", "always", "afterCertExpiry"):  # notation reads an empty one as none
        raise InvalidArgument(f"{what}: verifyTimestamp {quote(value)}, always or afterCertExpiry is needed")
    return value == "afterCertExpiry"


def _scopes(value: object, what: str) -> tuple[str, ...]:
    scopes = _texts(value, f"{what}: registryScopes")
    for scope in scopes:
        if scope == EVERYWHERE and len(scopes) > 1:
            raise InvalidArgument(f"{what}: registryScopes has {EVERYWHERE!r} and others, it must be the only one")
        if scope != EVERYWHERE and not _SCOPE.fullmatch(scope):
            raise InvalidArgument(
                f"{what}: scope {quote(scope)}, HOST[:PORT]/REPOSITORY is needed: no tag, digest, scheme or wildcard"
            )
        if scope != EVERYWHERE:
            _check_repository(scope, what)
    return tuple(scopes)


def _check_repository(scope: str, what: str) -> None:
    """Returns if an image can be in the repository, or if its first part is not a host: a name for layouts."""
    host = scope.partition("/")[0]
    if "." not in host and ":" not in host and host != "localhost":
        return
    try:
        parse_scope(scope)
        name = parse_reference(scope).repository
    except InvalidArgument as error:
        raise InvalidArgument(f"{what}: {error}") from None
    if name != scope:
        raise InvalidArgument(f"{what}: scope {quote(scope)}: no image has this name; for the repository write {name}")


def _stores(value: object, what: str) -> tuple[Store, ...]:
    stores = []
    for text in _texts(value, f"{what}: trustStores"):
        kind, colon, name = text.partition(":")
        if not colon or kind not in (Role.CA.value, Role.SIGNING_AUTHORITY.value, TIMESTAMPING):
            raise InvalidArgument(f"{what}: trust store {quote(text)}, ca:NAME, signingAuthority:NAME or tsa:NAME")
        if not _STORE_NAME.fullmatch(name) or name in (".", ".."):
            raise InvalidArgument(f"{what}: trust store {quote(text)}, a name of letters, digits, _ . and - is needed")
        stores.append(Store(kind, name))
    if len(set(stores)) != len(stores):
        raise InvalidArgument(f"{what}: a trust store is listed twice")
    if all(store.type == TIMESTAMPING for store in stores):
        raise InvalidArgument(f"{what}: only tsa stores, which certify no signer", hint="add a ca store")
    return tuple(stores)


def _identities(value: object, what: str) -> tuple[Holder, ...]:
    """The trusted holders; empty for `*`, which trusts every holder."""
    texts = _texts(value, f"{what}: trustedIdentities")
    if EVERYWHERE in texts:
        if len(texts) > 1:
            raise InvalidArgument(f"{what}: trustedIdentities has {EVERYWHERE!r} and others, it must be the only one")
        return ()
    holders = []
    for text in texts:
        kind, colon, name = text.partition(":")
        if not colon or not kind or not name.strip():
            raise InvalidArgument(f"{what}: identity {quote(text)}, 'x509.subject: C=…, ST=…, O=…' is needed")
        if kind != HolderKind.SUBJECT.value:
            raise InvalidArgument(
                f"{what}: identity {quote(text)} needs a plugin, and imagesig runs none: use x509.subject"
            )
        parse_distinguished_name(name.strip(), f"{what}: identity", NEEDED)
        holders.append(Holder(HolderKind.SUBJECT, name.strip()))
    if pair := overlapping(holders):
        raise InvalidArgument(
            f"{what}: the identity {pair[0]} overlaps with {pair[1]}: every holder of one also fits the other"
        )
    return tuple(holders)


def _texts(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise InvalidArgument(f"{what} is {quote(value)}, a list of at least one text is needed")
    return value


def _members(value: Mapping[str, object], what: str, needed: tuple[str, ...], allowed: tuple[str, ...] = ()) -> None:
    if missing := [name for name in needed if name not in value]:
        raise InvalidArgument(f"{what}: has no {missing[0]}")
    if unknown := [name for name in value if name not in (*needed, *allowed)]:
        known = ", ".join((*needed, *allowed))
        raise InvalidArgument(f"{what}: {quote(unknown[0])} is unknown, known are {known} (case-sensitive)")
