from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from imagesig import limits
from imagesig.content_trust.lookup import released, releases, signers_of
from imagesig.content_trust.update import TrustData
from imagesig.content_trust.update_request import UpdateRequest
from imagesig.errors import (
    DigestMismatch,
    Expired,
    ImagesigError,
    LimitExceeded,
    MalformedError,
    NotTrusted,
    SignatureInvalid,
)
from imagesig.trust.anchors import CertificateAuthority, RootKeyId, RootPin
from tests.content_trust.repository import (
    GUN,
    NOW,
    Delegation,
    Key,
    TrustRepository,
    certified,
    ed,
    fetched,
    hashes_of,
    p256,
    tag,
)

ROOT = certified()
OTHER = "sha256:" + "cd" * 32


def asked(
    repository: TrustRepository, *pins: RootPin, remembered: TrustData | None = None, **more: Any
) -> UpdateRequest:
    return UpdateRequest(repository.name, pins, more.get("now", NOW), remembered.files if remembered else {})


def seen(repository: TrustRepository, *pins: RootPin, remembered: TrustData | None = None, **more: Any) -> TrustData:
    view = fetched(repository.files(), asked(repository, *pins, remembered=remembered, **more))
    assert view is not None
    return view


def repository(**more: Any) -> TrustRepository:
    return TrustRepository(root=[ROOT], **more)


def test_a_released_tag_names_its_digest() -> None:
    alice, releaser = p256(), p256()
    found = seen(
        repository(
            delegations={
                "targets/releases": Delegation([releaser], {"2.0": tag()}),
                "targets/alice": Delegation([alice], {"2.0": tag(), "3.0": tag()}),
            }
        )
    )

    two = released(found, "2.0")
    assert two is not None
    assert two.by.role.name == "targets/releases"
    assert signers_of(found, "2.0", two.manifest) == ("alice",)
    assert released(found, "1.0") is not None
    assert released(found, "3.0") is None, "a signer's role releases nothing"
    assert set(releases(found)) == {"1.0", "2.0"}


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), None])
def test_every_type_of_key_signs(curve: ec.EllipticCurve | None) -> None:
    private: Any = rsa.generate_private_key(65537, 2048) if curve is None else ec.generate_private_key(curve)

    assert released(seen(repository(targets=Key(private))), "1.0")


def test_a_server_without_trust_data_has_none() -> None:
    assert fetched({}, asked(repository())) is None


def _root_role(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        signed["roles"]["root"][name] = value

    return change


def _set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda signed: signed.update({name: value})


def _key_under_another_id(signed: dict[str, Any]) -> None:
    first = next(iter(signed["keys"]))
    signed["keys"]["0" * 64] = signed["keys"].pop(first)


def _private_key(signed: dict[str, Any]) -> None:
    next(iter(signed["keys"].values()))["keyval"]["private"] = "AAAA"


SIGNED_WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], None], type[ImagesigError], str]] = {
    "threshold 0": ("root", _root_role("threshold", 0), MalformedError, "threshold"),
    "threshold above the keys": ("root", _root_role("threshold", 2), NotTrusted, "none of its root keys"),
    "a key id twice": ("root", _root_role("keyids", [ROOT.id, ROOT.id]), MalformedError, "listed twice"),
    "a key that is not there": ("root", _root_role("keyids", ["0" * 64]), NotTrusted, "none of its root keys"),
    "an id that is no hash": ("root", _key_under_another_id, MalformedError, "not the hash of the key"),
    "a private key": ("root", _private_key, MalformedError, "private key"),
    "a role too many": ("root", lambda signed: signed["roles"].update(mirrors={}), MalformedError, "exactly"),
    "the type of another role": ("targets", _set("_type", "Root"), MalformedError, "_type"),
    "a lower-case type": ("snapshot", _set("_type", "snapshot"), MalformedError, "_type"),
    "version 0": ("timestamp", _set("version", 0), MalformedError, "version"),
    "version as text": ("timestamp", _set("version", "1"), MalformedError, "version"),
    "no time": ("timestamp", _set("expires", "tomorrow"), MalformedError, "RFC 3339"),
    "no snapshot": ("timestamp", _set("meta", {}), MalformedError, "is missing"),
    "no root in the snapshot": (
        "snapshot",
        lambda signed: signed["meta"].pop("root"),
        MalformedError,
        "file of root is missing",
    ),
    "another root in the snapshot": (
        "snapshot",
        lambda signed: signed["meta"]["root"].update(length=1),
        DigestMismatch,
        "root.json",
    ),
    "another length of targets": (
        "snapshot",
        lambda signed: signed["meta"]["targets"].update(length=1),
        DigestMismatch,
        "targets.json",
    ),
    "a length above the limit": (
        "snapshot",
        lambda signed: signed["meta"]["targets"].update(length=2**40),
        LimitExceeded,
        "at most",
    ),
    "a twin of a member": ("targets", _set("Targets", {}), MalformedError, "only by case"),
}


