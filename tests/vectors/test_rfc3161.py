"""Timestamps of real services: GlobalSign, freeTSA, IdenTrust, Sigstore; rfc3161-client is the second opinion."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import tsp
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from imagesig.crypto.algorithms import Hash
from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.errors import TimestampInvalid
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.timestamp import Timestamp, examine_timestamp
from imagesig.trust.timestamp_exchange import TimestampQuery, token_in_response
from imagesig.trust.timestamp_profile import timestamp_chain
from imagesig.trust.timestamp_token import open_token
from tests.vectors import report, vectors

NOW = datetime(2026, 11, 24, tzinfo=UTC)

SHA1_ONLY = {"tsa-46", "tsa-47"}
"""Signed with the old signingCertificate attribute alone, which binds by SHA-1; notation refuses it too."""
WITHOUT_CERTIFICATE = {"tsa-49", "tsa-51"}
OTHER_NONCE = {"tsa-37", "tsa-38", "tsa-39"}
"""Their request.der has been made again since: another nonce."""


def test_rfc3161_vectors() -> None:
    folder = vectors("rfc3161")
    left_out: Counter[str] = Counter()
    ran = 0
    for case in json.loads((folder / "cases.json").read_text())["cases"]:
        if case["id"] == "tsa-44":
            left_out["pins a common name, which imagesig does not"] += 1
            assert chain_of(folder, case)[0].x509.subject.rfc4514_string() == "CN=Test TSA Timestamping,O=local"
            continue
        verdict, reason = judge(folder, case)
        if case["id"] in SHA1_ONLY:
            assert "signingCertificateV2 is missing" in reason, case
        elif case["id"] in WITHOUT_CERTIFICATE:
            assert "certificate is missing" in reason, case
        elif case["id"] in OTHER_NONCE:
            assert "nonce differs" in reason, case
            assert chain_of(folder, case), case
        else:
            assert verdict is case["accept"], (case, reason)
        ran += 1
    report("rfc3161", ran, left_out)


def judge(folder: Path, case: dict[str, Any]) -> tuple[bool, str]:
    known = certificates(folder, case)
    try:
        encoded = token_in_response((folder / case["file"]).read_bytes())
        token = open_token(encoded, known)
        if case["level"] == "response":
            chain_of(folder, case)
        if "payload" in case:
            assert token.imprint == token.hash.digest((folder / case["payload"]).read_bytes())
        if "request" in case:
            asked = tsp.TimeStampReq.load((folder / case["request"]).read_bytes())
            imprint = asked["message_imprint"]
            algorithm = Hash(imprint["hash_algorithm"]["algorithm"].native)
            TimestampQuery(algorithm, imprint["hashed_message"].native, asked["nonce"].native).check_answer(token)
    except TimestampInvalid as error:
        return False, str(error)
    return True, ""


def certificates(folder: Path, case: dict[str, Any]) -> tuple[Certificate, ...]:
    return parse_certificates((folder / case["chain"]).read_bytes(), "chain") if "chain" in case else ()


def chain_of(folder: Path, case: dict[str, Any]) -> tuple[Certificate, ...]:
    known = certificates(folder, case)
    roots = [item for item in known if item.is_self_signed]
    token = open_token(token_in_response((folder / case["file"]).read_bytes()), known)
    return timestamp_chain(token.signer, (*token.certificates, *known), roots, token.generated)


def test_the_message_under_sigstores_timestamps_is_hello() -> None:
    folder = vectors("rfc3161") / "rfc3161-client" / "sigstage"
    known = parse_certificates((folder / "ts_chain.pem").read_bytes(), "chain")
    roots = TimestampAuthorities(tuple(item for item in known if item.is_self_signed))
    for hash in ("sha256", "sha384", "sha512"):
        encoded = token_in_response((folder / f"response-{hash}.tsr").read_bytes())
        found = examine_timestamp(encoded, b"hello", roots, NOW, known=known)
        assert found.generated.year == 2025
        with pytest.raises(TimestampInvalid, match="made for other bytes"):
            examine_timestamp(encoded, b"hallo", roots, NOW, known=known)


@pytest.mark.parametrize(
    ("file", "good"),
    [("response-sha256.tsr", True), ("response-sha512.tsr", True), ("response-invalid-signature.tsr", False)],
)
def test_rfc3161_client_says_the_same(file: str, good: bool) -> None:
    from cryptography import x509

    folder = vectors("rfc3161") / "rfc3161-client" / "sigstage"
    data = (folder / file).read_bytes()
    leaf, *others = x509.load_pem_x509_certificates((folder / "ts_chain.pem").read_bytes())
    verifier = VerifierBuilder().tsa_certificate(leaf).add_root_certificate(others[-1]).build()
    hash = "sha512" if "512" in file else "sha256"
    try:
        second = verifier.verify(decode_timestamp_response(data), Hash(hash).digest(b"hello"))
    except VerificationError:
        second = False
    known = parse_certificates((folder / "ts_chain.pem").read_bytes(), "chain")
    try:
        examine_timestamp(token_in_response(data), b"hello", TimestampAuthorities((known[-1],)), NOW, known=known)
        ours = True
    except TimestampInvalid:
        ours = False
    assert (ours, second) == (good, good)


# --- notation's own: JWS envelopes with tokens of GlobalSign, in BER with unsorted certificates ----------------------


def notation_timestamp(envelope: Path, *, signature: bytes | None = None) -> tuple[Timestamp, list[Certificate]]:
    document = json.loads(envelope.read_bytes())
    encoded = base64.b64decode(document["header"]["io.cncf.notary.timestampSignature"])
    raw = document["signature"]
    signature = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)) if signature is None else signature
    store = vectors("notation") / "notation-go" / "verifier" / "truststore" / "x509" / "tsa" / "test-timestamp"
    roots = [item for file in sorted(store.iterdir()) for item in parse_certificates(file.read_bytes(), file.name)]
    chain = [Certificate.from_der(base64.b64decode(item)) for item in document["header"]["x5c"]]
    return examine_timestamp(encoded, signature, TimestampAuthorities(tuple(roots)), NOW), chain


def test_notations_timestamps() -> None:
    folder = vectors("notation")
    left_out: Counter[str] = Counter()
    ran = 0
    for case in json.loads((folder / "cases-timestamp.json").read_text())["cases"]:
        if case["id"] in {"ts-05", "ts-07"}:
            left_out["about the policy or a missing token, which the format reads"] += 1
            continue
        found, chain = notation_timestamp(folder / case["envelope"])
        covered = all(item.not_before <= found.earliest and found.latest <= item.not_after for item in chain)
        assert covered is case["passes"], case
        with pytest.raises(TimestampInvalid, match="made for other bytes"):
            notation_timestamp(folder / case["envelope"], signature=b"spliced")
        ran += 1
    report("notation timestamps", ran, left_out)
