"""7c: a requirement, identity, enforcement or number that the code does not know is refused and never passes."""

from __future__ import annotations

import ast
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import imagesig
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.formats import Storage
from imagesig.oci.reference import parse_reference
from imagesig.policy import (
    AcceptAnything,
    Action,
    Enforcement,
    Identity,
    KeyReference,
    Policy,
    Reject,
    Rule,
    Scope,
    Signed,
    Unsupported,
)
from imagesig.policy.files.parse_authority import HOLDER_KINDS, ROLES
from imagesig.policy.files.requirement import ACTIONS, CHECKS
from imagesig.policy.identity import KINDS as IDENTITIES
from imagesig.policy.identity import (
    AnyName,
    ExactName,
    ExactReference,
    ExactRepository,
    MatchExact,
    OfImage,
    RemapIdentity,
)
from imagesig.policy.requirement import KINDS
from imagesig.stores import STORES
from imagesig.trust import CertificateAuthority, Holder, HolderKind, Role, TimestampAuthorities, TrustedKey, Window
from tests.attacks.policy_place import furnish
from tests.chains import root
from tests.makers import NAME, private_key

KEY = TrustedKey("key", (private_key().public_key,))
SIGNED = Signed((KEY,))
PACKAGE = Path(imagesig.__file__).parent


class NotOlder(Struct, frozen=True):
    """A kind of requirement that somebody adds and that no step of the pipeline knows."""

    days: int = 0


class Laxer(AcceptAnything, frozen=True):
    pass


class Trusting(Signed, frozen=True, dict=True):
    needed = 0


class Harmless(Reject, frozen=True):
    pass


class Judged(Unsupported, frozen=True):
    pass


class Everybody(CertificateAuthority, frozen=True):
    pass


class Opened(KeyReference, frozen=True):
    def opened(self, _open: object) -> TrustedKey:
        return KEY


class Anyway(Identity, frozen=True):
    kind = "any"

    def match(self, *_: object) -> str:
        return "fits"


class Anyone(AnyName, frozen=True):
    pass


class Lenient(Enforcement, frozen=True):
    def action(self, check: str) -> Action:
        return Action.SKIP


class Name(str):
    pass


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a")
    return "oci:image:1.0"


@pytest.mark.parametrize(
    "strange", [NotOlder(), Laxer(), Trusting((KEY,)), Harmless(), Judged(), "reject", None, Signed]
)
def test_a_rule_with_a_requirement_of_an_unknown_kind_never_proves(image: str, strange: Any) -> None:
    for requirements in ((strange,), (Signed(tuple(map(KeyReference, ["a.pub"]))), strange)):
        with pytest.raises(InvalidArgument, match="kind"):
            imagesig.verify(image, Policy(Rule(requirements)), allow_unverified=True)


@pytest.mark.parametrize("strange", [NotOlder(), "a.pub", None, KeyReference, Everybody("key", ()), Opened("a.pub")])
def test_an_authority_of_an_unknown_kind_is_refused(image: str, strange: Any) -> None:
    for threshold in (None, 1):
        with pytest.raises(InvalidArgument):
            imagesig.verify(image, Policy(Rule((Signed((strange,), threshold),))), allow_unverified=True)


@pytest.mark.parametrize("threshold", [True, False, 1.0, "1", 0, -1, 2, 1.5, float("nan")])
def test_a_threshold_is_a_whole_number_that_can_be_met(threshold: Any) -> None:
    with pytest.raises(InvalidArgument):
        Signed((KEY,), threshold)
    with pytest.raises(InvalidArgument):
        Policy.at_least(threshold, *KEY.public_keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"formats": ["nonsense"]},
        {"formats": "cosign"},
        {"formats": ("Cosign",)},
        {"formats": (None,)},
        {"formats": (Name("cosign"),)},
        {"formats": None},
        {"identity": "any"},
        {"identity": None},
        {"identity": AnyName},
        {"identity": Identity()},  # type: ignore[abstract]
        {"identity": Anyway()},
        {"identity": Anyone()},
        {"enforcement": "strict"},
        {"enforcement": None},
        {"enforcement": Lenient()},
        {"enforcement": Action.LOG},
        {"annotations": None},
        {"annotations": "a=b"},
        {"annotations": {"a": 1}},
        {"timestamps": ()},
        {"timestamps": "tsa"},
        {"authorities": ()},
        {"authorities": "a.pub"},
        {"authorities": None},
    ],
)
def test_a_requirement_with_a_value_that_is_unknown_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Signed(**({"authorities": (KEY,)} | changes))


