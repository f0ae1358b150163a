"""Timestamps in cosign's formats: what they prove for certificates that have expired, and what they do not."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from imagesig import NoSignatureAccepted, Policy, effort, verify_blob
from imagesig.crypto.algorithms import Hash, ToSign, signing_algorithms
from imagesig.errors import BudgetExceeded
from imagesig.formats.attestation import CosignAttestation
from imagesig.formats.blob_bundle import message_bundle
from imagesig.formats.bundle import Bundle
from imagesig.formats.bundle_attestation import BundleAttestation
from imagesig.formats.cosign import Cosign
from imagesig.formats.format import Format
from imagesig.oci.annotations import Annotations
from imagesig.policy import Rule, Signed
from imagesig.signature import (
    AUTHENTIC_TIMESTAMP,
    Claim,
    Draft,
    Examined,
    Part,
    SignerInfo,
    StatementClaim,
    StoredSignature,
    Subject,
)
from imagesig.trust import Strangers, TimestampAuthorities
from tests.authorities import Authority
from tests.chains import leaf, root, trusting
from tests.makers import DIGEST, NAME, NOW, private_key
from tests.timestamps import response, token, tst_info

CLASSIC = "dev.sigstore.cosign/rfc3161timestamp"
ROOT = Authority("timestamp root")
TSA = ROOT.tsa()
LATER = NOW + timedelta(days=100)
"""The signer's certificates have expired by then, those of the service have not."""
FORMATS: dict[str, Format] = {
    "signature": Cosign(certificates=True),
    "bundle": Bundle(certificates=True),
    "attestation": CosignAttestation(certificates=True),
    "bundle attestation": BundleAttestation(certificates=True),
}
every_format = pytest.mark.parametrize("made", FORMATS.values(), ids=FORMATS)
CERTIFIED = leaf(root(), key=private_key())
SIGNER = CERTIFIED.signer


def stored(made: Format, signer: SignerInfo = SIGNER) -> tuple[StoredSignature, bytes]:
    """What the certified signer made, and its raw signature."""
    claim = Claim((Subject(DIGEST),), NAME)
    if made.name and isinstance(made, CosignAttestation | BundleAttestation):
        claim = StatementClaim((Subject(DIGEST),), predicate_type="https://example.org/a", predicate=b"{}")
    draft = made.draft(claim, signer, NOW, ())
    assert isinstance(draft, Draft)
    (signature,) = (CERTIFIED.private_key.sign(request) for request in draft.requests)
    return made.seal(draft, [signature]), signature


def stamped(made: Format, item: StoredSignature, answers: Sequence[bytes | str]) -> StoredSignature:
    """The same with these timestamps in it; a text is not encoded."""
    texts = [item if isinstance(item, str) else base64.b64encode(item).decode() for item in answers]
    (part,) = item.parts
    if isinstance(made, Cosign | CosignAttestation):
        (text,) = texts
        noted = {**part.annotations, CLASSIC: json.dumps({"SignedRFC3161Timestamp": text})}
        return replace(item, parts=(replace(part, annotations=Annotations(noted)),))
    document = json.loads(part.content)
    listed = {"rfc3161Timestamps": [{"signedTimestamp": text} for text in texts]}
    document["verificationMaterial"]["timestampVerificationData"] = listed
    return replace(item, parts=(Part(part.media_type, json.dumps(document).encode()),))


def examine(made: Format, item: StoredSignature, at: Any = LATER, **options: Any) -> Examined:
    stamps = TimestampAuthorities((ROOT.certificate, TSA.certificate), **options)
    anchors = trusting(CERTIFIED.chain[-1], timestamps=stamps)
    return made.authenticate(made.parse(item), anchors, at)


def reason(examined: Examined) -> str:
    """Why the time is refused; empty if it is proven."""
    (check,) = (item for item in examined.checks if item.name == AUTHENTIC_TIMESTAMP)
    return str(check.failure or "")


def of(signature: bytes, **fields: Any) -> bytes:
    """An answer without certificates, as cosign asks for it."""
    return response(token(TSA, tst_info(signature, **fields), brought=()))


@every_format
def test_a_timestamp_proves_that_the_certificate_was_valid(made: Format) -> None:
    item, signature = stored(made)
    found = examine(made, stamped(made, item, [of(signature)]))
    assert reason(found) == ""
    assert (found.authentic_time, found.timestamp_chain[0]) == (NOW, TSA.certificate)
    brought = response(token(TSA, tst_info(signature)))
    assert reason(examine(made, stamped(made, item, [brought]))) == ""


REFUSED: dict[str, tuple[Callable[[bytes], bytes | str], str]] = {
    "of another signature": (lambda signature: of(signature + b"x"), "made for other bytes"),
    "too late": (lambda signature: of(signature, generated=NOW + timedelta(days=50)), "is valid from"),
    "too early": (lambda signature: of(signature, generated=NOW - timedelta(days=50)), "valid from"),
    "from the future": (lambda signature: of(signature, generated=LATER + timedelta(days=1)), "from the future"),
    "of another service": (
        lambda signature: response(token(Authority("other").tsa(), tst_info(signature))),
        "trusted timestamp authority",
    ),
    "refused by the service": (lambda _: response(status="rejection"), "refused"),
    "no answer": (lambda _: b"nothing", "not a TimeStampResp"),
    "no base64": (lambda _: "-", "base64"),
}