@pytest.mark.parametrize("case", SIGNED_WRONG)
def test_signed_nonsense_is_refused(case: str) -> None:
    role, change, error, said = SIGNED_WRONG[case]

    with pytest.raises(error, match=said):
        seen(repository(change={role: change}))


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_each_file_needs_the_signature_of_its_own_key(role: str) -> None:
    with pytest.raises(SignatureInvalid):
        seen(repository(signed_by={role: [certified()]}))


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_an_expired_file_is_refused(role: str) -> None:
    with pytest.raises(Expired, match=f"{role}.json"):
        seen(repository(expires={role: NOW}))


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp", "targets/releases"])
def test_a_file_older_than_the_remembered_one_is_refused(role: str) -> None:
    newer = repository(versions={role: 5}, delegations={"targets/releases": Delegation([p256()], {}, version=5)})
    remembered = seen(newer)
    newer.versions[role] = 4
    newer.delegations["targets/releases"].version = 4 if role == "targets/releases" else 5

    with pytest.raises(NotTrusted, match="version 5 was seen before, and version 4 is listed now"):
        seen(newer, remembered=remembered)


@pytest.mark.parametrize("how", ["not listed", "older and expired", "of another key"])
def test_a_remembered_delegation_cannot_be_taken_away(how: str) -> None:
    releases = Delegation([p256()], {"1.0": tag(OTHER)}, version=5)
    newer = repository(delegations={"targets/releases": releases})
    remembered = seen(newer)
    files = newer.files()
    if how == "not listed":
        del newer.delegations["targets/releases"]
        newer.raw["targets.json"] = files["targets.json"]
        files = _with_targets_of(newer, files)
    elif how == "older and expired":
        releases.version, releases.expires = 3, NOW
        files = newer.files()
    else:
        releases.version, releases.signed_by = 6, [p256()]
        files = newer.files()

    with pytest.raises(NotTrusted, match=r"targets/releases\.json: version 5 was seen before"):
        fetched(files, asked(newer, remembered=remembered))