@pytest.mark.parametrize("formats", [["nonsense"], "nonsense", ["cosign", "notation-jwt"], [""], [None], [b"cosign"]])
def test_an_unknown_format_is_refused_by_every_maker_of_policies(formats: Any) -> None:
    for make in (Policy.any_of, Policy.all_of):
        with pytest.raises(InvalidArgument, match="format"):
            make(*KEY.public_keys, formats=formats)


@pytest.mark.parametrize("check", ["authenticity", "authentic_timestamp", "expiry", "revocation"])
@pytest.mark.parametrize("action", ["enforce", "Enforce", "", None, True, 0])
def test_an_unknown_action_is_refused(check: str, action: Any) -> None:
    with pytest.raises(InvalidArgument):
        Enforcement(**{check: action})


def test_who_signed_cannot_be_skipped() -> None:
    with pytest.raises(InvalidArgument):
        Enforcement(authenticity=Action.SKIP)


def test_a_check_that_the_enforcement_does_not_know_is_enforced() -> None:
    audit = Enforcement(Action.LOG, Action.LOG, Action.SKIP, Action.SKIP)
    for check in ("", "Expiry", "expiry ", "brand new", "revocation\n"):
        assert audit.action(check) is Action.ENFORCE


REFERENCE = parse_reference(NAME)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExactName(NAME),  # type: ignore[arg-type]
        lambda: ExactName(None),  # type: ignore[arg-type]
        lambda: ExactName(parse_reference(f"{NAME}@sha256:{'ab' * 32}")),
        lambda: ExactReference(REFERENCE),
        lambda: ExactReference(f"{NAME}:1"),  # type: ignore[arg-type]
        lambda: ExactRepository(parse_reference(f"{NAME}:1")),
        lambda: ExactRepository(NAME),  # type: ignore[arg-type]
        lambda: RemapIdentity("UPPER/Case", "a.example"),
        lambda: RemapIdentity("mirror.example", ""),
        lambda: RemapIdentity("mirror.example", REFERENCE),  # type: ignore[arg-type]
    ],
)
def test_an_identity_with_an_illegal_field_cannot_be_built(make: Any) -> None:
    with pytest.raises(InvalidArgument):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExactName(),  # type: ignore[call-arg]
        lambda: ExactReference(),  # type: ignore[call-arg]
        lambda: ExactRepository(),  # type: ignore[call-arg]
        lambda: RemapIdentity("mirror.example"),  # type: ignore[call-arg]
        lambda: AnyName(REFERENCE),  # type: ignore[call-arg]
        lambda: OfImage(prefix="a.example"),  # type: ignore[call-arg]
        lambda: MatchExact(signed_prefix="a.example"),  # type: ignore[call-arg]
        lambda: ExactName(REFERENCE, prefix="a.example"),  # type: ignore[call-arg]
    ],
)
def test_an_identity_has_the_fields_of_its_kind_and_no_others(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rule((SIGNED,), warn="false"),  # type: ignore[arg-type]
        lambda: Rule((SIGNED,), warn=1),  # type: ignore[arg-type]
        lambda: Rule((SIGNED,), name=None),  # type: ignore[arg-type]
        lambda: Rule("ab"),  # type: ignore[arg-type]
        lambda: Rule(None),  # type: ignore[arg-type]
        lambda: Policy(SIGNED),  # type: ignore[arg-type]
        lambda: Policy(None),  # type: ignore[arg-type]
        lambda: Policy(rules={Scope("docker"): SIGNED}),  # type: ignore[dict-item]
        lambda: Policy(rules={"docker:": Rule((SIGNED,))}),  # type: ignore[dict-item]
        lambda: Policy(rules={Scope("dokcer", "registry.example"): Rule((SIGNED,))}),
        lambda: Policy(rules={Scope("docker", "registry.example/"): Rule((SIGNED,))}),
        lambda: Policy(rules={Scope("docker", "registry.example/Team"): Rule((SIGNED,))}),
        lambda: Policy(rules={Scope("oci", "images"): Rule((SIGNED,))}),
        lambda: Policy(rules={Scope("docker", "", "yes"): Rule((SIGNED,))}),  # type: ignore[arg-type]
        lambda: Policy(refuse_tag_with_digest="no"),  # type: ignore[arg-type]
        lambda: Signed((TrustedKey("key", ()),)),
        lambda: Signed((TrustedKey("key", ("PEM",)),)),  # type: ignore[arg-type]
        lambda: Signed((TrustedKey("", KEY.public_keys),)),
        lambda: Signed((TrustedKey("key", KEY.public_keys, "always"),)),  # type: ignore[arg-type]
        lambda: Signed((TrustedKey("key", KEY.public_keys, Window("2027-01-01")),)),  # type: ignore[arg-type]
        lambda: Signed((TrustedKey("key", KEY.public_keys, Window(datetime(2027, 1, 1))),)),
        lambda: Signed(
            (
                KeyReference(
                    "",
                ),
            )
        ),
        lambda: Signed((KeyReference("a.pub", fingerprint="sha256:AB"),)),
        lambda: Signed((KeyReference("a.pub", window=None),)),  # type: ignore[arg-type]
        lambda: Signed((CertificateAuthority("ca", ()),)),
        lambda: Signed((CertificateAuthority("ca", root().chain, role="ca"),)),  # type: ignore[arg-type]
        lambda: Signed((CertificateAuthority("ca", root().chain, ("C=US",)),)),  # type: ignore[arg-type]
        lambda: Signed((CertificateAuthority("ca", root().chain, (Holder("DNS name", "a.example"),)),)),  # type: ignore[arg-type]
        lambda: Signed((CertificateAuthority("", root().chain),)),
        lambda: Signed((KEY,), timestamps=TimestampAuthorities(root().chain, "no")),  # type: ignore[arg-type]
        lambda: Signed((KEY,), timestamps=TimestampAuthorities(())),
        lambda: Reject(None),  # type: ignore[arg-type]
    ],
)
def test_a_policy_by_hand_with_a_value_of_the_wrong_type_is_refused(make: Any) -> None:
    with pytest.raises(ImagesigError):
        Policy(Rule((made,))) if isinstance(made := make(), Signed | Reject) else made  # type: ignore[arg-type]


