"""The real services: openssl as timestamp service, OCSP responder and authority, behind HTTP on loopback."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from imagesig.crypto.algorithms import Hash
from imagesig.crypto.certificate import Certificate
from imagesig.errors import Revoked, TimestampInvalid
from imagesig.signature import TimestampRequest
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.revocation import RevocationStatus
from imagesig.trust.timestamp import examine_timestamp
from imagesig.witnesses import Witnesses, online
from tests.authorities import Authority, Issued, ec_key, rsa_key
from tests.makers import NOW
from tests.peers.openssl import OpensslFailed, Publisher, TimestampService, openssl, pem
from tests.trust.test_timestamp import BETWEEN, NAMED, ROOT, TSA, by, naming
from tests.witnesses.loopback import Asked, Said, serving

pytestmark = pytest.mark.interop

SIGNATURE = b"the raw bytes of a signature"


@contextmanager
def witnesses() -> Iterator[Witnesses]:
    made = online(ocsp_seconds=30, crl_seconds=30, timestamp_seconds=30)
    try:
        yield made
    finally:
        made.close()


def request(url: str, *roots: Certificate, hash: Hash = Hash.SHA256) -> TimestampRequest:
    return TimestampRequest(url, hash, roots)


def timestamps(service: TimestampService) -> Any:
    return lambda asked: Said(service.answer(asked.body), headers={"content-type": "application/timestamp-reply"})


@pytest.mark.parametrize("hash", list(Hash), ids=lambda hash: hash.value)
@pytest.mark.parametrize("key", [ec_key(), ec_key(ec.SECP384R1()), rsa_key(3072)], ids=["P-256", "P-384", "RSA"])
def test_a_timestamp_of_openssl_is_used_and_proves_the_time(key: Any, hash: Hash, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    root = Authority("root", now=now)
    between = root.intermediate("between")
    service = TimestampService(tmp_path, between.tsa(key=key), (between.certificate,))
    with serving(timestamps(service)) as server, witnesses() as made:
        token = made.timestamp(request(server.url, root.certificate, hash=hash), SIGNATURE, now)

    found = examine_timestamp(token, SIGNATURE, TimestampAuthorities((root.certificate,)), datetime.now(UTC))

    assert found.chain == (service.signer.certificate, between.certificate, root.certificate)
    assert (found.latest - found.generated).total_seconds() == 1
    assert abs((found.generated - now).total_seconds()) < 60


def test_openssl_verifies_the_token_that_we_took(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    root = Authority("root", now=now)
    service = TimestampService(tmp_path, root.tsa(), ())
    with serving(timestamps(service)) as server, witnesses() as made:
        token = made.timestamp(request(server.url, root.certificate), SIGNATURE, now)
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "data").write_bytes(SIGNATURE)
    (tmp_path / "root.pem").write_bytes(pem(root.certificate))

    expected = openssl(
        "ts", "-verify", "-token_in", "-in", tmp_path / "token", "-data", tmp_path / "data",
        "-CAfile", tmp_path / "root.pem",
    )  # fmt: skip

    assert b"OK" in expected


@pytest.mark.parametrize("case", NAMED)
def test_openssl_refuses_the_same_names_of_certificates(case: str, tmp_path: Path) -> None:
    named, hash, reason = NAMED[case]
    (tmp_path / "token").write_bytes(by(TSA, BETWEEN, change_attributes=naming(*named, hash=hash)))
    (tmp_path / "data").write_bytes(SIGNATURE)
    (tmp_path / "root.pem").write_bytes(pem(ROOT.certificate))
    files = ("-in", tmp_path / "token", "-data", tmp_path / "data", "-CAfile", tmp_path / "root.pem")
    with pytest.raises(OpensslFailed, match="ess cert id") if reason else nullcontext():
        openssl("ts", "-verify", "-token_in", *files, "-attime", int(NOW.timestamp()))


def test_rfc3161_client_verifies_the_answer_that_we_took(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    root = Authority("root", now=now)
    service = TimestampService(tmp_path, root.tsa(), ())
    answers = []

    def answer(asked: Asked) -> Said:
        answers.append(service.answer(asked.body))
        return Said(answers[-1], headers={"content-type": "application/timestamp-reply"})

    with serving(answer) as server, witnesses() as made:
        made.timestamp(request(server.url, root.certificate), SIGNATURE, now)

    verifier = VerifierBuilder().add_root_certificate(root.x509).build()
    assert verifier.verify(decode_timestamp_response(answers[0]), Hash.SHA256.digest(SIGNATURE))


def test_a_service_that_binds_its_certificate_with_sha1_is_refused(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    root = Authority("root", now=now)
    service = TimestampService(tmp_path, root.tsa(), (), ("ess_cert_id_alg = sha1",))
    with (
        serving(timestamps(service)) as server,
        witnesses() as made,
        pytest.raises(TimestampInvalid, match="signingCertificateV2"),
    ):
        made.timestamp(request(server.url, root.certificate), SIGNATURE, now)


def test_a_request_that_openssl_refuses_is_quoted(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    root = Authority("root", now=now)
    service = TimestampService(tmp_path, root.tsa(), ())
    (tmp_path / "tsa.cnf").write_text((tmp_path / "tsa.cnf").read_text().replace("sha256, sha384, sha512", "sha512"))
    with (
        serving(timestamps(service)) as server,
        witnesses() as made,
        pytest.raises(TimestampInvalid, match="refused: rejection, bad_alg"),
    ):
        made.timestamp(request(server.url, root.certificate), SIGNATURE, now)


# --- revocation ----------------------------------------------------------------------------------------------------


@contextmanager
def published(home: Path) -> Iterator[tuple[Publisher, Any, list[Asked]]]:
    """A publisher, what issues a certificate that names it (by `ocsp`, `crl` or both), and what it was asked."""
    authority = Authority("authority", now=datetime.now(UTC))
    publisher = Publisher(home, authority, authority.delegate())

    def answer(asked: Asked) -> Said:
        if asked.path == "/crl":
            return Said(publisher.crl())
        body = asked.body or base64.b64decode(unquote(asked.path.removeprefix("/ocsp/")))
        return Said(publisher.answer(body), headers={"content-type": "application/ocsp-response"})

    with serving(answer) as server:

        def issue(*kinds: str, **options: Any) -> Issued:
            urls = {kind: (f"{server.url}/{kind}",) for kind in kinds}
            made = authority.leaf(**urls, **options)
            publisher.issued([made])
            return made

        yield publisher, issue, server.asked


@pytest.mark.parametrize("kind", ["ocsp", "crl"])
def test_openssl_says_good_and_then_revoked(kind: str, tmp_path: Path) -> None:
    with published(tmp_path) as (publisher, issue, asked):
        leaf = issue(kind)
        chain = (leaf.certificate, publisher.authority.certificate)
        with witnesses() as made:
            assert made.revocation.check(chain, datetime.now(UTC))[0].status is RevocationStatus.OK
        publisher.revoke(leaf)
        with witnesses() as made:
            (found,) = made.revocation.check(chain, datetime.now(UTC))

    assert found.status is RevocationStatus.REVOKED
    assert "keyCompromise" in found.reason
    assert [item.method for item in asked] == ["GET", "GET"]


def test_a_certificate_that_openssl_does_not_know_is_looked_up_in_its_crl(tmp_path: Path) -> None:
    with published(tmp_path) as (publisher, issue, asked), witnesses() as made:
        leaf = issue("ocsp", "crl")
        publisher.register.clear()
        publisher.issued([])
        (found,) = made.revocation.check((leaf.certificate, publisher.authority.certificate), datetime.now(UTC))

    assert found.status is RevocationStatus.OK
    assert [item.path.startswith("/ocsp/") for item in asked] == [True, False]


@pytest.mark.parametrize("reason", ["certificateHold", "keyCompromise", "superseded"])
def test_every_reason_of_openssl_is_revoked(reason: str, tmp_path: Path) -> None:
    with published(tmp_path) as (publisher, issue, _), witnesses() as made:
        leaf = issue("crl")
        publisher.revoke(leaf, reason)
        (found,) = made.revocation.check((leaf.certificate, publisher.authority.certificate), datetime.now(UTC))

    assert found.status is RevocationStatus.REVOKED


def test_an_unauthorized_responder_is_refused(tmp_path: Path) -> None:
    authority = Authority("authority", now=datetime.now(UTC))
    publisher = Publisher(tmp_path, authority, authority.leaf("no responder"))
    with serving(lambda asked: Said(publisher.answer(asked.body or _request(asked)))) as server, witnesses() as made:
        leaf = authority.leaf(ocsp=(server.url,))
        publisher.issued([leaf])
        (found,) = made.revocation.check((leaf.certificate, authority.certificate), datetime.now(UTC))

    assert found.status is RevocationStatus.UNKNOWN
    assert "no OCSPSigning" in found.reason


def _request(asked: Asked) -> bytes:
    return base64.b64decode(unquote(asked.path.removeprefix("/")))


def test_a_timestamp_service_that_was_revoked_is_not_used(tmp_path: Path) -> None:
    # CVE-2024-56138, with the real services on both sides.
    with published(tmp_path / "ca") as (publisher, issue, _), witnesses() as made:
        from tests.authorities import TIME_STAMPING

        tsa = issue("ocsp", purposes=TIME_STAMPING, purposes_critical=True)
        service = TimestampService(tmp_path / "tsa", tsa, ())
        with serving(timestamps(service)) as server:
            asked = request(server.url, publisher.authority.certificate)
            assert made.timestamp(asked, SIGNATURE, datetime.now(UTC))
            publisher.revoke(tsa)
            with witnesses() as later, pytest.raises(Revoked, match="keyCompromise"):
                later.timestamp(asked, SIGNATURE, datetime.now(UTC))