def _with_targets_of(changed: TrustRepository, before: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a repository whose snapshot does not list a delegation that its targets still name."""
    targets = before["targets.json"]
    changed.change["snapshot"] = lambda signed: signed["meta"].update(targets=hashes_of(targets))
    files = changed.files()
    return {**before, **files, "targets.json": targets}


def test_a_delegation_of_replaced_keys_is_not_a_rollback() -> None:
    releases = Delegation([p256()], {"1.0": tag(OTHER)}, version=5)
    changing = repository(delegations={"targets/releases": releases})
    remembered = seen(changing)
    releases.keys, releases.version = [p256()], 1
    changing.versions["targets"] = 2

    assert seen(changing, remembered=remembered).delegated["targets/releases"].targets.document.version == 1


def test_versions_by_a_replaced_key_are_forgotten_only_with_a_root_that_replaces_it() -> None:
    changing = repository(versions={"timestamp": 5})
    remembered = seen(changing)
    changing.versions["timestamp"], changing.timestamp = 1, ed()
    with pytest.raises(NotTrusted, match="another root of version 1"):
        seen(changing, remembered=remembered)

    changing.versions["root"] = 2

    assert seen(changing, remembered=remembered).timestamp.document.version == 1


def _method(name: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(b'"method":"ecdsa"', f'"method":"{name}"'.encode())


@pytest.mark.parametrize("method", ["rsapss", "rsapkcs1v15", "eddsa", "pycrypto-pkcs#1 pss", "none"])
def test_the_message_does_not_choose_the_algorithm(method: str) -> None:
    files = repository().files()
    files["root.json"] = _method(method)(files["root.json"])

    with pytest.raises(SignatureInvalid, match="is not one for a key of type ecdsa"):
        fetched(files, asked(repository()))


def _signed_otherwise(key: Key, sign: Callable[[bytes], bytes]) -> TrustRepository:
    class Odd(Key):
        def sign(self, message: bytes) -> tuple[str, str, str]:
            identifier, method, _ = super().sign(message)
            return identifier, method, base64.b64encode(sign(message)).decode()

    return repository(targets=Odd(key.private))


def test_other_encodings_and_hashes_of_signatures_are_refused() -> None:
    small, large = p256(), Key(ec.generate_private_key(ec.SECP384R1()))
    strong = Key(rsa.generate_private_key(65537, 2048))
    salted = padding.PSS(padding.MGF1(hashes.SHA256()), 20)
    for odd in (
        _signed_otherwise(small, lambda message: small.private.sign(message, ec.ECDSA(hashes.SHA256()))),
        _signed_otherwise(small, lambda message: base64.b64decode(small.sign(message)[2])[:-1]),
        _signed_otherwise(small, lambda message: b"\0" + base64.b64decode(small.sign(message)[2])),
        _signed_otherwise(large, lambda message: _raw(large.private.sign(message, ec.ECDSA(hashes.SHA384())))),
        _signed_otherwise(strong, lambda message: strong.private.sign(message, salted, hashes.SHA256())),
    ):
        with pytest.raises(SignatureInvalid):
            seen(odd)


def _raw(der: bytes) -> bytes:
    from imagesig.crypto.algorithms import KeyType
    from imagesig.crypto.ecdsa import rs_from_der

    return rs_from_der(der, KeyType.ECDSA_P384)


def test_one_key_with_two_certificates_is_one_signer() -> None:
    key = p256()
    twice = [certified(key=key), certified(key=key)]

    assert twice[0].id != twice[1].id
    with pytest.raises(NotTrusted):
        seen(TrustRepository(root=twice, threshold=2))
    assert seen(TrustRepository(root=[certified(), certified()], threshold=2))


def test_the_same_signature_twice_is_one() -> None:
    first, second = certified(), certified()
    with pytest.raises(SignatureInvalid):
        seen(TrustRepository(root=[first, second], threshold=2, signed_by={"root": [first, first]}))


# --- certificates and pins --------------------------------------------------------------------------------------------


def test_the_pinned_root_is_accepted_by_each_kind_of_pin() -> None:
    root = repository()
    authority = CertificateAuthority.from_pem("root", ROOT.certificates)
    for pin in (RootKeyId(ROOT.id), RootKeyId(ROOT.canonical_id), ROOT.public, authority):
        assert seen(root, pin)
        assert seen(root, RootKeyId("0" * 64), pin), "one pin that fits is enough"


def test_another_root_than_the_pinned_one_is_refused() -> None:
    other = certified()
    authority = CertificateAuthority.from_pem("root", other.certificates)
    for pin in (RootKeyId(other.id), RootKeyId(other.canonical_id), other.public, authority):
        with pytest.raises(NotTrusted, match="not one that is pinned"):
            seen(repository(), pin)


@pytest.mark.parametrize(
    ("key", "error", "said"),
    [
        (certified("registry.example/other"), NotTrusted, "is for 'registry.example/other'"),
        (certified("registry.example/other*"), NotTrusted, "is for"),
        (certified("registry.example/app:1.0"), NotTrusted, "is for"),
        (certified("*.example/app"), NotTrusted, "is for"),
        (certified("host.example"), NotTrusted, "is for"),
        (certified(end=NOW - timedelta(hours=1)), Expired, "valid from"),
        (certified(start=NOW + timedelta(hours=25)), Expired, "valid from"),
        (p256(), NotTrusted, "has no certificate"),
    ],
    ids=["another", "prefix", "tag", "start", "host", "expired", "early", "bare"],
)
def test_a_root_certificate_that_does_not_fit_is_refused(key: Key, error: type[ImagesigError], said: str) -> None:
    with pytest.raises(error, match=said):
        seen(TrustRepository(root=[key]))


@pytest.mark.parametrize("name", [GUN, "registry.example/*", "registry.example/a*", "*"])
def test_a_root_certificate_for_the_repository_is_accepted(name: str) -> None:
    assert seen(TrustRepository(root=[certified(name, start=NOW + timedelta(hours=23))]))


def test_a_pinned_key_needs_no_certificate_but_never_serves_for_another_repository() -> None:
    for root in (p256(), certified("host.example")):
        assert seen(TrustRepository(root=[root]), root.public)
    for name in ("registry.example/other", "other*"):
        root = certified(name)
        with pytest.raises(NotTrusted, match="is for"):
            seen(TrustRepository(root=[root]), root.public)


def test_a_certificate_with_sha_1_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.crypto.certificate.STRONG_HASHES", frozenset({"sha384"}))

    with pytest.raises(NotTrusted, match="weak hash"):
        seen(repository())


def test_a_certificate_authority_is_a_pin_for_the_certificates_below_it() -> None:
    authority = p256()
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "roots")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(authority.private.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .sign(authority.private, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    pin = CertificateAuthority.from_pem("roots", pem)
    issued = TrustRepository(root=[certified(issuer=(name, authority.private))])

    assert seen(issued, pin)
    with pytest.raises(NotTrusted, match="not one that is pinned"):
        seen(TrustRepository(root=[certified(issuer=(name, p256().private))]), pin)
    with pytest.raises(Expired):
        seen(issued, pin, now=NOW + timedelta(days=2))


# --- the root chain ---------------------------------------------------------------------------------------------------


def test_a_chain_of_roots_leads_from_the_remembered_one_to_the_newest() -> None:
    changing = repository()
    remembered = seen(changing)
    changing.rotate_root(certified())
    changing.rotate_root(certified())

    found = seen(changing, remembered=remembered)

    assert found.root.document.version == 3


def test_old_certificates_of_the_chain_may_have_expired() -> None:
    changing = TrustRepository(root=[certified(end=NOW + timedelta(days=1))])
    remembered = seen(changing)
    changing.rotate_root(certified())

    assert seen(changing, remembered=remembered, now=NOW + timedelta(days=2)).root.document.version == 2


def _gap(changing: TrustRepository) -> None:
    changing.rotate_root(certified())
    changing.rotate_root(certified())
    del changing.old_roots[2]


def _wrong_step(changing: TrustRepository) -> None:
    changing.rotate_root(certified())
    changing.rotate_root(certified())
    changing.old_roots[2] = changing.old_roots[1]


def _without_the_old_key(changing: TrustRepository) -> None:
    new = certified()
    changing.rotate_root(new, signed_by=[new])


def _without_its_own_key(changing: TrustRepository) -> None:
    changing.rotate_root(certified(), signed_by=list(changing.root))


def _replaced(changing: TrustRepository) -> None:
    changing.root = [certified()]


def _rolled_back(changing: TrustRepository) -> None:
    changing.root, changing.versions["root"] = [certified()], 1


def _far_ahead(changing: TrustRepository) -> None:
    changing.root, changing.versions["root"] = [certified()], 1000


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (_gap, NotTrusted, "2.root.json"),
        (_wrong_step, MalformedError, "it has version 1"),
        (_without_the_old_key, NotTrusted, "did not sign it"),
        (_without_its_own_key, SignatureInvalid, "0 of the keys"),
        (_replaced, NotTrusted, "rolled back or replaced"),
        (_far_ahead, LimitExceeded, "at most 64"),
    ],
)
def test_a_root_without_a_chain_is_refused(
    change: Callable[[TrustRepository], None], error: type[ImagesigError], said: str
) -> None:
    changing = repository()
    remembered = seen(changing)
    change(changing)

    with pytest.raises(error, match=said):
        seen(changing, remembered=remembered)


def test_an_older_root_than_the_remembered_one_is_refused() -> None:
    changing = repository(versions={"root": 3})
    remembered = seen(changing)
    _rolled_back(changing)

    with pytest.raises(NotTrusted, match="version 3 is remembered"):
        seen(changing, remembered=remembered)


def test_trust_data_that_are_gone_are_not_missing() -> None:
    with pytest.raises(NotTrusted, match="has no trust data, but version 1 is remembered"):
        fetched({}, asked(repository(), remembered=seen(repository())))


def test_a_missing_file_behind_the_root_is_an_error() -> None:
    whole = repository().files()
    for name in whole:
        if name == "timestamp.json" or (name.startswith(("snapshot.", "targets.")) and len(name) > 64):
            with pytest.raises((NotTrusted, MalformedError), match="does not have"):
                fetched({other: content for other, content in whole.items() if other != name}, asked(repository()))


# --- delegations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"expires": NOW},
        {"signed_by": [p256()]},
        {"threshold": 2},
    ],
    ids=["expired", "unsigned", "threshold"],
)
def test_a_delegation_that_is_not_valid_is_reported_and_releases_nothing(broken: dict[str, Any]) -> None:
    found = seen(repository(delegations={"targets/releases": Delegation([p256()], {"2.0": tag()}, **broken)}))

    assert released(found, "2.0") is None
    assert found.skipped[0].startswith("targets/releases is not used: ")


@pytest.mark.parametrize("change", [_set("targets", []), _set("expires", "tomorrow"), _set("Targets", {})])
def test_the_file_of_a_signer_that_cannot_be_read_stops_nobody_else(change: Callable[[dict[str, Any]], None]) -> None:
    delegations = {"targets/alice": Delegation([p256()], {}), "targets/releases": Delegation([p256()], {"2.0": tag()})}
    found = seen(repository(delegations=delegations, change={"targets/alice": change}))

    assert released(found, "2.0") is not None
    assert "targets/alice" not in found.delegated
    assert found.skipped[0].startswith("targets/alice is not used: ")
    with pytest.raises(MalformedError):  # releases decide every tag
        seen(repository(delegations=delegations, change={"targets/releases": change}))


class Counted(dict[str, bytes]):
    """Files that know which of them were asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.asked: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.append(name)
        return super().get(name, default)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_the_many_roles_of_a_signer_stop_nobody_else(signed: bool) -> None:
    key, by = p256(), None if signed else [p256()]
    delegations = {"targets/alice": Delegation([key], {})}
    for first in ("a", "b"):
        delegations |= {f"targets/alice/{first}": Delegation([key], {})}
        below = {f"targets/alice/{first}/{number}": Delegation([key], {}, signed_by=by) for number in range(90)}
        delegations |= below
    delegations |= {"targets/bob": Delegation([p256()], {}), "targets/releases": Delegation([p256()], {"2.0": tag()})}
    files = Counted(repository(delegations=delegations).files())
    found = fetched(files, asked(repository()))

    assert found is not None
    assert released(found, "2.0") is not None
    assert len([name for name in files.asked if name.startswith("targets/")]) == limits.TRUST_DELEGATIONS
    assert {"targets/alice", "targets/bob", "targets/releases"} < set(found.delegated)
    assert len(found.delegated) == (limits.TRUST_DELEGATIONS if signed else 5)
    assert any("more than 100 delegated roles" in reason for reason in found.skipped)


def test_a_server_may_not_replace_a_known_file_by_one_that_cannot_be_read() -> None:
    signed = repository(delegations={"targets/alice": Delegation([p256()], {})})
    before = seen(signed)
    signed.versions["targets/alice"] = 2
    signed.change["targets/alice"] = _set("expires", "tomorrow")
    with pytest.raises(NotTrusted, match="rolled it back"):
        seen(signed, remembered=before)


@pytest.mark.parametrize("file", ["missing", "another"])
def test_a_server_may_not_withhold_the_file_of_a_signer(file: str) -> None:
    signed = repository(delegations={"targets/alice": Delegation([p256()], {"1.0": tag()})})
    files = signed.files()
    (name,) = (each for each in files if each.startswith("targets/alice.") and each != "targets/alice.json")
    changed = {each: content for each, content in files.items() if each != name}
    if file == "another":
        changed[name] = files[name] + b" "
    with pytest.raises(MalformedError):
        fetched(changed, asked(signed))


@pytest.mark.parametrize(
    ("paths", "fits"), [([""], True), (["2"], True), (["rel-", "2.0"], True), (["3"], False), ([], False)]
)
def test_a_delegation_names_only_tags_below_its_paths(paths: list[str], fits: bool) -> None:
    found = seen(repository(delegations={"targets/releases": Delegation([p256()], {"2.0": tag()}, paths)}))

    assert (released(found, "2.0") is not None) is fits
    assert ("2.0" in releases(found)) is fits


def test_a_child_gets_no_paths_that_its_parent_does_not_have() -> None:
    parent = Delegation([p256()], {}, ["dev"])
    child = Delegation([p256()], {"dev-1": tag(), "1.0": tag()}, ["", "dev"])
    found = seen(repository(delegations={"targets/a": parent, "targets/a/b": child}))
    manifest = released(found, "1.0")

    assert manifest is not None
    assert signers_of(found, "1.0", manifest.manifest) == ()
    assert signers_of(found, "dev-1", manifest.manifest) == ("a/b",)


@pytest.mark.parametrize(
    "name",
    [
        "targets/../x",
        "targets/A",
        "targets//x",
        "targets/",
        "root",
        "targets/x/y",
        "targets/" + "a" * 250,
    ],
    ids=["up", "upper", "double", "empty", "top", "grandchild", "long"],
)
def test_an_odd_name_of_a_delegation_is_refused(name: str) -> None:
    made = repository(delegations={"targets/releases": Delegation([p256()], {})})
    made.change["targets"] = lambda signed: signed["delegations"]["roles"][0].update(name=name)

    with pytest.raises(MalformedError, match="delegation"):
        seen(made)


def test_a_malformed_tag_is_skipped_and_said() -> None:
    found = seen(repository(tags={"1.0": tag(), "2.0": {"length": 1}, "3.0": {**tag(), "length": -1}}))

    assert set(releases(found)) == {"1.0"}
    assert len(found.skipped) == 2


@pytest.mark.parametrize(
    "name",
    ["", "a b", "../x", "9" * 5000, "v1/x", "\u202e1"],
    ids=["empty", "blank", "path", "long", "slash", "override"],
)
def test_a_name_that_is_no_tag_is_skipped_and_said(name: str) -> None:
    found = seen(repository(tags={"1.0": tag(), name: tag()}))

    assert set(releases(found)) == {"1.0"}
    assert "is not a tag" in found.skipped[0]


def test_reasons_for_skipped_tags_are_few() -> None:
    found = seen(repository(tags={f"{number}/": tag() for number in range(1000)}))

    assert len(found.skipped) == 11
    assert found.skipped[-1] == "targets.json: 990 more tags are not used"


def test_only_wanted_roles_are_fetched() -> None:
    made = repository(delegations={f"targets/{name}": Delegation([p256()], {}) for name in ("releases", "a", "b")})
    asked_for: list[str] = []

    class Watched(dict[str, bytes]):
        def get(self, name: str, default: Any = None) -> Any:
            asked_for.append(name.split(".")[0])
            return super().get(name, default)

    fetched(Watched(made.files()), UpdateRequest(GUN, (), NOW, wanted=lambda name: name == "targets/a"))

    assert asked_for == ["root", "timestamp", "snapshot", "targets", "targets/a"]


def test_files_that_are_remembered_are_not_fetched_again() -> None:
    made = repository()
    remembered = seen(made)
    only = {name: content for name, content in made.files().items() if name == "timestamp.json"}

    assert fetched(only, asked(made, remembered=remembered)) == remembered