@every_format
@pytest.mark.parametrize(("answer", "why"), REFUSED.values(), ids=REFUSED)
def test_another_timestamp_proves_nothing(made: Format, answer: Callable[[bytes], bytes | str], why: str) -> None:
    item, signature = stored(made)
    found = examine(made, stamped(made, item, [answer(signature)]))
    assert why in reason(found)
    assert found.authentic_time is None


@every_format
@pytest.mark.parametrize("after_expiry_only", [False, True])
def test_a_renewed_root_hides_no_path_that_was_valid_at_the_time(made: Format, after_expiry_only: bool) -> None:
    """Both roots are trusted, and have one key and one name. The order in the policy does not matter."""
    renewed = root(start=NOW + timedelta(days=1), end=LATER + timedelta(days=1)).certificate
    item, signature = stored(made)
    stamps = TimestampAuthorities((ROOT.certificate, TSA.certificate), after_expiry_only)
    for roots in ((renewed, CERTIFIED.chain[-1]), (CERTIFIED.chain[-1], renewed)):
        anchors = trusting(*roots, timestamps=stamps)
        found = made.authenticate(made.parse(stamped(made, item, [of(signature)])), anchors, LATER)
        assert reason(found) == ""
        assert found.chain[-1] == CERTIFIED.chain[-1]
        wrong = made.authenticate(made.parse(stamped(made, item, [of(signature + b"x")])), anchors, LATER)
        assert "other bytes" in reason(wrong)


@every_format
def test_without_a_timestamp_the_policy_decides(made: Format) -> None:
    item, _ = stored(made)
    assert "has no timestamp" in reason(examine(made, item))
    assert "has no timestamp" in reason(examine(made, item, NOW))
    assert reason(examine(made, item, NOW, after_expiry_only=True)) == ""
    assert "has no timestamp" in reason(examine(made, item, after_expiry_only=True))
    valid = trusting(CERTIFIED.chain[-1])
    assert reason(made.authenticate(made.parse(item), valid, NOW)) == ""


@pytest.mark.parametrize("made", [Cosign(certificates=True), CosignAttestation(certificates=True)], ids=["sig", "att"])
@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"SignedRFC3161Timestamp": 1}', '{"a": 1, "a": 1}', '{"SIGNEDRFC3161TIMESTAMP": "AAAA"}'],
)
def test_an_annotation_that_is_no_timestamp_is_a_reason(made: Format, text: str) -> None:
    item, _ = stored(made)
    (part,) = item.parts
    broken = replace(item, parts=(replace(part, annotations=Annotations({**part.annotations, CLASSIC: text})),))
    assert "cannot be read" in reason(examine(made, broken))
    assert reason(examine(made, broken, NOW, after_expiry_only=True)) == "", "not needed, so not read"


@pytest.mark.parametrize("made", [Bundle(certificates=True), BundleAttestation(certificates=True)], ids=["sig", "att"])
def test_of_several_timestamps_one_is_enough_and_all_have_a_cost(made: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    item, signature = stored(made)
    wrong = of(signature + b"x")
    assert reason(examine(made, stamped(made, item, [wrong, of(signature)]))) == ""
    monkeypatch.setitem(effort.ALLOWANCE, effort.Cost.CERTIFICATE_CHECKS, 20)
    with effort.one_image(), pytest.raises(BudgetExceeded):
        examine(made, stamped(made, item, [wrong] * 30))


@every_format
def test_a_timestamp_of_a_signer_whom_nobody_trusted_certified_is_not_opened(
    made: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, signature = stored(made)
    monkeypatch.setattr("imagesig.formats.cosign_timestamps.token_in_response", pytest.fail)
    stamps = TimestampAuthorities((ROOT.certificate,))
    anchors = replace(trusting(root(number=907).certificate, timestamps=stamps), strangers=Strangers.JUDGED)
    envelope = made.parse(stamped(made, item, [of(signature)]))
    found = made.authenticate(envelope, anchors, LATER)
    assert (found.authority, "has no timestamp" in reason(found)) == ("", True)


def test_a_timestamp_in_the_bundle_of_a_blob_proves_that_the_certificate_was_valid() -> None:
    blob = b"a blob"
    digest = hashlib.sha256(blob).digest()
    key = CERTIFIED.private_key
    signature = key.sign(ToSign(blob, signing_algorithms(key.public_key.key_type)[0]))
    bundle = message_bundle(signature, Hash.SHA256, digest, key.public_key, CERTIFIED.chain)
    stamps = TimestampAuthorities((ROOT.certificate, TSA.certificate))
    policy = Policy(Rule((Signed(trusting(CERTIFIED.chain[-1]).authorities, timestamps=stamps),)))
    with pytest.raises(NoSignatureAccepted, match="has no timestamp"):
        verify_blob(blob, policy, bundle=bundle, now=LATER)
    document = json.loads(bundle)
    stamp = {"signedTimestamp": base64.b64encode(of(signature)).decode()}
    document["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": [stamp]}
    assert verify_blob(blob, policy, bundle=json.dumps(document).encode(), now=LATER).signatures
