"""Whatever `cryptography`, asn1crypto and cbor2 raise for what others wrote is one rejection, a panic of Rust too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig import explain, inspect, sign, verify
from imagesig.errors import ImagesigError, InternalError, MalformedError, TimestampInvalid
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.private_key import PrivateKey
from imagesig.policy import Policy
from imagesig.trust.crl import judge_crl, open_crl
from imagesig.trust.ocsp import judge_ocsp
from imagesig.trust.revocation import RevocationStatus
from imagesig.trust.timestamp_token import open_token
from tests.attacks.test_impossible_certificates import authority, key, put
from tests.authorities import Authority, Revoked
from tests.chains import certified, leaf, root
from tests.makers import NOW, private_key
from tests.timestamps import token

Panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
RAISED = [TypeError, KeyError, ValueError, AttributeError, UnicodeError, OverflowError, OSError, RecursionError]
RAISED += [MemoryError, IndexError, NotImplementedError, Panic]
raised = pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)


class Odd:
    """A certificate of `cryptography`'s of which one member cannot be had."""

    def __init__(self, loaded: Any, member: str, kind: type[BaseException]) -> None:
        self.__dict__.update(loaded=loaded, member=member, kind=kind)

    def __getattr__(self, name: str) -> Any:
        if name == self.member:
            raise self.kind("odd")
        return getattr(self.loaded, name)

    def verify_directly_issued_by(self, issuer: Any) -> None:
        if self.member == "verify_directly_issued_by":
            raise self.kind("odd")
        self.loaded.verify_directly_issued_by(getattr(issuer, "loaded", issuer))


MEMBERS = ("subject", "issuer", "not_valid_after_utc", "extensions", "public_key", "signature_hash_algorithm",
           "signature_algorithm_parameters", "verify_directly_issued_by")  # fmt: skip


TOP = Authority()
SIGNER = TOP.leaf()
WITNESSES = {"ocsp": TOP.ocsp(SIGNER), "crl": TOP.crl(Revoked(SIGNER)), "timestamp": token(TOP.tsa())}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build_image(Layout.create(tmp_path / "layout"), {"a": b"b"}, PLATFORMS[0], "1.0")
    return layout(tmp_path / "layout", "1.0")


@raised
@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_that_cannot_be_read_is_a_rejection(
    image: Image, member: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography import x509

    odd = leaf(root(), key=PrivateKey.generate(certified().private_key.public_key.key_type))
    real = x509.load_der_x509_certificate
    put(image, odd)
    sign(image, key(), formats=["cosign", "notation-jws"], now=NOW)
    trusted = authority(certified(), odd)
    monkeypatch.setattr(
        x509,
        "load_der_x509_certificate",
        lambda data: Odd(real(data), member, kind) if data == odd.certificate.der else real(data),
    )
    for policy in (Policy.any_of(private_key().public_key), Policy.any_of(trusted)):
        assert verify(image, policy, now=NOW).verified
        explain(image, policy, now=NOW)
    inspect(image)
    sign(image, key(), formats=["notation-jws", "notation-cose"], now=NOW)


@raised
def test_what_readers_of_asn1_and_cbor_raise_proves_nothing(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asn1crypto.cms
    import asn1crypto.ocsp
    import cbor2
    from cryptography import x509
    from cryptography.x509 import ocsp

    top = Authority()
    signer, stamp = top.leaf(), token(top.tsa())
    answer, listed = top.ocsp(signer), top.crl()

    def fail(*_: object, **__: object) -> Any:
        raise kind("odd")

    def outcome(work: Callable[[], object], *errors: type[ImagesigError]) -> None:
        with pytest.raises(errors):
            work()

    for module, name in ((asn1crypto.ocsp.OCSPResponse, "load"), (ocsp, "load_der_ocsp_response")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, fail)
            judged = judge_ocsp(answer, signer.certificate, top.certificate, NOW)
            assert not judged.final
    with monkeypatch.context() as patched:
        patched.setattr(asn1crypto.cms.ContentInfo, "load", fail)
        outcome(lambda: open_token(stamp), TimestampInvalid)
    with monkeypatch.context() as patched:
        patched.setattr(x509, "load_der_x509_crl", fail)
        outcome(lambda: open_crl(listed, top.certificate, NOW), MalformedError)
    with monkeypatch.context() as patched:
        patched.setattr(cbor2, "CBORDecoder", fail)
        from imagesig.encoding import cbor

        outcome(lambda: cbor.parse(b"\x00", "value"), MalformedError)


def test_a_list_is_judged_with_any_number_of_a_root() -> None:
    top = Authority()
    signer = top.leaf()
    opened = open_crl(top.crl(), top.certificate, NOW)
    assert judge_crl(signer.certificate, opened).final


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_byte_of_what_witnesses_answer_raises_anything_foreign(data: st.DataObject) -> None:
    for kind, whole in WITNESSES.items():
        der = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            der[data.draw(st.integers(0, len(der) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            if kind == "ocsp":
                judge_ocsp(bytes(der), SIGNER.certificate, TOP.certificate, NOW)
            elif kind == "crl":
                opened = open_crl(bytes(der), TOP.certificate, NOW)
                assert isinstance(opened.delta_urls, tuple)
                judge_crl(SIGNER.certificate, opened)
            else:
                open_token(bytes(der))
        except InternalError:
            raise
        except ImagesigError:
            continue


@pytest.mark.parametrize("number", [1, 2**158, 2**159 - 1])
def test_a_list_and_a_responder_speak_of_every_number_that_a_certificate_may_have(number: int) -> None:
    signer = TOP.leaf(serial=number)
    assert judge_ocsp(TOP.ocsp(signer), signer.certificate, TOP.certificate, NOW).final
    revoked = judge_crl(signer.certificate, open_crl(TOP.crl(Revoked(signer)), TOP.certificate, NOW))
    assert revoked.status is RevocationStatus.REVOKED
