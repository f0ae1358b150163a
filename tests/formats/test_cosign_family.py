"""Certificates in cosign's formats: there when asked for, and only then."""

from __future__ import annotations

import base64
import json

import pytest

from imagesig.errors import InvalidArgument
from imagesig.formats import select_formats
from imagesig.formats.bundle import Bundle
from imagesig.formats.cosign import Cosign
from imagesig.formats.cosign_family import CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION
from imagesig.signature import AlreadySigned, Claim, Draft, SignerInfo, StoredSignature, Subject
from tests.issuers import Issuer, pem
from tests.makers import DIGEST, NAME, NOW, private_key

KEY = private_key()
ROOT = Issuer("root")
MIDDLE = Issuer("middle", [ROOT])
CHAIN = MIDDLE.chain_for(KEY.public_key)
SIGNER = SignerInfo(KEY.public_key, "test:key", chain=CHAIN)
CLAIM = Claim((Subject(DIGEST),), NAME)


def signed(form: Cosign | Bundle, signer: SignerInfo = SIGNER) -> StoredSignature:
    draft = form.draft(CLAIM, signer, NOW, ())
    assert isinstance(draft, Draft)
    return form.seal(draft, [KEY.sign(request) for request in draft.requests])


def material(stored: StoredSignature) -> dict[str, object]:
    found: dict[str, object] = json.loads(stored.parts[0].content)["verificationMaterial"]
    return found


def test_a_classic_signature_carries_the_leaf_and_its_issuers() -> None:
    annotations = signed(Cosign(certificates=True)).parts[0].annotations
    assert annotations[CERTIFICATE_ANNOTATION].encode() == pem(CHAIN[:1])
    assert annotations[CHAIN_ANNOTATION].encode() == pem(CHAIN[1:])


def test_a_chain_without_its_root_ends_in_one_that_readers_may_drop() -> None:
    signer = SignerInfo(KEY.public_key, "test:key", chain=CHAIN[:2])
    annotations = signed(Cosign(certificates=True), signer).parts[0].annotations
    assert annotations[CHAIN_ANNOTATION].encode() == pem(CHAIN[1:2] * 2)


def test_a_leaf_alone_has_an_empty_chain_as_cosign_writes_it() -> None:
    signer = SignerInfo(KEY.public_key, "test:key", chain=CHAIN[:1])
    assert signed(Cosign(certificates=True), signer).parts[0].annotations[CHAIN_ANNOTATION] == ""


def test_a_bundle_carries_the_leaf_instead_of_a_key() -> None:
    raw = base64.b64encode(CHAIN[0].der).decode()
    assert material(signed(Bundle(certificates=True))) == {"certificate": {"rawBytes": raw}}


def test_certificates_are_attached_only_on_request() -> None:
    assert CERTIFICATE_ANNOTATION not in signed(Cosign()).parts[0].annotations
    assert set(material(signed(Bundle()))) == {"publicKey"}


@pytest.mark.parametrize("form", [Cosign(certificates=True), Bundle(certificates=True)])
def test_a_key_without_certificates_cannot_attach_them(form: Cosign | Bundle) -> None:
    with pytest.raises(InvalidArgument) as refused:
        form.draft(CLAIM, SignerInfo(KEY.public_key, "test:key"), NOW, ())
    assert "--certificate-chain" in refused.value.hint


def test_a_classic_signature_with_this_certificate_is_recognised_and_no_other() -> None:
    form = Cosign(certificates=True)
    stored = signed(form)
    assert isinstance(form.draft(CLAIM, SIGNER, NOW, [stored]), AlreadySigned)
    renewed = SignerInfo(KEY.public_key, "test:key", chain=MIDDLE.chain_for(KEY.public_key))
    assert isinstance(form.draft(CLAIM, renewed, NOW, [stored]), Draft)
    assert isinstance(form.draft(CLAIM, SIGNER, NOW, [signed(Cosign())]), Draft)


@pytest.mark.parametrize("forms", [(Cosign(), Cosign(certificates=True)), (Bundle(), Bundle(certificates=True))])
def test_a_signature_with_a_certificate_is_not_one_by_the_bare_key(
    forms: tuple[Cosign | Bundle, Cosign | Bundle],
) -> None:
    bare, certified = forms
    assert isinstance(bare.draft(CLAIM, SIGNER, NOW, [signed(certified)]), Draft)
    assert isinstance(bare.draft(CLAIM, SIGNER, NOW, [signed(bare)]), AlreadySigned)


def test_users_select_them_by_name() -> None:
    assert select_formats(["cosign-x509", "bundle-x509"]) == (Cosign(certificates=True), Bundle(certificates=True))
