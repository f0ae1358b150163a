"""An attestation that is forged, moved, doubled or odd adds no trust and hides nothing (reference 1.1 to 1.4, 2.9)."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesig import VerificationResult, layout, limits, sign, verify_attestation
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.errors import ImagesigError, LimitExceeded, NoSignatureAccepted, NoSignatures
from imagesig.format_names import Storage
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.in_toto.statement import IN_TOTO
from imagesig.policy import Condition
from imagesig.stores import STORES, ReferrerStore
from imagesig.stores.store import ATTESTATIONS
from tests.attestations import FORMS, TYPE, Attested, attest, attested_image, content, envelope, put, statement
from tests.makers import private_key, signing_key
from tests.makers import sign as signature_of

KEY = private_key().public_key
GOOD = {"good": True}
ONLY_GOOD = [Condition("/good", "equals", True)]
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def stage() -> Iterator[Attested]:
    with attested_image() as made:
        yield made


def ask(stage: Attested, **options: Any) -> VerificationResult:
    return verify_attestation(stage.image, KEY, predicate_type=TYPE, **options)


def _by(message: bytes, payload: bytes, /, **changes: Any) -> dict[str, Any]:
    """An envelope whose signature is over another message."""
    return envelope(payload, signatures=[{"sig": signature_of(private_key(), message)}], **changes)


def _twice(document: bytes, member: str) -> bytes:
    """The document with a member that occurs twice, the first time with another value."""
    return b'{"%b": "x", ' % member.encode() + document[1:]


OTHER = "sha256:" + "0" * 64
FORGED: dict[str, Callable[[str], dict[str, Any]]] = {
    "of another image": lambda digest: envelope(statement(OTHER, GOOD)),
    "without a subject": lambda digest: envelope(statement([], GOOD)),
    "by another key": lambda digest: envelope(statement(digest, GOOD), private_key(number=7)),
    "signed without its type": lambda digest: _by(statement(digest, GOOD), statement(digest, GOOD)),
    "signed as another type": lambda digest: _by(
        pre_authentication_encoding("text/plain", statement(digest, GOOD)), statement(digest, GOOD)
    ),
    "of another payload type": lambda digest: _by(
        pre_authentication_encoding("text/plain", statement(digest, GOOD)),
        statement(digest, GOOD),
        payloadType="text/plain",
    ),
    "with lengths in characters": lambda digest: _by(
        b"DSSEv1 28 %b %d %b" % (IN_TOTO.encode(), len(statement(digest, GOOD)) - 1, statement(digest, GOOD)),
        statement(digest, GOOD),
    ),
    "with another payload": lambda digest: _by(
        pre_authentication_encoding(IN_TOTO, statement(OTHER, GOOD)), statement(digest, GOOD)
    ),
    "with no signature": lambda digest: envelope(statement(digest, GOOD), signatures=[]),
    "with an empty signature": lambda digest: envelope(statement(digest, GOOD), signatures=[{"sig": ""}]),
    "with two signatures": lambda digest: envelope(
        statement(digest, GOOD), signatures=envelope(statement(digest, GOOD))["signatures"] * 2
    ),
    "of an unknown statement": lambda digest: envelope(
        statement(digest, GOOD, _type="https://in-toto.io/Statement/v9")
    ),
    "of no statement type": lambda digest: envelope(statement(digest, GOOD, _type=None)),
    "of no predicate type": lambda digest: envelope(statement(digest, GOOD, predicateType=None)),
    "of a type that is a list": lambda digest: envelope(statement(digest, GOOD, predicateType=[TYPE])),
    "with an unknown member": lambda digest: envelope(statement(digest, GOOD, extra=1)),
    "with the subject twice": lambda digest: envelope(_twice(statement(digest, GOOD), "subject")),
    "with the type twice": lambda digest: envelope(_twice(statement(digest, GOOD), "predicateType")),
    "with the predicate twice": lambda digest: envelope(_twice(statement(digest, GOOD), "predicate")),
    "with a folded twin": lambda digest: envelope(_twice(statement(digest, GOOD), "Subject")),
    "with an escaped twin": lambda digest: envelope(_twice(statement(digest, GOOD), "\\u0070redicate")),
    "of a digest in upper case": lambda digest: envelope(
        statement(digest, GOOD, subject=[{"digest": {"sha256": digest[7:].upper()}}])
    ),
    "of sha512 alone": lambda digest: envelope(statement(digest, GOOD, subject=[{"digest": {"sha512": digest[7:]}}])),
    "of md5 and sha1": lambda digest: envelope(
        statement(digest, GOOD, subject=[{"digest": {"md5": digest[7:], "sha1": digest[7:]}}])
    ),
    "of a git commit": lambda digest: envelope(
        statement(digest, GOOD, subject=[{"digest": {"gitCommit": digest[7:]}}])
    ),
    "of a subject that is text": lambda digest: envelope(statement(digest, GOOD, subject=[digest])),
    "of the image as a name": lambda digest: envelope(
        statement(digest, GOOD, subject=[{"name": digest, "digest": {"sha256": OTHER[7:]}}])
    ),
    "of 1025 subjects": lambda digest: envelope(statement([*(f"sha256:{n:064x}" for n in range(1024)), digest], GOOD)),
    "of 33 digests": lambda digest: envelope(
        statement(
            digest,
            GOOD,
            subject=[{"digest": {**{f"d{number}": "00" for number in range(32)}, "sha256": digest[7:]}}],
        )
    ),
    "that is an image signature": lambda digest: envelope(statement(digest, GOOD, predicateType=SIGNATURE)),
    "of another type": lambda digest: envelope(
        statement(digest, GOOD, predicateType="https://slsa.dev/provenance/v0.2")
    ),
    "that is a list": lambda digest: envelope(b"[" + statement(digest, GOOD) + b"]"),
    "that is empty": lambda digest: envelope(b""),
    "with a tail": lambda digest: envelope(statement(digest, GOOD) + b"{}"),
    "that is not UTF-8": lambda digest: envelope(statement(digest, b'{"good": true, "x": "\xff"}')),
    "with half a surrogate": lambda digest: envelope(statement(digest, GOOD, extra="\ud800")),
    "that is nested deeply": lambda digest: envelope(statement(digest, b"[" * 100_000)),
    "with a predicate of broken JSON": lambda digest: envelope(statement(digest, b'{"good": true,}')),
    "in URL-safe base64": lambda digest: envelope(
        statement(digest, b'{"good": true, "x": "\xc3\xbf\xc3\xbf\xc3\xbe"}'),
        payload=base64.urlsafe_b64encode(
            statement(digest, b'{"good": true, "x": "\xc3\xbf\xc3\xbf\xc3\xbe"}')
        ).decode(),
    ),
    "in base64 with a tail": lambda digest: envelope(
        statement(digest, GOOD), payload=base64.b64encode(statement(digest, GOOD)).decode() + "===="
    ),
    "in base64 with spaces": lambda digest: envelope(
        statement(digest, GOOD), payload=" " + base64.b64encode(statement(digest, GOOD)).decode()
    ),
    "with a payload that is a list": lambda digest: envelope(statement(digest, GOOD), payload=[1]),
    "with the payload twice in one": lambda digest: envelope(statement(digest, GOOD), Payload="x"),
}


@pytest.mark.parametrize("made", FORGED.values(), ids=FORGED)
@form
def test_a_forged_attestation_adds_no_trust_and_hides_no_good_one(
    stage: Attested, form: str, made: Callable[[str], dict[str, Any]]
) -> None:
    put(stage.image, form, content(form, made(stage.digest)))
    for conditions in ((), ONLY_GOOD):
        with pytest.raises((NoSignatures, NoSignatureAccepted)):
            ask(stage, conditions=conditions)
    attest(stage.image, form, GOOD)
    assert [item.parsed for item in ask(stage, conditions=ONLY_GOOD).statements] == [GOOD]


ODD: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"x",
    "a number": b"1",
    "a list": b"[]",
    "an object": b"{}",
    "null": b"null",
    "gzip": b"\x1f\x8b\x08" + bytes(40),
    "a payload without an end": b'{"payload": "' + b"A" * 100,
    "many payloads": b'{"payload": "AAAA", ' * 1000,
    "deep": b"[" * 100_000,
    "a message signature": json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": "AAAA"}, "signature": "AAAA"},
        }
    ).encode(),
    "a simple-signing payload": b'{"critical":{"image":{"docker-manifest-digest":"sha256:00"}}}',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@form
def test_an_odd_artefact_hides_no_good_attestation(stage: Attested, form: str, odd: bytes) -> None:
    put(stage.image, form, odd)
    for other in FORMS:
        attest(stage.image, other, {**GOOD, "form": other})
    assert len(ask(stage, conditions=ONLY_GOOD).statements) == 2


@pytest.mark.parametrize("api", [True, False])
def test_a_signature_bundle_does_not_hide_a_classic_attestation(api: bool) -> None:
    with attested_image(api=api) as stage:
        sign(stage.image, signing_key(), formats=["bundle"])
        attest(stage.image, "cosign", GOOD)
        assert ask(stage).statements


@form
def test_many_small_attestations_of_others_do_not_hide_a_good_one(stage: Attested, form: str) -> None:
    for number in range(102):
        put(stage.image, form, content(form, envelope(statement(stage.digest, {"n": number}), private_key(number=7))))
    attest(stage.image, form, {**GOOD, "text": "x" * 5000})
    assert len(ask(stage, conditions=ONLY_GOOD).statements) == 1


def test_many_signatures_do_not_hide_an_attestation(stage: Attested, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STORES, Storage.ATTESTATION_REFERRER, ReferrerStore(ATTESTATIONS, 3))
    attest(stage.image, "bundle", {**GOOD, "text": "x" * 5000})
    for number in range(6):
        sign(stage.image, signing_key(number), formats=["bundle"])
    assert ask(stage).statements


@form
def test_a_signature_stored_as_an_attestation_is_none(stage: Attested, form: str) -> None:
    made = envelope(statement(stage.digest, {}, predicateType=SIGNATURE))
    put(stage.image, form, content(form, made))
    with pytest.raises((NoSignatures, NoSignatureAccepted)):
        ask(stage)
    with pytest.raises(ImagesigError, match="not an attestation"):
        verify_attestation(stage.image, KEY, predicate_type=SIGNATURE)


def test_a_key_in_the_artefact_is_no_trust(stage: Attested) -> None:
    stranger = private_key(number=7)
    hint = base64.b64encode(stranger.public_key.spki_sha256).decode()
    made = envelope(statement(stage.digest, GOOD), stranger)
    put(stage.image, "bundle", content("bundle", made, verificationMaterial={"publicKey": {"hint": hint}}))
    with pytest.raises(NoSignatureAccepted):
        ask(stage)


def test_annotations_decide_nothing(stage: Attested) -> None:
    made = envelope(statement(stage.digest, GOOD, predicateType="https://other.example/x"))
    put(stage.image, "cosign", content("cosign", made), predicateType=TYPE)
    put(stage.image, "bundle", content("bundle", made), **{"dev.sigstore.bundle.predicateType": TYPE})
    with pytest.raises(NoSignatures):
        ask(stage)
    right = envelope(statement(stage.digest, GOOD))
    put(stage.image, "cosign", content("cosign", right), predicateType="https://other.example/x")
    assert ask(stage).statements


def test_one_changed_byte_anywhere_is_refused(stage: Attested) -> None:
    payload = statement(stage.digest, GOOD)
    for place in range(0, len(payload), 7):
        changed = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
        made = envelope(payload, payload=base64.b64encode(changed).decode())
        put(stage.image, "cosign", content("cosign", made))
    with pytest.raises((NoSignatures, NoSignatureAccepted)):
        ask(stage)


@form
def test_a_predicate_at_the_limit_is_read_and_a_larger_one_is_not(stage: Attested, form: str) -> None:
    whole = limits.ATTESTATION_BYTES
    small = len(statement(stage.digest, b'{"x":""}'))
    attest(stage.image, form, b'{"x":"%b"}' % (b"x" * (whole - small)))
    (made,) = ask(stage).statements
    assert len(made.predicate) > whole - 1000
    with attested_image() as other:
        attest(other.image, form, b'{"x":"%b"}' % (b"x" * (whole - small + 1)))
        with pytest.raises((LimitExceeded, NoSignatureAccepted)):
            ask(other)


def _in_lines(text: str) -> str:
    return "\\n".join(text[start : start + 64] for start in range(0, len(text), 64)) + "\\n"


WRITTEN: dict[str, Callable[[str], str]] = {
    "in lines": _in_lines,
    "in lines of Windows": lambda text: _in_lines(text).replace("\\n", "\\r\\n"),
    "in lines by number": lambda text: _in_lines(text).replace("\\n", "\\u000A"),
    "as Java escapes it": lambda text: text.replace("=", "\\u003d"),
    "as PHP escapes it": lambda text: text.replace("/", "\\/"),
    "all of it escaped": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
}
MISWRITTEN: dict[str, Callable[[str], str]] = {
    "a line feed that is not escaped": lambda text: _in_lines(text).replace("\\n", "\n", 1),
    "a tabulator": lambda text: _in_lines(text).replace("\\n", "\\t", 1),
    "an escape that is none": lambda text: text[:8] + "\\q" + text[8:],
    "an escape without its end": lambda text: text + "\\u00",
    "half of a pair": lambda text: text + "\\ud800",
    "a letter from elsewhere": lambda text: text[:8] + "\\u017f" + text[9:],
    "a tail": lambda text: _in_lines(text) + "====",
    "one letter less": lambda text: _in_lines(text[:-1]),
    "a quotation mark": lambda text: text + '\\"',
}


@form
@pytest.mark.parametrize(("length", "spare"), [(1, 0), (1, 1), (1, 2), (120_001, 1)])
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_payload_in_lines_or_with_escapes_is_read_as_by_other_readers(
    stage: Attested, form: str, write: Callable[[str], str], length: int, spare: int
) -> None:
    made = envelope(statement(stage.digest, b'{"x":"%b"}' % (b"?~>" * length) + b" " * spare))
    text = content(form, made).decode()
    put(stage.image, form, text.replace(made["payload"], write(made["payload"])).encode())
    assert ask(stage).statements


@form
@pytest.mark.parametrize("write", MISWRITTEN.values(), ids=MISWRITTEN)
def test_a_payload_that_other_readers_cannot_read_is_refused(
    stage: Attested, form: str, write: Callable[[str], str]
) -> None:
    made = envelope(statement(stage.digest, GOOD))
    text = content(form, made).decode()
    put(stage.image, form, text.replace(made["payload"], write(made["payload"])).encode())
    with pytest.raises(NoSignatureAccepted):
        ask(stage)


@form
def test_memory_is_at_most_three_times_the_statement(tmp_path: Path, form: str) -> None:
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    image = layout(tmp_path / "image", "1.0")
    size = 6 * 1024 * 1024
    attest(image, form, b'{"x":[%b1]}' % (b"1234567," * (size // 8)))
    verify_attestation(image, KEY, predicate_type=TYPE)
    tracemalloc.start()
    try:
        verify_attestation(image, KEY, predicate_type=TYPE)
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()
