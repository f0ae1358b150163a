"""Attestations by a trusted key that two readers read differently, or of which ours reads less: never a pass."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagesig import verify_attestation
from imagesig.errors import ConditionFailed, NoSignatureAccepted
from imagesig.formats.cosign_family import CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION
from imagesig.policy import AUDIT, STRICT, Attested, Enforcement, Policy, Rule
from imagesig.policy.predicate import Condition
from imagesig.trust import CertificateAuthority
from tests.attestations import FORMS, TYPE, attested_image, content, envelope, put, statement
from tests.attestations import Attested as Stage
from tests.chains import SUBJECT, Issuer, certified, leaf, pem, root
from tests.makers import NOW, private_key

KEY = private_key().public_key
ONE = Condition("/a", "equals", 1)
form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with attested_image() as made:
        yield made


def _twice(made: bytes) -> bytes:
    return made.replace(b'"predicateType"', b'"predicateType": "x", "predicateType"', 1)


UNREADABLE: dict[str, Callable[[str], bytes]] = {
    "an unknown member": lambda digest: statement(digest, {"a": 2}, extra=1),
    "another version": lambda digest: statement(digest, {"a": 2}, _type="https://in-toto.io/Statement/v2"),
    "no subjects": lambda digest: statement(digest, {"a": 2}, subject=[]),
    "a member twice": lambda digest: _twice(statement(digest, {"a": 2})),
}


@form
@pytest.mark.parametrize("made", UNREADABLE.values(), ids=UNREADABLE)
def test_where_every_attestation_must_fit_one_that_cannot_be_read_does_not(
    stage: Stage, form: str, made: Callable[[str], bytes]
) -> None:
    put(stage.image, form, content(form, envelope(statement(stage.digest, {"a": 1}))))
    options: dict[str, Any] = {"predicate_type": TYPE, "conditions": [ONE]}
    put(stage.image, form, content(form, envelope(made(stage.digest), private_key(number=7))))
    assert verify_attestation(stage.image, KEY, every=True, **options).statements  # a stranger's does not have to fit
    put(stage.image, form, content(form, envelope(made(stage.digest))))
    assert verify_attestation(stage.image, KEY, **options).statements
    with pytest.raises(NoSignatureAccepted, match="every attestation of slsaprovenance1 must fit") as refused:
        verify_attestation(stage.image, KEY, every=True, **options)
    assert ConditionFailed in {type(item.error) for item in refused.value.rejections}


@form
def test_where_every_attestation_must_fit_an_odd_one_of_another_type_does_not_matter(stage: Stage, form: str) -> None:
    put(stage.image, form, content(form, envelope(statement(stage.digest, {"a": 1}))))
    odd = statement(stage.digest, {"a": 2}, extra=1, predicateType="https://other.example")
    put(stage.image, form, content(form, envelope(odd)))
    assert verify_attestation(stage.image, KEY, predicate_type=TYPE, conditions=[ONE], every=True).statements


def _certified(stage: Stage, form: str, made: bytes, signer: Issuer) -> None:
    der = base64.b64encode(signer.certificate.der).decode()
    chain = {CERTIFICATE_ANNOTATION: signer.certificate.pem, CHAIN_ANNOTATION: pem(signer.chain[1:])}
    above = [{"rawBytes": base64.b64encode(item.der).decode()} for item in signer.chain[1:]]
    material = {"x509CertificateChain": {"certificates": [{"rawBytes": der}, *above]}}
    changes = {"verificationMaterial": material} if form == "bundle" else {}
    made_by = envelope(made, signer.private_key)
    put(stage.image, form, content(form, made_by, **changes), **(chain if form == "cosign" else {}))


@form
@pytest.mark.parametrize("enforcement", [STRICT, AUDIT], ids=["strict", "audit"])
def test_what_a_certified_signer_wrote_counts_alike_and_what_others_wrote_never_does(
    stage: Stage, form: str, enforcement: Enforcement
) -> None:
    signer, stranger = certified(), leaf(root(f"{SUBJECT},CN=other", number=902), key=private_key(number=9))
    authority = CertificateAuthority("acme", (signer.chain[-1],))
    asked = Attested((authority,), predicate_type=TYPE, conditions=(ONE,), every=True, enforcement=enforcement)
    policy, odd = Policy(Rule((asked,))), statement(stage.digest, {"a": 2}, extra=1)
    _certified(stage, form, statement(stage.digest, {"a": 1}), signer)
    _certified(stage, form, odd, stranger)
    assert verify_attestation(stage.image, policy, now=NOW).statements
    _certified(stage, form, odd, signer)
    with pytest.raises(NoSignatureAccepted, match="every attestation of slsaprovenance1 must fit"):
        verify_attestation(stage.image, policy, now=NOW)


@form
def test_an_expression_does_not_see_only_the_beginning_of_a_text(stage: Stage, form: str) -> None:
    wanted = "https://builder.example/v1"
    put(stage.image, form, content(form, envelope(statement(stage.digest, {"builder": f"{wanted}\0.evil.example"}))))
    options: dict[str, Any] = {"predicate_type": TYPE, "cel": f"predicate.builder == '{wanted}'"}
    with pytest.raises(NoSignatureAccepted, match="NUL"):
        verify_attestation(stage.image, KEY, **options)
    put(stage.image, form, content(form, envelope(statement(stage.digest, {"builder": wanted, "other": "\\u0000"}))))
    assert verify_attestation(stage.image, KEY, **options).statements