def test_what_is_right_can_be_built_by_hand() -> None:
    authority = CertificateAuthority("ca", root().chain, (Holder(HolderKind.DNS, "a.example"),))
    rule = Rule([Signed([KEY, authority], 2, formats=["cosign"])], warn=True)  # type: ignore[arg-type]
    assert hash(Policy(rules={Scope("docker", "registry.example"): rule}))


# --- read off the source ----------------------------------------------------------------------------------------------

_CLOSED = {kind.__name__ for kind in KINDS} | {"TrustedKey", "KeyReference", "CertificateAuthority"}
_EDGE = {("policy/authority.py", "authority"), ("policy/authority.py", "keys_of"), ("trust/anchors.py", "root_pin")}
"""Where a caller's value of any type becomes an authority."""


def _modules() -> list[tuple[str, ast.Module]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def test_no_module_asks_isinstance_of_a_closed_kind() -> None:
    found = []
    for module, tree in _modules():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or (module, function.name) in _EDGE:
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                    names = {item.id for item in ast.walk(node.args[1]) if isinstance(item, ast.Name)}
                    found += [f"{module}:{node.lineno}: {name}" for name in names & _CLOSED]
    assert not found, "match on the kind and end with assert_never: " + ", ".join(found)


def test_every_match_ends_with_assert_never() -> None:
    found = []
    for module, tree in _modules():
        for node in ast.walk(tree):
            decides = module.startswith(("policy/", "api/", "cli/", "trust/"))
            if decides and isinstance(node, ast.Match) and not _is_closed(node):
                found.append(f"{module}:{node.lineno}")
    assert not found, "a match that does not end with assert_never: " + ", ".join(found)


def _is_closed(node: ast.Match) -> bool:
    last = node.cases[-1]
    is_wildcard = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
    return is_wildcard and "assert_never(" in ast.unparse(last.body[0])


def test_the_tables_by_kind_have_every_kind() -> None:
    assert all(IDENTITIES[kind.kind] is kind for kind in IDENTITIES.values())
    assert set(HOLDER_KINDS.values()) == set(HolderKind)
    assert set(ROLES.values()) == set(Role)
    assert set(ACTIONS.values()) == set(Action)
    assert Enforcement.__struct_fields__ == CHECKS
    assert set(STORES) == set(Storage)
