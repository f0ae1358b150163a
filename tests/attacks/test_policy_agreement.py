"""`verify`, `explain`, `policy check`, `describe` and the written form give one answer about every small policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imagesig
from imagesig.api.explaining import explain
from imagesig.errors import (
    AllowedUnverified,
    ImagesigError,
    InvalidArgument,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
)
from imagesig.format_names import NAMES
from imagesig.policy import (
    AUDIT,
    PERMISSIVE,
    STRICT,
    AcceptAnything,
    Identity,
    KeyReference,
    Policy,
    Reject,
    Requirement,
    Rule,
    Signed,
    Unsupported,
)
from imagesig.policy.authority import Authority
from imagesig.policy.files.write import document_of
from imagesig.trust import CertificateAuthority, TrustedKey
from tests.attacks.policy_place import NAME, furnish
from tests.chains import root
from tests.commands import run_here

IDENTITIES = [
    Identity.of_image(),
    Identity.any(),
    Identity.exactly(NAME),
    Identity.exactly("registry.example/team/other"),
    Identity.match_exact(),
    Identity.match_repo_digest_or_exact(),
    Identity.match_repository(),
    Identity.exact_reference(NAME),
    Identity.exact_reference("registry.example/team/app:2"),
    Identity.exact_repository("registry.example/team/app"),
    Identity.remap_identity("mirror.example", "registry.example"),
]
PASSES, UNVERIFIED, REFUSED, WRONG = "verified", "passes unverified", "refused", "wrong policy"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a` signed the image as `cosign` and `bundle`, `b` as `cosign` alone, `c` not at all; `copy.pub` is `a.pub`."""
    folder = tmp_path_factory.mktemp("agreement").resolve()
    furnish(folder, "a", "b", "c")
    image = f"oci:{folder}/image:1.0"
    done = run_here("sign", "--key", folder / "b.key", "--format", "cosign", "--identity", NAME, image)
    assert done.exit_code == 0, done.output
    (folder / "copy.pub").write_text((folder / "a.pub").read_text())
    return folder


def _authorities(place: Path) -> list[Authority]:
    keys = [imagesig.open_public_keys(str(place / f"{name}.pub")) for name in "abc"]
    return [
        TrustedKey("a", keys[0]),
        TrustedKey("rotated", (*keys[1], *keys[2])),
        *(KeyReference(str(place / f"{name}.pub"), f"file of {name}") for name in ("a", "b", "c", "copy")),
        CertificateAuthority("ca", root().chain),
    ]


def _requirements(authorities: list[Authority]) -> st.SearchStrategy[Requirement]:
    def signed(given: list[Authority]) -> st.SearchStrategy[Signed | None]:
        return st.builds(
            _made,
            st.just(tuple(given)),
            st.one_of(st.none(), st.integers(1, len(given))),
            st.sampled_from(IDENTITIES),
            st.lists(st.sampled_from([item.name for item in NAMES]), max_size=2),
            st.sampled_from([STRICT, STRICT, PERMISSIVE, AUDIT]),
        )

    some = st.lists(st.sampled_from(authorities), min_size=1, max_size=3, unique=True).flatmap(signed)
    others = st.sampled_from([AcceptAnything(), Reject(), Unsupported("it asks for Fulcio")])
    return st.one_of(some.filter(bool), some.filter(bool), some.filter(bool), others)


def _made(*values: object) -> Signed | None:
    authorities, threshold, identity, formats, enforcement = values
    try:
        return Signed(  # type: ignore[arg-type]
            authorities, threshold, identity=identity, formats=formats, enforcement=enforcement
        )
    except InvalidArgument as error:
        if "distinct" not in str(error):
            raise
        return None


def outcome(image: str, policy: Policy) -> str:
    try:
        return PASSES if imagesig.verify(image, policy).verified else "a result without proof"
    except AllowedUnverified:
        return UNVERIFIED
    except (NoSignatures, NoSignatureAccepted, RefusedByPolicy):
        return REFUSED
    except InvalidArgument as error:
        if "distinct" not in str(error):
            raise
        return WRONG


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_every_way_to_ask_about_a_policy_gives_one_answer(place: Path, data: st.DataObject) -> None:
    image = f"oci:{place}/image:1.0"
    requirements = data.draw(st.lists(_requirements(_authorities(place)), min_size=1, max_size=2))
    policy = Policy(Rule(tuple(requirements), warn=False))
    verdict = outcome(image, policy)

    explained = explain(image, policy)
    assert (explained.is_met is True) == (verdict in (PASSES, UNVERIFIED)), (verdict, explained.is_met)
    if explained.is_met is None:
        assert verdict == WRONG
    if verdict == PASSES:
        assert any(type(item) is Signed for item in requirements)
    words = {item.describe() for item in requirements}
    if words == {"accepted, without proof"}:
        assert verdict == UNVERIFIED
    if "rejected" in words or "it asks for Fulcio" in words:
        assert verdict in (REFUSED, WRONG)

    warning = outcome(image, Policy(Rule(tuple(requirements), warn=True)))
    assert warning == (UNVERIFIED if verdict == REFUSED else verdict)

    try:
        document = document_of(policy)
    except InvalidArgument:
        assert any(type(item) is Unsupported for item in requirements)
        return
    path = place / "policy.json"
    path.write_text(json.dumps(document))
    if any(type(item) is Reject for item in requirements):
        assert document["default"] == "reject"
        assert run_here("policy", "check", path).exit_code == 0
        return
    checked = run_here("policy", "check", path)
    try:
        written = Policy.load(path)
    except ImagesigError as error:
        if "distinct" not in str(error):
            raise
        assert (verdict, checked.exit_code) == (WRONG, 2)
        return
    assert outcome(image, written) == verdict
    assert checked.exit_code == (2 if verdict == WRONG else 0), checked.output
